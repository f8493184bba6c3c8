"""`init`: create the authority's keys and certificates; an interrupted run is resumed by the next one."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from evercert.cli import arguments, terminal
from evercert.cli.authority import crls, show
from evercert.cli.authority.arguments import parse_issuing
from evercert.cli.authority.lazy import ceremony_context, open_authority
from evercert.cli.files import BadInput
from evercert.cli.terminal import Json, Region, Stack, Yes
from evercert.schema import printable

if TYPE_CHECKING:
    from evercert.authority.ca.definition import CA
    from evercert.cli.authority.ceremony import InitOptions
    from evercert.pki.algorithms import KeyAlgorithm

CommonName = Annotated[
    str | None,
    typer.Option(
        help="Prefix of the CAs' common names. Default: the prefix of the existing root, or the stack's name."
    ),
]
Organization = Annotated[str | None, typer.Option(help="Organization of the CAs. Default: that of the existing root.")]
NoRoot = Annotated[
    bool,
    typer.Option("--no-root", help="Create issuing keys only, for an external CA to certify (ca csr, ca import)."),
]
Issuing = Annotated[
    list[str] | None,
    typer.Option(help="Issuing CA, as NAME=ALGORITHM, such as issuing-ec-2=EC_prime256v1 (repeatable)."),
]


def init(
    *,
    common_name: CommonName = None,
    organization: Organization = None,
    root_validity: Annotated[str, typer.Option(help="Validity of the root.")] = "20y",
    issuing_validity: Annotated[
        str, typer.Option(help="Validity of the issuing CAs, at most that of the root.")
    ] = "5y",
    no_root: NoRoot = False,
    issuing: Issuing = None,
    yes: Yes = False,
    stack: Stack = "evercert",
    region: Region = None,
    as_json: Json = False,
) -> None:
    """Create the missing keys and certificates of the authority, and restore its key policies."""
    from evercert.cli.authority import ceremony  # noqa: PLC0415 (cryptography and AWS's library are slow to load)

    spans = arguments.span(root_validity, "--root-validity"), arguments.span(issuing_validity, "--issuing-validity")
    chosen = parse_issuing(issuing) if issuing else ceremony.ISSUING
    title = stack if common_name is None else common_name
    options = ceremony.InitOptions(title, organization, *spans, outside=no_root, issuing=chosen)
    options.check()  # fail before connecting to AWS
    authority = open_authority(stack, region)
    existing = {ca.name: ca for ca in authority.configuration.cas()}
    _check_root(stack, existing.values(), no_root=no_root)
    _check_algorithms(existing, parse_issuing(issuing or ()))
    options = ceremony.with_root_names(options, existing.get(ceremony.ROOT), common_name, organization)
    options.check()
    names = [*([] if no_root else [ceremony.ROOT]), *dict(options.issuing)]
    # An interrupted run may have stored a CA without its key.
    _confirm([name for name in names if name not in existing or not existing[name].key], yes=yes)
    name_options = [
        option
        for option, value in (("--common-name", common_name), ("--organization", organization))
        if value is not None
    ]
    _report_existing(names, existing, options, name_options=name_options, quiet=as_json)
    with _resumable():
        context = ceremony_context(authority, quiet=as_json)
        cas = ceremony.establish(context, options)
        ceremony.restore_key_policies(context, tuple(authority.configuration.cas()))
        crls.renew_root(authority, context)
        crls.publish_missing(authority)
    if as_json:
        terminal.print_json([show.ca_values(ca) for ca in cas])
        return
    for line in show.next_steps(cas):
        terminal.out.print(line)


def _check_root(stack: str, cas: Collection[CA], *, no_root: bool) -> None:
    """Refuse to mix issuing CAs under the own root with externally certified ones."""
    if no_root and any(ca.kind == "root" for ca in cas):
        raise BadInput([f"stack {stack} has a root already, which certifies its issuing CAs: omit --no-root"])
    if not no_root and (external := [ca.name for ca in cas if ca.kind == "issuing" and ca.parent is None]):
        raise BadInput([f"{', '.join(external)} of stack {stack} are certified by an external CA: add --no-root"])


def _check_algorithms(existing: Mapping[str, CA], requested: Iterable[tuple[str, KeyAlgorithm]]) -> None:
    """Refuse another key algorithm for an existing CA: its key cannot change."""
    taken = [(existing[name], algorithm) for name, algorithm in requested if name in existing]
    errors = [
        f"--issuing {ca.name}={algorithm}: CA {ca.name} exists with {ca.algorithm}; choose another name"
        for ca, algorithm in taken
        if ca.kind == "root" or ca.algorithm != algorithm
    ]
    if errors:
        raise BadInput(errors)


def _confirm(keys: Sequence[str], *, yes: bool) -> None:
    if keys and not yes:
        terminal.confirm(
            f"Create {arguments.counted(len(keys), 'KMS key')} ({', '.join(keys)})? Each costs about 1 USD a month."
        )


def _report_existing(
    names: Sequence[str], existing: Mapping[str, CA], options: InitOptions, *, name_options: Sequence[str], quiet: bool
) -> None:
    """Report a run that creates nothing, and names that it ignores."""
    if name_options and options.outside:
        terminal.notes(["names are not stored: pass --common-name and --organization to ca csr"])
    if not all(name in existing and existing[name].installed for name in names):
        return
    if not quiet:
        terminal.out.print(f"exists already: {', '.join(names)}")
    if not name_options or options.outside:
        return
    others = [name for name in names if existing[name].current.x509.subject != options.subject(name)]
    if others:
        subjects = "; ".join(f"{name} ({existing[name].current.x509.subject.rfc4514_string()})" for name in others)
        ignored = " and ".join(name_options)
        terminal.notes([f"{ignored} ignored: the existing CAs keep their names: {printable(subjects, 600)}"])


@contextmanager
def _resumable() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        terminal.notes(["interrupted: run the same command again to resume"])
        raise typer.Exit(terminal.INTERRUPTED) from None
