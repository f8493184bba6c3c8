"""Commands for certificates: `show`, `history`, `renew`, `delete`."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import track

from evercert import durations
from evercert.cli import arguments, show, terminal
from evercert.cli.escapes import quoted, visible
from evercert.cli.files import BadInput
from evercert.cli.terminal import Json, NameArgument, Reason, Region, Stack, Timeout, Wait, Yes
from evercert.contracts.ports import Unreadable
from evercert.contracts.record import Record
from evercert.issuers import ISSUERS
from evercert.operations import renew as renewals
from evercert.operations.apply import nudge
from evercert.operations.issuer_identity import issuer_of

if TYPE_CHECKING:
    from evercert.cli.connection import Connection

SHOWN = 10  # names in one note
Names = Annotated[list[str], typer.Argument(metavar="NAME...", help="Names of the certificates.")]
Over = Annotated[
    str | None,
    typer.Option(help="Spread the renewals over this period. Default: 1h for several certificates, none for one NAME."),
]


def show_(name: NameArgument, stack: Stack = "evercert", region: Region = None, as_json: Json = False) -> None:  # noqa: FBT002
    """Show one certificate in full."""
    connection = terminal.connect(stack, region)
    record = terminal.require_stored(connection, name)
    values = show.unreadable_detail(record) if isinstance(record, Unreadable) else show.detail(record)
    if isinstance(record, Record) and record.spec.issuers:
        values = {**values, "issued_by": issuer_of(record, connection.specs.issuers(), ISSUERS)}
    if as_json:
        terminal.print_json(values)
    else:
        for key, value in values.items():
            text = visible(value) if isinstance(value, str) else json.dumps(value, indent=2)
            terminal.out.lines(f"{key.replace('_', ' ')}: {text}")
    if isinstance(record, Unreadable):
        command = f"evercert delete {quoted(record.name)}"
        terminal.notes([f"the record does not parse: apply its document again, or delete it: {command}"])


def history(
    name: NameArgument,
    *,
    limit: Annotated[int | None, typer.Option(min=1, help="Show the newest ones only. Default: all.")] = None,
    stack: Stack = "evercert",
    region: Region = None,
    as_json: Json = False,
) -> None:
    """Show all events of one certificate, oldest first."""
    connection = terminal.connect(stack, region)
    name = arguments.stored_name(name)
    outcomes = connection.specs.history(name)
    if not outcomes and connection.specs.record(name) is None:
        raise BadInput([terminal.not_found(name)])
    outcomes = outcomes if limit is None else outcomes[-limit:]
    if as_json:
        terminal.print_json([outcome.model_dump(mode="json") for outcome in outcomes])
    else:
        show.history(terminal.out, outcomes)


def renew(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Name of the certificate.")] = None,
    *,
    issuer: Annotated[str | None, typer.Option(help="Renew all certificates of this issuer.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Renew all certificates of the stack.")] = False,
    reason: Reason = None,
    over: Over = None,
    at_once: Annotated[bool, typer.Option("--now", help="Renew all of them now instead of over an hour.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the certificates that would be renewed, and exit.")
    ] = False,
    yes: Yes = False,
    wait: Wait = False,
    timeout: Timeout = "10m",
    stack: Stack = "evercert",
    region: Region = None,
    as_json: Json = False,
) -> None:
    """Renew certificates, soonest expiry first, ignoring retry delays: one at once, several spread over an hour."""
    selections = [name is not None, issuer is not None, everything].count(True)
    if selections != 1:
        problem = "several selections" if selections else "nothing selected"
        raise BadInput([f"{problem}: pass exactly one of NAME, --issuer ISSUER and --all"])
    limit, spread = arguments.span(timeout), arguments.spread(over, many=name is None, at_once=at_once)
    connection = terminal.connect(stack, region)
    found = _select(connection, name, issuer)
    if not as_json:
        _explain(found, dry_run=dry_run)
    requested: list[str] = []
    if not dry_run:
        if name is None and not yes and found.names:
            within = f"within {durations.to_text(spread)}" if spread else "now"
            terminal.confirm(f"Renew {arguments.counted(len(found.names), 'certificate')} {within}?")
        requested = _request(connection, found, spread, reason)
        if name is not None and not requested:
            raise BadInput([terminal.not_found(name)])
    failed = wait and bool(requested) and not terminal.wait(connection, requested, limit, quiet=as_json)
    if as_json:
        selected = {"certificates": found.names, "asked_already": found.requested, "unreadable": found.unreadable}
        terminal.print_json({**selected, "written": bool(requested)})
    elif not wait and not dry_run and requested:
        watch = f"evercert history {name}" if name is not None else "evercert list"
        number = "" if name is not None else f" of {arguments.counted(len(requested), 'certificate')}"
        terminal.out.print(f"Renewal{number} requested; to watch it, run: {watch}")
    if failed:
        raise typer.Exit(terminal.FAILED)


def delete(
    names: Names, *, yes: Yes = False, stack: Stack = "evercert", region: Region = None, as_json: Json = False
) -> None:
    """Delete certificates from evercert; delivered secrets, ACM certificates and the history remain."""
    connection = terminal.connect(stack, region)
    found = {name: connection.specs.record(name) for name in dict.fromkeys(map(arguments.stored_name, names))}
    refused = [terminal.not_found(name) for name, record in found.items() if record is None]
    newer = [record for record in found.values() if isinstance(record, Unreadable) and record.newer]
    refused += [
        f"cannot delete {quoted(record.name)}: its record was {visible(record.problem, 500)}; use that version"
        for record in newer
    ]
    if refused:
        raise BadInput(refused)
    records = [record for record in found.values() if record is not None]
    locations = {record.name: _locations(record) for record in records}
    if not as_json:
        for name, places in locations.items():
            remaining = f"these remain: {', '.join(places)}" if places else "nothing was delivered"
            terminal.out.print(f"- certificate {quoted(name)}; {remaining}")
    if not yes:
        terminal.confirm(
            f"Delete {arguments.counted(len(records), 'certificate')}? evercert will no longer renew them."
        )
    for record in records:
        connection.specs.remove(record)
    if as_json:
        terminal.print_json([{"name": name, "stays": places} for name, places in locations.items()])


def _select(connection: Connection, name: str | None, issuer: str | None) -> renewals.Renewal:
    if name is not None:
        terminal.require_record(connection, name)
        return renewals.Renewal([name])
    definitions = {} if issuer is None else connection.specs.issuers()
    found = renewals.choose(terminal.records(connection), issuer, lambda one: issuer_of(one, definitions, ISSUERS))
    if issuer is not None and not (found.names or found.requested):
        raise BadInput([f"no certificates of issuer {issuer!r}; `evercert list` shows the issuers in use"])
    return found


def _request(connection: Connection, found: renewals.Renewal, spread: timedelta, reason: str | None) -> list[str]:
    """Request the renewals; return the names that were written.

    Only renewals that are due now are nudged: the issuer function works on a nudge whatever the due time.
    """
    requested: list[str] = []
    number, now, quiet = len(found.names), terminal.now(), not terminal.err.is_terminal
    requests = renewals.request_renewals(found.names, connection.specs, now, spread, renewals.clean_reason(reason))
    hastened = [] if spread else found.requested
    try:
        for name in track(requests, "requesting", number, console=terminal.err, transient=True, disable=quiet):
            requested.append(name)  # noqa: PERF402 (requests before an interruption count)
        for name in hastened:
            connection.specs.wake(name, now, now)
    except KeyboardInterrupt:
        terminal.notes(
            [f"interrupted: {len(requested)} of {number} renewals requested; run the command again to resume"]
        )
        raise typer.Exit(terminal.INTERRUPTED) from None
    due_now = requested[:1] if spread else requested
    terminal.note_failed_nudge(nudge(due_now + hastened, connection.queue))
    return requested


def _explain(found: renewals.Renewal, *, dry_run: bool) -> None:
    if found.requested:
        terminal.notes([f"renewal of {arguments.counted(len(found.requested), 'certificate')} already in progress"])
    if found.unreadable:
        names = ", ".join(map(quoted, found.unreadable[:SHOWN]))
        terminal.notes([f"skipped, because their records do not parse: {names}"])
    if dry_run:
        for name in found.names:
            terminal.out.print(name)
        terminal.out.print("no renewals requested (--dry-run)")
    elif not found.names:
        terminal.out.print("no certificates to renew")


def _locations(record: Record | Unreadable) -> list[str]:
    return [] if isinstance(record, Unreadable) else [delivery.location for delivery in record.deliveries.values()]
