"""Print records and outcomes for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rich.text import Text

from evercert.cli.console import Terminal, styled
from evercert.cli.grid import Grid
from evercert.contracts.events import Outcome
from evercert.operations.ages import relative
from evercert.operations.escapes import quoted, visible
from evercert.operations.outcome_details import details, event_details
from evercert.operations.row_note import note
from evercert.operations.summaries import EXPIRED

if TYPE_CHECKING:
    from evercert.cli.doctor.stack_checks import Check

STYLES = {"ready": "green", "undelivered": "yellow"} | dict.fromkeys(("failing", "stopped", "unreadable"), "red")
STYLES[EXPIRED] = "bold red"
CHECK_STYLES = {"ok": "green", "warning": "yellow", "failed": "red", "unknown": "yellow"}
NOTE_LINES = 3  # of `list`; `show` has the whole text
LONGEST = 500  # characters of a foreign text
GOOD_EVENTS = (".issued", ".renewed", ".delivered")
BAD_EVENTS = (".failed", ".expired", ".rejected", ".revoked", ".stale")


class Listing:
    """The table of `list`, printed in pages: one header, and columns that never get narrower."""

    def __init__(self, console: Terminal, now: datetime) -> None:
        self._console = console
        self._now = now
        self._widths: list[int] = []

    def print(self, rows: Iterable[dict[str, Any]]) -> None:
        """Print one page."""
        table = Grid(
            "NAME", "STATE", "ISSUER", "EXPIRES", "RENEWS", "NOTE", optional=("ISSUER", "RENEWS"), most_lines=NOTE_LINES
        )
        for row in rows:
            table.add_row(
                quoted(row["name"]),
                _state(row),
                row.get("issuer") or "",
                _in(row.get("not_after"), self._now),
                _in(row.get("next_look_at" if row.get("requested") else "renew_at"), self._now),
                styled(note(row, self._now), "red"),
            )
        table.show_header = not self._widths
        self._widths = table.align(self._widths)
        self._console.print(table)


def history(console: Terminal, outcomes: Iterable[Outcome]) -> None:
    """Print the table of `history`, oldest first."""
    table = Grid("TIME", "EVENT", "REV", "REASON", "DETAILS", optional=("REASON",))
    for outcome in outcomes:
        reason = visible(str(outcome.data.get("reason") or outcome.data.get("kind") or ""), 20)
        kind = styled(outcome.type.removeprefix("certificate."), _event_style(outcome.type))
        text = visible(details(outcome.data), LONGEST)
        table.add_row(f"{outcome.at:%Y-%m-%d %H:%M:%S}Z", kind, str(outcome.revision), reason, text)
    console.print(table)


def event(body: Mapping[str, Any]) -> Text:
    """Return one line of `events`."""
    kind = visible(str(body.get("type")), 60)
    style = _event_style(kind)
    time, subject = visible(str(body.get("time")), 24), visible(str(body.get("subject")), LONGEST)
    return Text.assemble(f"{time}  ", (f"{kind:<21}", style), f"  {subject}  {visible(event_details(body), LONGEST)}")


def _event_style(kind: str) -> str:
    return "red" if kind.endswith(BAD_EVENTS) else "green" if kind.endswith(GOOD_EVENTS) else "yellow"


def test_result(console: Terminal, types: Iterable[str], missing: Iterable[str]) -> None:
    """Print the result of `events --test`."""
    lost = set(missing)
    for kind in sorted(types):
        console.print(styled(f"{kind:<22} {'did not arrive' if kind in lost else 'arrived'}", "red" * (kind in lost)))
    if not lost:
        console.print("all events arrived at this command's own queue; to check the subscribers, run: evercert doctor")


def checks(console: Terminal, found: Iterable[Check]) -> None:
    """Print the table of `doctor`, with the remedy below each problem."""
    table = Grid("CHECK", "STATUS", "FOUND")
    for check in found:
        row = styled(check.found)
        if check.remedy:
            row.append(f"\n→ {visible(check.remedy)}")
        table.add_row(check.name, styled(check.status, CHECK_STYLES[check.status]), row)
    console.print(table)


def _state(row: Mapping[str, Any]) -> Text:
    state = EXPIRED if row.get("expired") else row["state"]
    return styled(state.upper() if state == EXPIRED else state, STYLES.get(state, ""))


def _in(moment: str | None, now: datetime) -> str:
    return "" if moment is None else relative(datetime.fromisoformat(moment), now)
