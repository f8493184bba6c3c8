"""`changes`: who changed policies, profiles, applications and identities through the API."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from evercert.cli import arguments, terminal
from evercert.cli.authority import show
from evercert.cli.authority.lazy import open_authority
from evercert.cli.terminal import Json, Region, Stack
from evercert.durations import to_text
from evercert.operations.escapes import visible
from evercert.timestamps import to_text as moment

if TYPE_CHECKING:
    from evercert.authority.contracts.management import AuditEntry

_LONGEST = timedelta(days=400)


def changes(
    *,
    since: Annotated[str, typer.Option("--since", help="Include changes up to this age, at most 400d.")] = "7d",
    identity: Annotated[
        str | None, typer.Option("--identity", help="Only changes made by the identity with this name.")
    ] = None,
    name: Annotated[
        str | None, typer.Option("--object", help="Only changes of the object with this name, such as shop/web.")
    ] = None,
    stack: Stack = "evercert",
    region: Region = None,
    as_json: Json = False,
) -> None:
    """List the changes that were made through the API, newest first."""
    span = arguments.age(since, "--since", _LONGEST)
    authority, now = open_authority(stack, region), terminal.now()
    with terminal.err.status("reading the audit trail"):
        found = [
            entry
            for entry in authority.audit_trail.entries(now - span, now)
            if identity in (None, entry.identity_name) and name in (None, entry.object_name)
        ]
    if as_json:
        terminal.print_json([_values(entry) for entry in found])
        return
    for entry in found:
        _print(entry)
    if not found:
        terminal.notes([f"no matching changes in the last {to_text(span)}; changes made by commands are not recorded"])


def _print(entry: AuditEntry) -> None:
    who = visible(entry.identity_name)
    terminal.out.print(f"{moment(entry.at)}  {who}  {entry.action} {entry.kind} {visible(entry.object_name)}")
    if entry.before is not None and entry.after is not None:
        show.differences(terminal.out, dict(entry.before), dict(entry.after))


def _values(entry: AuditEntry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "at": moment(entry.at),
        "identity": {"id": entry.identity, "name": entry.identity_name},
        "action": entry.action,
        "kind": entry.kind,
        "object": {"id": entry.object_id, "name": entry.object_name},
        "before": None if entry.before is None else dict(entry.before),
        "after": None if entry.after is None else dict(entry.after),
    }
