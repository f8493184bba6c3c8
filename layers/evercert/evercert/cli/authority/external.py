"""`external …`: external issuers that profiles may use, each within a ceiling."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from evercert.cli import arguments, terminal
from evercert.cli.authority import show
from evercert.cli.authority.ceiling_options import Dns, Email, Ip, Key, Uri, Usage, Values, merged, parse_options
from evercert.cli.authority.lazy import open_authority
from evercert.cli.files import BadInput
from evercert.cli.grid import Grid
from evercert.cli.terminal import Json, Region, Stack, Yes
from evercert.durations import to_text
from evercert.operations.escapes import visible
from evercert.schema import nearest

if TYPE_CHECKING:
    from evercert.aws.authority.external_ceilings import DynamoDBExternalCeilings
    from evercert.cli.authority.connection import AuthorityConnection

Issuer = Annotated[str, typer.Argument(metavar="ISSUER", help="Name of an issuer, as in evercert issuer list.")]
app = typer.Typer(no_args_is_help=True, help="Let profiles use external issuers, within a ceiling.")


@app.command("set")
def set_(
    issuer: Issuer,
    *,
    dns: Dns = None,
    ip: Ip = None,
    email: Email = None,
    uri: Uri = None,
    key: Key = None,
    usage: Usage = None,
    project: Annotated[
        Values, typer.Option(help="Project whose profiles may use the issuer; * for all (repeatable).")
    ] = None,
    longest: Annotated[str | None, typer.Option(help="Longest validity that a request may name, such as 90d.")] = None,
    yes: Yes = False,
    stack: Stack = "evercert",
    region: Region = None,
    as_json: Json = False,
) -> None:
    """Set the ceiling of an issuer; an option replaces its list.

    The issuer function checks the ceiling before each request. No function can change it.
    """
    changes = parse_options({"dns": dns, "ip": ip, "email": email, "uri": uri, "key": key, "usage": usage})
    if longest is not None:
        changes["longest"] = to_text(arguments.span(longest, "--longest"))
    if "dns" not in changes:
        raise BadInput(["missing --dns: name the domains that requests may have, or * for any"])
    from evercert.authority.contracts.external import ExternalCeiling  # noqa: PLC0415

    authority = open_authority(stack, region)
    if project is not None:
        changes["projects"] = _ids(authority.configuration.projects(), project)
    ceilings = _ceilings(authority)
    _require_known(issuer, ceilings.issuers())
    before = ceilings.ceiling(issuer)
    after = merged(ExternalCeiling, before, changes)
    old = {} if before is None else before.model_dump(mode="json", by_alias=True)
    values = after.model_dump(mode="json", by_alias=True)
    changed = before != after
    if not as_json and not show.differences(terminal.out, old, values):
        terminal.out.print("nothing to change")
    if changed:
        if not yes:
            terminal.confirm(f"Let profiles use issuer {issuer} within this ceiling? It takes effect at once.")
        ceilings.put(issuer, after)
    if not after.projects and not as_json:
        terminal.notes([f"the profiles of all projects may use issuer {visible(issuer)}: pass --project to limit it"])
    if as_json:
        terminal.print_json({"issuer": issuer, "ceiling": values, "changed": changed})


@app.command("list")
def list_(*, stack: Stack = "evercert", region: Region = None, as_json: Json = False) -> None:
    """List the external issuers that profiles may use, with their ceilings."""
    authority = open_authority(stack, region)
    found = _ceilings(authority).every()
    if as_json:
        ceilings = {name: one.model_dump(mode="json", by_alias=True) for name, one in found.items()}
        terminal.print_json([{"issuer": name, "ceiling": values} for name, values in ceilings.items()])
        return
    names = authority.configuration.projects() if found else {}
    table = Grid("ISSUER", "PROJECTS", "DNS", "IP", "LONGEST")
    for name, one in found.items():
        projects = ", ".join(names.get(project, project) for project in one.projects) or "all"
        table.add_row(name, projects, ", ".join(one.dns), ", ".join(one.ip), to_text(one.longest))
    terminal.out.print(table)
    if not found:
        terminal.notes(["no issuer is open to profiles: run evercert authority external set ISSUER to open one"])


@app.command()
def remove(issuer: Issuer, *, stack: Stack = "evercert", region: Region = None, as_json: Json = False) -> None:
    """Close an issuer to profiles. Their open requests fail; issued certificates remain valid."""
    ceilings = _ceilings(open_authority(stack, region))
    existed = ceilings.ceiling(issuer) is not None
    ceilings.remove(issuer)
    if as_json:
        terminal.print_json({"issuer": issuer, "changed": existed})
    else:
        terminal.out.print(f"issuer {visible(issuer)} is closed to profiles" if existed else "nothing to change")


def _require_known(issuer: str, known: list[str]) -> None:
    if issuer not in known:
        raise BadInput([f"unknown issuer {visible(issuer)!r}{nearest(issuer, known)}"])


def _ids(known: Mapping[str, str], wanted: list[str]) -> list[str]:
    """Return the IDs of the projects, none for all; raise BadInput for an unknown one. `known`: names by ID."""
    if wanted == ["*"]:
        return []
    ids = {name: project_id for project_id, name in known.items()}
    if unknown := [f"unknown project {visible(one)!r}{nearest(one, ids)}" for one in wanted if one not in ids]:
        raise BadInput(unknown)
    return [ids[name] for name in dict.fromkeys(wanted)]


def _ceilings(authority: AuthorityConnection) -> DynamoDBExternalCeilings:
    from evercert.aws.authority.external_ceilings import DynamoDBExternalCeilings  # noqa: PLC0415

    return DynamoDBExternalCeilings(authority.clients.dynamodb, authority.connection.output("IssuersTable"))
