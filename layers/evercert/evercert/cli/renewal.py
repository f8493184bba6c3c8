"""Command `renew`: request new certificates."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import track

from evercert import durations
from evercert.cli import arguments, terminal
from evercert.cli.files import BadInput
from evercert.cli.selection import Labels, Patterns, States, chosen, find, selection_options
from evercert.cli.terminal import Json, Reason, Region, Stack, Timeout, Wait, Yes
from evercert.contracts.ports import Unreadable
from evercert.contracts.record import Record
from evercert.issuers import ISSUERS
from evercert.operations import renew as renewals
from evercert.operations.apply import nudge
from evercert.operations.escapes import quoted
from evercert.operations.issuer_identity import issuer_of
from evercert.operations.selection import Selection

if TYPE_CHECKING:
    from evercert.cli.connection import Connection

SHOWN = 10  # names in one note
IssuedBy = Annotated[
    list[str] | None,
    typer.Option(
        "--issuer", help="Only certificates that these issuers have issued, or would issue first (repeatable, commas)."
    ),
]
Over = Annotated[
    str | None,
    typer.Option(help="Spread the renewals over this period. Default: 1h for several certificates, none for one."),
]


def renew(
    names: Patterns = None,
    *,
    label: Labels = None,
    issuer: IssuedBy = None,
    state: States = None,
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
    selection = selection_options(names, label, issuer, state)
    if bool(selection) == everything:
        problem = "--all excludes names and filters" if everything else "no certificates selected"
        raise BadInput([f"{problem}: pass names, --label, --issuer or --state, or --all alone"])
    limit = arguments.span(timeout)
    arguments.spread(over, many=True, at_once=at_once)
    connection = terminal.connect(stack, region)
    found, named = _select(connection, selection)
    spread = arguments.spread(over, many=not named or len(found.names) > 1, at_once=at_once)
    asks = bool(found.names) and not (named or yes or dry_run)
    terminal.require_confirmation(yes=not asks)
    if not as_json:
        _explain(found, dry_run=dry_run)
    if asks:
        within = f"within {durations.to_text(spread)}" if spread else "now"
        terminal.confirm(f"Renew {arguments.counted(len(found.names), 'certificate')} {within}?")
    requested = [] if dry_run else _request(connection, found, spread, reason)
    if named and not dry_run and (deleted := sorted(set(found.names) - set(requested))):
        raise BadInput([terminal.not_found(name) for name in deleted])
    hastened = [] if spread or dry_run else found.requested
    results = terminal.wait(connection, requested + hastened, limit, quiet=as_json) if wait else None
    if as_json:
        selected = {"certificates": found.names, "already_requested": found.requested, "unreadable": found.unreadable}
        terminal.print_json({**selected, "written": bool(requested), **terminal.result_values(results)})
    elif requested and not wait:
        _explain_watch(requested)
    terminal.exit_failed(results)


def _select(connection: Connection, selection: Selection) -> tuple[renewals.Renewal, bool]:
    """Return the certificates, and whether each of them was named, without a pattern or filter.

    A named certificate is renewed although a request is pending.
    """
    definitions = connection.specs.issuers() if selection.issuers else {}
    without_issuers = Selection(selection.patterns, selection.labels, (), selection.states)
    if selection == Selection(selection.patterns) and selection:
        records = chosen(connection, selection)
        if {record.name for record in records} == set(selection.patterns):
            broken = [terminal.unreadable(record) for record in records if isinstance(record, Unreadable)]
            if broken:
                raise BadInput(broken)
            return renewals.Renewal([record.name for record in records]), True
    else:
        found = find(connection, without_issuers)
        if found.missing:
            raise BadInput([terminal.not_found(name) for name in found.missing])
        with terminal.err.status("reading the table"):
            records = list(found.records)

    def issued_by(record: Record) -> str | None:
        return issuer_of(record, definitions, ISSUERS)

    result = renewals.choose(records, selection.issuers, issued_by)
    if selection and not (result.names or result.requested or result.unreadable):
        by = f" issued by {', '.join(map(repr, selection.issuers))}" if selection.issuers else ""
        raise BadInput([f"no certificates{by} match; to see names, states and issuers, run: evercert list"])
    return result, False


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


def _explain_watch(requested: list[str]) -> None:
    number, watch = f" of {len(requested)} certificates", "evercert list"
    if len(requested) == 1:
        number, watch = "", f"evercert history {quoted(requested[0])}"
    terminal.out.print(f"Renewal{number} requested; to watch it, run: {watch}")


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
