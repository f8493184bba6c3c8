"""`init`: create the authority's keys and certificates; an interrupted run is resumed by the next one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from evercert.cli import arguments, terminal
from evercert.cli.authority import ca_page, crls, show
from evercert.cli.authority.arguments import parse_issuing
from evercert.cli.authority.constraint_options import (
    ConstraintOptions,
    ExcludeDns,
    ExcludeEmail,
    ExcludeIp,
    ExcludeUri,
    PermitDns,
    PermitEmail,
    PermitIp,
    PermitUri,
    unrestricted_note,
)
from evercert.cli.authority.init_checks import check_existing
from evercert.cli.authority.lazy import ceremony_context, open_authority
from evercert.cli.files import BadInput
from evercert.cli.terminal import Json, Region, Stack, Yes
from evercert.schema import printable

if TYPE_CHECKING:
    from evercert.authority.ca.definition import CA
    from evercert.cli.authority.ceremony import InitOptions
    from evercert.cli.authority.connection import AuthorityConnection

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

PathLength = Annotated[
    int | None, typer.Option(min=1, max=10, help="Path length of the root: most CAs below it. Default: unlimited.")
]
ConstrainRoot = Annotated[
    bool, typer.Option("--constrain-root", help="Write the name constraints into the root's certificate, too.")
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
    path_length: PathLength = None,
    constrain_root: ConstrainRoot = False,
    permit_dns: PermitDns = None,
    permit_ip: PermitIp = None,
    permit_email: PermitEmail = None,
    permit_uri: PermitUri = None,
    exclude_dns: ExcludeDns = None,
    exclude_ip: ExcludeIp = None,
    exclude_email: ExcludeEmail = None,
    exclude_uri: ExcludeUri = None,
    yes: Yes = False,
    stack: Stack = "evercert",
    region: Region = None,
    as_json: Json = False,
) -> None:
    """Create the missing keys and certificates of the authority, and restore its key policies.

    Name constraints (--permit-…, --exclude-…) are written into the new issuing CAs, critical; they cannot change later.
    """
    permitted = {"dns": permit_dns, "ip": permit_ip, "email": permit_email, "uri": permit_uri}
    excluded = {"dns": exclude_dns, "ip": exclude_ip, "email": exclude_email, "uri": exclude_uri}
    options = _parse((stack, common_name, organization), (root_validity, issuing_validity), issuing, outside=no_root)
    options = _with_limits(options, ConstraintOptions(permitted, excluded), path_length, constrain_root=constrain_root)
    authority = open_authority(stack, region)
    existing = {ca.name: ca for ca in authority.configuration.cas()}
    check_existing(authority, options, existing, parse_issuing(issuing or ()))
    if options.constraints is not None and (note := unrestricted_note(options.constraints)):
        terminal.notes([note])
    _run(authority, options, existing, (common_name, organization), yes=yes, as_json=as_json)


def _parse(
    names: tuple[str, str | None, str | None], validities: tuple[str, str], issuing: list[str] | None, *, outside: bool
) -> InitOptions:
    """Return the options without limits; raise BadInput before anything connects to AWS."""
    from evercert.cli.authority import ceremony  # noqa: PLC0415 (cryptography and AWS's library are slow to load)

    stack, common_name, organization = names
    options = ("--root-validity", "--issuing-validity")
    root, below = (arguments.span(text, option) for text, option in zip(validities, options, strict=True))
    chosen = parse_issuing(issuing) if issuing else ceremony.ISSUING
    title = stack if common_name is None else common_name
    found = ceremony.InitOptions(title, organization, root, below, outside=outside, issuing=chosen)
    found.check()
    return found


def _with_limits(
    options: InitOptions, chosen: ConstraintOptions, path_length: int | None, *, constrain_root: bool
) -> InitOptions:
    constraints = chosen.parse()
    if options.outside and (constraints is not None or path_length is not None):
        raise BadInput(["--no-root: the external CA sets name constraints and path length; request them from it"])
    if constrain_root and constraints is None:
        raise BadInput(["--constrain-root: no name constraints given; add a --permit-… or --exclude-… option"])
    return replace(options, constraints=constraints, path_length=path_length, constrain_root=constrain_root)


def _run(
    authority: AuthorityConnection,
    options: InitOptions,
    existing: Mapping[str, CA],
    names: tuple[str | None, str | None],
    *,
    yes: bool,
    as_json: bool,
) -> None:
    from evercert.cli.authority import ceremony  # noqa: PLC0415

    options = ceremony.with_root_names(options, existing.get(ceremony.ROOT), *names)
    options.check()
    wanted = [*([] if options.outside else [ceremony.ROOT]), *dict(options.issuing)]
    # An interrupted run may have stored a CA without its key.
    _confirm([name for name in wanted if name not in existing or not existing[name].key], yes=yes)
    given = zip(("--common-name", "--organization"), names, strict=True)
    name_options = [option for option, value in given if value is not None]
    _report_existing(wanted, existing, options, name_options=name_options, quiet=as_json)
    with resumable():
        context = ceremony_context(authority, quiet=as_json)
        cas = ceremony.establish(context, options)
        ceremony.restore_key_policies(context, tuple(authority.configuration.cas()))
        crls.renew_root(authority, context)
        crls.publish_missing(authority)
    if as_json:
        terminal.print_json([show.ca_values(ca) for ca in cas])
        return
    for line in ca_page.next_steps(cas):
        terminal.out.print(line)


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
def resumable() -> Iterator[None]:
    """Exit with a note if the operator interrupts a command that continues when it is run again."""
    try:
        yield
    except KeyboardInterrupt:
        terminal.notes(["interrupted: run the same command again to resume"])
        raise typer.Exit(terminal.INTERRUPTED) from None
