"""`certificates`: search the certificates that the authority issued."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from evercert import durations
from evercert.cli import terminal
from evercert.cli.authority.issuances import Labels
from evercert.cli.authority.lazy import open_authority
from evercert.cli.files import BadInput
from evercert.cli.grid import Grid
from evercert.cli.terminal import Json, Region, Stack
from evercert.operations.ages import relative
from evercert.schema import printable
from evercert.timestamps import to_text

if TYPE_CHECKING:
    from evercert.authority.contracts.inventory import Criteria, Inventory
    from evercert.authority.contracts.records import CertificateRecord
    from evercert.cli.authority.connection import AuthorityConnection

_PAGE = 100
_MOST = 10_000
_Status = Annotated[
    Literal["active", "expired", "revoked"] | None,
    typer.Option("--status", help="Status; a renewed certificate stays active."),
]
_MOST_NAMES = 3  # in a row of the table


def certificates(
    *,
    name: Annotated[str | None, typer.Option("--name", help="Name, *.example.com or *part*.")] = None,
    serial: Annotated[str | None, typer.Option("--serial", help="Serial number in hexadecimal.")] = None,
    fingerprint: Annotated[str | None, typer.Option("--fingerprint", help="SHA-256 in hexadecimal.")] = None,
    expires_before: Annotated[
        str | None,
        typer.Option("--expires-before", help="Expiry before this time; a duration such as 30d counts from now."),
    ] = None,
    expires_after: Annotated[
        str | None,
        typer.Option("--expires-after", help="Expiry after this time; a duration such as 30d counts from now."),
    ] = None,
    profile: Annotated[str | None, typer.Option("--profile", help="Profile, as project/slug or ID.")] = None,
    identity: Annotated[
        str | None, typer.Option("--identity", help="Requester: identity by name or ID, or ID of an ACME account.")
    ] = None,
    status: _Status = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=_MOST, help="Maximum number of certificates.")] = _PAGE,
    reindex: Annotated[
        bool, typer.Option("--reindex", help="First add certificates that earlier releases issued; needed once.")
    ] = False,
    stack: Stack = "evercert",
    region: Region = None,
    as_json: Json = False,
) -> None:
    """Search certificates, soonest expiry first; by --name *.example.com, in the order of names."""
    authority, now = open_authority(stack, region), terminal.now()
    if reindex:
        _reindex(authority)
    labels = Labels.of(authority)
    criteria = replace(
        _criteria(now, name, serial, fingerprint),
        expires_after=_moment(expires_after, "--expires-after", now),
        expires_before=_moment(expires_before, "--expires-before", now),
        profiles=None if profile is None else (_id(labels.profiles, profile),),
        identity=None if identity is None else _id(labels.identities, identity),
        status=status,
    )
    with terminal.err.status("searching the inventory"):
        found = list(_found(authority.certificates, criteria, limit))
    if as_json:
        terminal.print_json([values_of(one, criteria, labels) for one in found[:limit]])
    else:
        _print(found[:limit], criteria, labels)
        if not found:
            terminal.notes(["no matching certificates"])
    if len(found) > limit:
        terminal.notes([f"more than {limit} certificates: add criteria, or pass a higher --limit"])


def _found(inventory: Inventory, criteria: Criteria, limit: int) -> Iterator[CertificateRecord]:
    """Yield one certificate more than the limit if there are more."""
    cursor, count = None, 0
    while count <= limit:
        page = inventory.search(criteria, _PAGE, cursor)
        yield from page.records[: limit + 1 - count]
        count += len(page.records)
        if (cursor := page.cursor) is None:
            return


def _criteria(now: datetime, name: str | None, serial: str | None, fingerprint: str | None) -> Criteria:
    from evercert.authority.contracts.inventory import (  # noqa: PLC0415 (slow to load)
        FINGERPRINT,
        SERIAL_NUMBER,
        Criteria,
        plain_hexadecimal,
        with_name,
    )

    forms = {
        "--serial": (serial, SERIAL_NUMBER, "up to 40 hexadecimal digits"),
        "--fingerprint": (fingerprint, FINGERPRINT, "64 hexadecimal digits"),
    }
    numbers: dict[str, str | None] = {}
    for option, (text, form, expected) in forms.items():
        numbers[option] = None if text is None else plain_hexadecimal(text, form)
        if text is not None and numbers[option] is None:
            raise BadInput([f"invalid {option} {printable(text, 100)}: write {expected}"])
    found = Criteria(now, serial_number=numbers["--serial"], fingerprint=numbers["--fingerprint"])
    return found if name is None else with_name(found, name)


def _reindex(authority: AuthorityConnection) -> None:
    index, count = authority.inventory_index, 0
    with terminal.err.status("adding certificates to the inventory") as shown:
        for count in index.add_all():
            shown.update(f"adding certificates to the inventory: {count}")
    terminal.notes([f"{count - len(index.unreadable)} certificates are in the inventory"])
    terminal.notes([f"{printable(key, 120)} cannot be read: restore it from a backup" for key in index.unreadable])


def _moment(text: str | None, option: str, now: datetime) -> datetime | None:
    """Return a time of ISO 8601, in UTC without an offset, or `now` and a duration."""
    if text is None:
        return None
    try:
        return now + durations.parse(text)
    except (ValueError, OverflowError):
        pass
    try:
        found = datetime.fromisoformat(text)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        expected = "write a duration such as 30d, or a time such as 2026-12-01T06:00Z"
        raise BadInput([f"invalid {option} {printable(text, 60)}: {expected}"]) from error


def _id(names: Mapping[str, str], text: str) -> str:
    """Return the id of a name; an id as it is, because its object may be deleted."""
    return next((one for one, name in names.items() if name == text), text.lower())


def _print(found: list[CertificateRecord], criteria: Criteria, labels: Labels) -> None:
    from evercert.authority.contracts.issuance_trail import names_of  # noqa: PLC0415 (slow to load)

    if not found:
        return
    table = Grid("EXPIRES", "STATUS", "PROFILE", "REQUESTED BY", "SERIAL", "NAMES", optional=("SERIAL",), most_lines=4)
    for one in found:
        names = names_of(one.leaf)
        more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
        table.add_row(
            relative(one.not_after, criteria.now),
            criteria.status_of(one) + (", imported" if one.imported else ""),
            labels.profiles.get(one.profile, one.profile),
            labels.identities.get(one.identity, one.identity),
            one.serial_number.lstrip("0"),
            ", ".join(names[:_MOST_NAMES]) + more,
        )
    terminal.out.print(table)


def values_of(one: CertificateRecord, criteria: Criteria, labels: Labels) -> dict[str, Any]:
    """Return a certificate as JSON values."""
    from evercert.authority.contracts.issuance_trail import names_of  # noqa: PLC0415 (slow to load)

    return {
        "id": one.id,
        "status": criteria.status_of(one),
        "names": list(names_of(one.leaf)),
        "serial_number": one.serial_number,
        "not_before": to_text(one.not_before),
        "not_after": to_text(one.not_after),
        "profile": {"id": one.profile, "name": labels.profiles.get(one.profile)},
        "identity": {"id": one.identity, "name": labels.identities.get(one.identity)},
        "application": one.application,
        "request": None if one.imported else one.request,
        "imported": one.imported,
        "revoked_at": None if one.revoked_at is None else to_text(one.revoked_at),
        "reason": one.reason,
        "renewed_by": one.renewed_by,
    }
