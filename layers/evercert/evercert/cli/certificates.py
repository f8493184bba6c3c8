"""The commands about certificates: `list`, `show`, `history`, `renew`, `delete`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.progress import track

from evercert import durations
from evercert.cli import arguments, show, terminal
from evercert.cli.files import BadInput
from evercert.cli.terminal import Issuer, Json, NameArgument, Reason, Region, Stack, Timeout, Wait, Yes
from evercert.contracts.ports import Unreadable
from evercert.contracts.record import Record
from evercert.operations import renew as renewing
from evercert.operations.apply import nudge
from evercert.schema import printable

if TYPE_CHECKING:
    from evercert.cli.connection import Connection

SHOWN = 10  # names in a question; more would hide it
States = Annotated[list[str] | None, typer.Option("--state", help="Only these (repeatable).")]
Labels = Annotated[list[str] | None, typer.Option("--label", help="Only with all of these (key=value, repeatable).")]
Sort = Annotated[Literal["name", "expiry"], typer.Option(help="Their order.")]
Names = Annotated[list[str], typer.Argument(metavar="NAME...", help="The certificates' names.")]
Over = Annotated[str | None, typer.Option(help="Spread what is due over this long; 1h for many, at once for a name.")]


def list_(
    *,
    sort: Sort = "name",
    state: States = None,
    label: Labels = None,
    stack: Stack = "evercert",
    region: Region = None,
    as_json: Json = False,
) -> None:
    """Every certificate, and how it is."""
    states, labels = arguments.states(state or []), arguments.labels(label or [])
    connection = terminal.connect(stack, region)
    rows = _rows(terminal.records(connection), states, labels)
    rows.sort(key=lambda row: (sort == "expiry" and str(row.get("not_after") or "~"), str(row["name"])))
    if as_json:
        terminal.print_json(rows)
    elif rows:
        show.listing(terminal.out, rows, terminal.now())
    elif states or labels:
        terminal.out.print("no certificate is like that")
    else:
        terminal.out.print("no certificates yet; write a document and run: evercert apply FILE")
    terminal.pause_notes(connection)


def show_(name: NameArgument, stack: Stack = "evercert", region: Region = None, as_json: Json = False) -> None:  # noqa: FBT002
    """Everything that is known of one certificate."""
    record = terminal.readable(terminal.connect(stack, region), name)
    if as_json:
        terminal.print_json(show.detail(record))
        return
    for key, value in show.detail(record).items():
        text = printable(value) if isinstance(value, str) else json.dumps(value, indent=2)
        terminal.out.print(f"{key.replace('_', ' ')}: {text}")


def history(name: NameArgument, stack: Stack = "evercert", region: Region = None, as_json: Json = False) -> None:  # noqa: FBT002
    """Every outcome of one certificate, oldest first."""
    connection = terminal.connect(stack, region)
    outcomes = connection.specs.history(arguments.name(name))
    if not outcomes and connection.specs.record(name) is None:
        raise BadInput([terminal.unknown(name)])
    if as_json:
        terminal.print_json([outcome.model_dump(mode="json") for outcome in outcomes])
    else:
        show.history(terminal.out, outcomes)


def renew(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="The certificate's name.")] = None,
    *,
    issuer: Issuer = None,
    everything: Annotated[bool, typer.Option("--all", help="Every certificate of the stack.")] = False,
    reason: Reason = None,
    over: Over = None,
    at_once: Annotated[bool, typer.Option("--now", help="Do not spread them.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show whom it would ask for, and stop.")] = False,
    yes: Yes = False,
    wait: Wait = False,
    timeout: Timeout = "10m",
    stack: Stack = "evercert",
    region: Region = None,
    as_json: Json = False,
) -> None:
    """Ask for a new certificate, or for many, soonest expiry first; it passes any back-off."""
    if [name is not None, issuer is not None, everything].count(True) != 1:
        raise BadInput(["say which: evercert renew NAME, or --issuer X, or --all"])
    limit, spread = arguments.span(timeout), arguments.spread(over, many=name is None, at_once=at_once)
    connection = terminal.connect(stack, region)
    found = _chosen(connection, name, issuer)
    if not as_json:
        _explain(found, dry_run=dry_run)
    asked: list[str] = []
    if not dry_run:
        if name is None and not yes and found.names:
            within = f"within {durations.to_text(spread)}" if spread else "at once"
            arguments.confirm(f"Ask for {arguments.counted(len(found.names), 'new certificate')}, {within}?")
        asked = _ask(connection, found, spread, reason)
        if name is not None and not asked:
            raise BadInput([terminal.unknown(name)])
    failed = wait and bool(asked) and not terminal.wait(connection, asked, limit, quiet=as_json)
    if as_json:
        chosen = {"certificates": found.names, "asked_already": found.asked, "unreadable": found.unreadable}
        terminal.print_json({**chosen, "written": bool(asked)})
    elif not wait and not dry_run and asked:
        watch = f"evercert history {name}" if name is not None else "evercert list"
        many = "" if name is not None else f"{arguments.counted(len(asked), 'certificate')} "
        terminal.out.print(f"{many}asked for; watch it with: {watch}")
    if failed:
        raise typer.Exit(terminal.FAILED)


def delete(
    names: Names, *, yes: Yes = False, stack: Stack = "evercert", region: Region = None, as_json: Json = False
) -> None:
    """Stop keeping certificates; what was delivered stays where it is, and so does the history."""
    connection = terminal.connect(stack, region)
    found = {name: connection.specs.record(arguments.name(name)) for name in dict.fromkeys(names)}
    refused = [terminal.unknown(name) for name, record in found.items() if record is None]
    newer = [record for record in found.values() if isinstance(record, Unreadable) and record.newer]
    refused += [f"{record.name}: its record was {printable(record.problem)}; use that one" for record in newer]
    if refused:
        raise BadInput(refused)
    records = [record for record in found.values() if record is not None]
    stays = {record.name: _locations(record) for record in records}
    if not as_json:
        for name, places in stays.items():
            terminal.out.print(f"- certificate {name}; stays: {', '.join(places) or 'nothing was delivered'}")
    if not yes:
        arguments.confirm(f"Delete {arguments.counted(len(records), 'certificate')}? Nobody renews them any more.")
    for record in records:
        connection.specs.remove(record)
    if as_json:
        terminal.print_json([{"name": name, "stays": places} for name, places in stays.items()])


def _rows(records: Iterable[Record | Unreadable], states: list[str], labels: dict[str, str]) -> list[dict[str, Any]]:
    wanted = [r for r in records if not labels or (isinstance(r, Record) and labels.items() <= r.spec.labels.items())]
    return [row for row in map(show.summary, wanted) if not states or row["state"] in states]


def _chosen(connection: Connection, name: str | None, issuer: str | None) -> renewing.Renewal:
    if name is not None:
        terminal.readable(connection, name)
        return renewing.Renewal([name])
    found = renewing.choose(terminal.records(connection), issuer)
    if issuer is not None and not (found.names or found.asked):
        raise BadInput([f"no certificate is of issuer {issuer!r}; `evercert list` shows whose they are"])
    return found


def _ask(connection: Connection, found: renewing.Renewal, spread: timedelta, reason: str | None) -> list[str]:
    """Nudged is only what is due now: a nudge is worked on whatever the due time says."""
    asked: list[str] = []
    number, now, quiet = len(found.names), terminal.now(), not terminal.err.is_terminal
    asks = renewing.ask(found.names, connection.specs, now, spread, renewing.cleaned(reason))
    hastened = [] if spread else found.asked
    try:
        for name in track(asks, "asking", number, console=terminal.err, transient=True, disable=quiet):
            asked.append(name)  # noqa: PERF402 (what was asked for before an interruption counts)
        for name in hastened:
            connection.specs.wake(name, now, now)
    except KeyboardInterrupt:
        terminal.notes([f"{len(asked)} of {number} asked for; the same command goes on with the others"])
        raise typer.Exit(terminal.INTERRUPTED) from None
    terminal.unnudged(nudge((asked[:1] if spread else asked) + hastened, connection.queue))
    return asked


def _explain(found: renewing.Renewal, *, dry_run: bool) -> None:
    if found.asked:
        terminal.notes([f"{arguments.counted(len(found.asked), 'certificate')} asked for before, and under way"])
    if found.unreadable:
        names = ", ".join(map(printable, found.unreadable[:SHOWN]))
        terminal.notes([f"left out, because their records do not parse: {names}"])
    if dry_run:
        for name in found.names:
            terminal.out.print(name)
        terminal.out.print("nothing was asked for (--dry-run)")
    elif not found.names:
        terminal.out.print("nobody to ask for")


def _locations(record: Record | Unreadable) -> list[str]:
    return [] if isinstance(record, Unreadable) else [delivery.location for delivery in record.deliveries.values()]
