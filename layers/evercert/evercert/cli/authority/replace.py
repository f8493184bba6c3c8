"""`ca replace`: replace an issuing CA by one with a new key, without a gap."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from evercert.cli import arguments, terminal
from evercert.cli.authority import crls
from evercert.cli.authority.arguments import ca_named, parse_algorithm
from evercert.cli.authority.cas import Name
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
)
from evercert.cli.authority.init import resumable
from evercert.cli.authority.lazy import ceremony_context, open_authority, require_current_stack
from evercert.cli.terminal import Json, Region, Stack, Yes
from evercert.errors import Unavailable

if TYPE_CHECKING:
    from evercert.authority.ca.definition import CA
    from evercert.cli.authority.connection import AuthorityConnection
    from evercert.cli.authority.replacement import Replacement, ReplaceOptions

NewName = Annotated[
    str | None, typer.Option("--name", help="Name of the new CA. Default: the next number, such as issuing-ec-2.")
]
Algorithm = Annotated[str | None, typer.Option(help="Key algorithm of the new CA, of the same key family.")]
CommonName = Annotated[str | None, typer.Option(help="Common name of the new CA. Default: derived from the old one.")]
Profiles = Annotated[
    list[str] | None, typer.Option("--profile", help="Move only this profile (project/slug) for now (repeatable).")
]


def replace(
    name: Name,
    *,
    new_name: NewName = None,
    algorithm: Algorithm = None,
    common_name: CommonName = None,
    validity: Annotated[str, typer.Option(help="Validity of the new CA, at most that of the root.")] = "5y",
    profile: Profiles = None,
    permit_dns: PermitDns = None,
    permit_ip: PermitIp = None,
    permit_email: PermitEmail = None,
    permit_uri: PermitUri = None,
    exclude_dns: ExcludeDns = None,
    exclude_ip: ExcludeIp = None,
    exclude_email: ExcludeEmail = None,
    exclude_uri: ExcludeUri = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and exit.")] = False,
    yes: Yes = False,
    stack: Stack = "evercert",
    region: Region = None,
    as_json: Json = False,
) -> None:
    """Replace an issuing CA by one with a new key, and move its profiles. Run it again to resume.

    The old CA is retired: its certificates stay valid, and its CRLs are still published.
    """
    from evercert.cli.authority import replacement  # noqa: PLC0415 (cryptography and AWS's library are slow to load)

    permitted = {"dns": permit_dns, "ip": permit_ip, "email": permit_email, "uri": permit_uri}
    excluded = {"dns": exclude_dns, "ip": exclude_ip, "email": exclude_email, "uri": exclude_uri}
    options = replacement.ReplaceOptions(
        new_name,
        None if algorithm is None else parse_algorithm(algorithm),
        common_name,
        arguments.span(validity, "--validity"),
        ConstraintOptions(permitted, excluded).parse(),
        frozenset(profile) if profile else None,
    )
    authority = open_authority(stack, region)
    require_current_stack(authority, "ca replace")
    found = replacement.plan(authority.configuration, ca_named(authority.configuration, name), options)
    if not as_json:
        _print_plan(found)
    new = None if dry_run else _run(authority, found, options, yes=yes, quiet=as_json)
    _report(found, new, written=not dry_run, as_json=as_json)


def _run(authority: AuthorityConnection, found: Replacement, options: ReplaceOptions, *, yes: bool, quiet: bool) -> CA:
    """Carry out the steps; return the new CA, which may wait for the certificate of an external CA."""
    from evercert.cli.authority import replacement  # noqa: PLC0415

    if any(found.steps()) and not yes:
        costs = "" if found.new.key else " The new KMS key costs about 1 USD a month."
        terminal.confirm(f"Replace CA {found.old.name} by CA {found.new.name}?{costs}")
    with resumable():
        context = ceremony_context(authority, quiet=quiet)
        return replacement.run(context, found, options, lambda new: _require_crl(authority, new))


def _require_crl(authority: AuthorityConnection, new: CA) -> None:
    """Publish the first CRL of the new CA, and its certificate: verifiers expect both from its first certificate on."""
    crls.publish_missing(authority)
    if authority.certificates.published(new.id) is None:
        raise Unavailable(f"CA {new.name} has no CRL yet: no profile was moved; run the command again")


def _print_plan(found: Replacement) -> None:
    subject = "" if found.subject is None else f", {found.subject.rfc4514_string()}"
    lines = {
        "create": f"+ CA {found.new.name}: {found.new.algorithm}{subject}",
        "certify": f"+ certificate of CA {found.new.name}",
        "retire": f"~ CA {found.old.name}: {found.old.status} → no certificates, CRLs only",
    }
    steps = list(found.steps())
    for step in steps:
        moved = f"~ profile {step.name}: CA {found.old.name} → {found.new.name}"
        terminal.out.print(lines.get(step.verb, moved))
    if not steps:
        terminal.out.print(f"nothing to change: CA {found.new.name} has replaced CA {found.old.name}")
    if found.others:
        left = arguments.counted(len(found.others), "other profile")
        terminal.out.print(f"{left} remain with CA {found.old.name}, which still issues")


def _report(found: Replacement, new: CA | None, *, written: bool, as_json: bool) -> None:
    waits = (new or found.new).status == "pending" and found.new.parent is None
    name = found.new.name
    steps = [
        f"evercert authority ca csr {name}",
        f"evercert authority ca import {name} FILE",
        f"evercert authority ca replace {found.old.name}",
    ]
    if as_json:
        values = [{"verb": step.verb, "what": step.kind, "name": step.name} for step in found.steps()]
        names = {"name": found.old.name, "replacement": name}
        terminal.print_json({**names, "steps": values, "written": written, "next": steps if waits else []})
        return
    if not written:
        terminal.out.print("nothing was written (--dry-run)")
    if waits:
        terminal.out.print("an external CA must certify it; until then, the profiles stay with the old CA. Next:")
        for step in steps:
            terminal.out.print(f"    {step}")
