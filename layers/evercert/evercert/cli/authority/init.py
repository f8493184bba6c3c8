"""`init`: the authority's keys and certificates, made once; whatever dies, the next run goes on."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from evercert.cli import arguments, terminal
from evercert.cli.authority import crls, show
from evercert.cli.authority.arguments import issuing_of
from evercert.cli.authority.cas import CommonName, Organization
from evercert.cli.authority.lazy import hands_of, opened
from evercert.cli.files import BadInput
from evercert.cli.terminal import Json, Region, Stack, Yes
from evercert.schema import printable

if TYPE_CHECKING:
    from evercert.authority.ca.definition import CA
    from evercert.cli.authority.ceremony import Wish
    from evercert.pki.algorithms import KeyAlgorithm


def init(
    *,
    common_name: CommonName = None,
    organization: Organization = None,
    root_validity: Annotated[str, typer.Option(help="How long the root is valid.")] = "20y",
    issuing_validity: Annotated[str, typer.Option(help="How long issuing CAs are; never longer than the root.")] = "5y",
    no_root: Annotated[
        bool, typer.Option("--no-root", help="Issuing keys alone, for a CA outside to certify (ca csr, ca import).")
    ] = False,
    issuing: Annotated[
        list[str] | None,
        typer.Option(help="NAME=ALGORITHM of an issuing CA, such as issuing-ec-2=EC_prime256v1 (repeatable)."),
    ] = None,
    yes: Yes = False,
    stack: Stack = "evercert",
    region: Region = None,
    as_json: Json = False,
) -> None:
    """Make the authority's keys and certificates, whatever of them is not there yet."""
    from evercert.cli.authority import ceremony  # noqa: PLC0415 (cryptography and AWS's library are slow to load)

    spans = arguments.span(root_validity, "--root-validity"), arguments.span(issuing_validity, "--issuing-validity")
    chosen = issuing_of(issuing) if issuing else ceremony.ISSUING
    title = stack if common_name is None else common_name
    wish = ceremony.Wish(title, organization, *spans, outside=no_root, issuing=chosen)
    wish.check()  # before anybody is asked
    found = opened(stack, region)
    there = {ca.name: ca for ca in found.estate.cas()}
    _check_root(stack, there.values(), no_root=no_root)
    _check_kinds(there, issuing_of(issuing or ()))
    wish = ceremony.called_as(wish, there.get(ceremony.ROOT), common_name, organization)
    wish.check()
    names = [*([] if no_root else [ceremony.ROOT]), *dict(wish.issuing)]
    # A run that died wrote a CA down before its key was made.
    _confirm([name for name in names if name not in there or not there[name].key], yes=yes)
    renamed = (common_name, organization) != (None, None)
    _tell_made(names, there, wish, renamed=renamed, quiet=as_json)
    with _resumable():
        hands = hands_of(found, quiet=as_json)
        cas = ceremony.establish(hands, wish)
        ceremony.mended_policies(hands, tuple(found.estate.cas()))
        crls.published_first(found)
    if as_json:
        terminal.print_json([show.ca_values(ca) for ca in cas])
        return
    for line in show.next_steps(cas):
        terminal.out.print(line)


def _check_root(stack: str, cas: Collection[CA], *, no_root: bool) -> None:
    """All issuing CAs are under one roof: of the own root, or of somebody outside."""
    if no_root and any(ca.kind == "root" for ca in cas):
        raise BadInput([f"stack {stack} has a root already, which certifies its issuing CAs: leave --no-root out"])
    if not no_root and (outside := [ca.name for ca in cas if ca.kind == "issuing" and ca.parent is None]):
        raise BadInput([f"{', '.join(outside)} of stack {stack} are for a CA outside to certify: go on with --no-root"])


def _check_kinds(there: Mapping[str, CA], asked: Iterable[tuple[str, KeyAlgorithm]]) -> None:
    """A key stays what it is; another kind is another CA."""
    taken = [(there[name], algorithm) for name, algorithm in asked if name in there]
    wrong = [
        f"--issuing {ca.name}={algorithm}: CA {ca.name} is {ca.algorithm} already; give the new one another name"
        for ca, algorithm in taken
        if ca.kind == "root" or ca.algorithm != algorithm
    ]
    if wrong:
        raise BadInput(wrong)


def _confirm(keys: Sequence[str], *, yes: bool) -> None:
    if keys and not yes:
        arguments.confirm(
            f"Make {arguments.counted(len(keys), 'KMS key')} ({', '.join(keys)})? Each costs about 1 USD a month."
        )


def _tell_made(names: Sequence[str], there: Mapping[str, CA], wish: Wish, *, renamed: bool, quiet: bool) -> None:
    """A run that has nothing to make says so; what is said of names, and counts for nothing, is told."""
    if renamed and wish.outside:
        terminal.notes(["names are not kept: give --common-name and --organization to ca csr"])
    if not all(name in there and there[name].installed for name in names):
        return
    if not quiet:
        terminal.out.print(f"made already: {', '.join(names)}")
    if not renamed or wish.outside:
        return
    others = [name for name in names if there[name].current.x509.subject != wish.subject(name)]
    if others:
        stays = "; ".join(f"{name} ({there[name].current.x509.subject.rfc4514_string()})" for name in others)
        terminal.notes([f"called as before, because names count for new CAs alone: {printable(stays, 600)}"])


@contextmanager
def _resumable() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        terminal.notes(["interrupted; the same command again goes on where this one stopped"])
        raise typer.Exit(terminal.INTERRUPTED) from None
