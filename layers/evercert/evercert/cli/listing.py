"""Command `list`: certificates by name, page by page, printed while they are read."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import chain, islice
from typing import Annotated, Any, Literal

import typer

from evercert.cli import arguments, show, terminal, timeline
from evercert.cli.files import BadInput
from evercert.cli.selection import Issuers, Labels, Patterns, States, find, selection_options
from evercert.cli.terminal import Json, Region, Stack
from evercert.operations import overview, summaries
from evercert.operations.escapes import quoted

PAGE = 100  # rows of a table, and rows that are printed together
MOST = 1_000_000
Row = dict[str, Any]

Sort = Annotated[Literal["name", "expiry"], typer.Option(help="Sort by name or by expiry date.")]
Limit = Annotated[
    int | None,
    typer.Option(min=1, max=MOST, help=f"List at most this number. Default: {PAGE} in the table, all with --json."),
]
After = Annotated[str | None, typer.Option(metavar="NAME", help="Start after this name, the last one of a page.")]
Everything = Annotated[bool, typer.Option("--all", help="List all certificates, printed while they are read.")]
AsTimeline = Annotated[
    bool, typer.Option("--timeline", help="Draw how many certificates end in each week of the next 90 days.")
]


def list_(
    names: Patterns = None,
    *,
    sort: Sort = "name",
    state: States = None,
    label: Labels = None,
    issuer: Issuers = None,
    limit: Limit = None,
    after: After = None,
    everything: Everything = False,
    as_timeline: AsTimeline = False,
    stack: Stack = "evercert",
    region: Region = None,
    as_json: Json = False,
) -> None:
    """List certificates with their state, issuer and expiry date, 100 at a time."""
    selection = selection_options(names, label, issuer, state)
    first = _first(after, sort)
    most = _most(limit, everything=everything, as_json=as_json)
    if as_timeline:
        _require_all(limited=limit is not None or everything or after is not None, is_sorted=sort != "name")
    connection = terminal.connect(stack, region)
    now = terminal.now()
    pauses = terminal.current_pauses(connection)
    found = find(connection, selection, first)
    if found.missing:
        raise BadInput([terminal.not_found(name) for name in found.missing])
    rows: Iterator[Row] = (summaries.summary(record, now, pauses) for record in found.records)
    if as_timeline:
        _draw(rows, now, filtered=bool(selection), as_json=as_json)
        terminal.note_pauses(pauses)
        return
    if sort == "expiry":
        with terminal.err.status("reading the table"):
            rows = iter(sorted(rows, key=lambda row: (str(row.get("not_after") or "~"), str(row["name"]))))
    shown = _Shown(rows, most)
    if as_json:
        terminal.out.json_array(chain.from_iterable(shown.pages()))
    else:
        table = show.Listing(terminal.out, now)
        for page in shown.pages():
            table.print(page)
        if shown.last is None:
            _print_none(filtered=bool(selection) or after is not None)
    if shown.more:
        following = f"--after {quoted(str(shown.last))}" if sort == "name" else "--limit NUMBER"
        terminal.notes([f"more certificates follow; to list them, add {following}, or --all"])
    terminal.note_pauses(pauses)


def _draw(rows: Iterator[Row], now: datetime, *, filtered: bool, as_json: bool) -> None:
    """Print the timeline of the rows, or its days as JSON."""
    with terminal.err.status("reading the table"):
        found = list(rows)
    if as_json:
        terminal.out.json_array(timeline.values(overview.timeline(found, now)))
    elif found:
        timeline.draw(terminal.out, found, now)
    else:
        _print_none(filtered=filtered)


def _print_none(*, filtered: bool) -> None:
    hint = "No certificates yet; write a document and run: evercert apply FILE"
    terminal.out.print("No certificates match." if filtered else hint)


class _Shown:
    """The rows to print, in pages; afterwards, the last name and whether more rows follow."""

    def __init__(self, rows: Iterator[Row], most: int | None) -> None:
        self._rows = rows
        self._left = most
        self.last: str | None = None
        self.more = False

    def pages(self) -> Iterator[list[Row]]:
        """Read page after page; a spinner shows on a terminal, because a page of a filter may take seconds."""
        while page := self._page():
            yield page

    def _page(self) -> list[Row]:
        size = PAGE if self._left is None else min(PAGE, self._left)
        with terminal.err.status("reading the table"):
            page = list(islice(self._rows, size))
            if self._left is not None:
                self._left -= size
                self.more = self._left == 0 and next(self._rows, None) is not None if page else self.more
        if page:
            self.last = page[-1]["name"]
        return page


def _first(after: str | None, sort: str) -> str | None:
    """Return the name that precedes the page."""
    if after is not None and sort != "name":
        raise BadInput(["--after and --sort expiry exclude each other: pass --limit to list more"])
    return None if after is None else arguments.stored_name(after)


def _most(limit: int | None, *, everything: bool, as_json: bool) -> int | None:
    """Return the number of rows to print, or None for all. JSON has all by default: a script would miss a note."""
    if everything and limit is not None:
        raise BadInput(["--all and --limit exclude each other: pass only one of them"])
    return None if everything or (as_json and limit is None) else limit or PAGE


def _require_all(*, limited: bool, is_sorted: bool) -> None:
    """Raise BadInput for options of the table: a timeline of one page would hide certificates."""
    if limited:
        raise BadInput(["--timeline excludes --limit, --after and --all: it counts all certificates that match"])
    if is_sorted:
        raise BadInput(["--timeline and --sort exclude each other: the weeks are in the order of time"])
