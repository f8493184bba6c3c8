"""`issuances`: who asked for which certificate under which profile, the answer, and who decided or changed it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from evercert.cli import arguments, terminal
from evercert.cli.authority.lazy import open_authority
from evercert.cli.grid import Grid
from evercert.cli.terminal import Json, Region, Stack
from evercert.durations import to_text
from evercert.operations.escapes import visible
from evercert.timestamps import to_text as moment

if TYPE_CHECKING:
    from evercert.authority.contracts.issuance_trail import IssuanceEntry
    from evercert.cli.authority.connection import AuthorityConnection

_LONGEST = timedelta(days=400)
_MOST = 10_000
_MOST_NAMES = 3  # in a row of the table


@dataclass(frozen=True)
class Labels:
    """Names of identities and profiles by id; deleted ones and ACME accounts have none."""

    identities: Mapping[str, str]
    profiles: Mapping[str, str]

    @classmethod
    def of(cls, authority: AuthorityConnection) -> Labels:
        """Read the names."""
        configuration = authority.configuration
        return cls(
            {one.id: one.name for one in configuration.identities()},
            {one.id: one.key for one in configuration.profiles()},
        )

    def who(self, identity: str, origin: str) -> str:
        """Return the name of a requester, or its id."""
        return (
            self.identities.get(identity) or identity or ("operator" if origin == "command" else "key of certificate")
        )


def issuances(
    *,
    since: Annotated[str, typer.Option("--since", help="Include entries up to this age, at most 400d.")] = "7d",
    identity: Annotated[
        str | None, typer.Option("--identity", help="Only this identity (name or ID) or ACME account (ID).")
    ] = None,
    profile: Annotated[str | None, typer.Option("--profile", help="Only this profile, as project/slug or ID.")] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="Only entries with this name; *.example.com for all names below it.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=_MOST, help="Maximum number of entries.")] = 1_000,
    stack: Stack = "evercert",
    region: Region = None,
    as_json: Json = False,
) -> None:
    """List requests for certificates, their answers, approvals, revocations and changes of renewals, newest first."""
    span = arguments.age(since, "--since", _LONGEST)
    authority, now = open_authority(stack, region), terminal.now()
    with terminal.err.status("reading the issuance trail"):
        labels = Labels.of(authority)
        entries = authority.issuance_trail.entries(now - span, now)
        found = list(islice((one for one in entries if _matches(one, labels, identity, profile, name)), limit + 1))
    if as_json:
        terminal.print_json([_values(one, labels) for one in found[:limit]])
    else:
        _print(found[:limit], labels)
    if len(found) > limit:
        terminal.notes([f"more than {limit} entries: pass a shorter --since, or a higher --limit"])
    elif not found and not as_json:
        terminal.notes([f"no matching entries in the last {to_text(span)}"])


def _matches(entry: IssuanceEntry, labels: Labels, identity: str | None, profile: str | None, name: str | None) -> bool:
    return (
        identity in (None, entry.identity, labels.identities.get(entry.identity))
        and profile in (None, entry.profile, labels.profiles.get(entry.profile))
        and (name is None or any(_is_named(one.lower(), name.lower()) for one in entry.names))
    )


def _is_named(name: str, wanted: str) -> bool:
    return name == wanted or (wanted.startswith("*.") and name.endswith(wanted[1:]))


def _print(entries: list[IssuanceEntry], labels: Labels) -> None:
    if not entries:
        return
    table = Grid("TIME", "WHO", "PROFILE", "ACTION", "ANSWER", "SERIAL", "NAMES", optional=("SERIAL",), most_lines=4)
    for one in entries:
        more = len(one.names) + one.names_left_out - _MOST_NAMES
        names = ", ".join(one.names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
        action = one.action if one.origin == "api" else f"{one.action} ({one.origin})"
        why = f"{names}: {one.reason}" if one.reason else names
        table.add_row(
            moment(one.at)[:19] + "Z",
            labels.who(one.identity, one.origin),
            labels.profiles.get(one.profile, one.profile),
            action,
            one.result,
            (one.serial_number or "").lstrip("0"),
            visible(why),
        )
    terminal.out.print(table)


def _values(one: IssuanceEntry, labels: Labels) -> dict[str, Any]:
    return {
        "id": one.id,
        "at": moment(one.at),
        "identity": {"id": one.identity, "name": labels.identities.get(one.identity)},
        "origin": one.origin,
        "action": one.action,
        "answer": one.result,
        "reason": one.reason,
        "profile": {"id": one.profile, "name": labels.profiles.get(one.profile)},
        "application": one.application,
        "names": list(one.names),
        "names_left_out": one.names_left_out,
        "request": one.request,
        "certificate": one.certificate,
        "serial_number": one.serial_number,
    }
