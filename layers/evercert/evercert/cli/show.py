"""Print records, plans and outcomes for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rich.text import Text

from evercert.cli.console import Grid, Terminal, styled
from evercert.cli.escapes import quoted, visible
from evercert.contracts.events import Outcome
from evercert.contracts.ports import Unreadable
from evercert.contracts.record import Record
from evercert.contracts.spec_store import Pause
from evercert.deadline import CLOCK_TOLERANCE
from evercert.durations import to_text as span_text
from evercert.operations.apply import HIDDEN, Plan
from evercert.schema import printable
from evercert.timestamps import to_text

if TYPE_CHECKING:
    from evercert.cli.doctor.stack_checks import Check

STYLES = {"ready": "green", "failing": "red", "stopped": "red", "undelivered": "yellow", "unreadable": "red"}
CHECK_STYLES = {"ok": "green", "warning": "yellow", "failed": "red", "unknown": "yellow"}
LONGEST = 500  # characters of a foreign text
GOOD_EVENTS = (".issued", ".renewed", ".delivered")
BAD_EVENTS = (".failed", ".expired", ".rejected", ".revoked")
MARKS = {"create": ("+", "green"), "change": ("~", "yellow"), "repair": ("~", "yellow"), "delete": ("-", "red")}


def summary(record: Record | Unreadable) -> dict[str, Any]:
    """Return a short summary of a record; a readable record always has the same keys."""
    if isinstance(record, Unreadable):
        return {"name": record.name, "state": "unreadable", "error": printable(record.problem)}
    try:
        return _summary(record)
    except Exception as error:  # noqa: BLE001 (one record must not stop the list of all others)
        return {"name": record.name, "state": "unreadable", "error": f"cannot be shown ({type(error).__name__})"}


def _summary(record: Record) -> dict[str, Any]:
    facts, error = record.facts, record.last_error
    return {
        "name": record.name,
        "state": record.state,
        "issuer": ", ".join(record.spec.issuer_names),
        "revision": record.revision,
        "not_before": facts and to_text(facts.not_before),
        "not_after": facts and to_text(facts.not_after),
        "renew_at": record.renew_at and to_text(record.renew_at),
        "next_look_at": record.due_at and to_text(record.due_at),
        "error": error and printable(error.message),
    }


def detail(record: Record) -> dict[str, Any]:
    """Return a record in full, without sealed values and with the agent's keys only."""
    values = record.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"spec", "claim", "kept_key"})
    if record.pending is not None:
        shown = {"revision", "reason", "generation", "handle", "retry_at", "deadline", "gave_up"}
        values["pending"] = record.pending.model_dump(mode="json", include=shown, exclude_none=True)
    spec = record.spec.document()
    if "agent" in spec:  # only the keys: a hook's command may contain a token
        spec["agent"] = sorted(spec["agent"])
    return {**values, "spec": spec, "busy": record.claim is not None}


def unreadable_detail(record: Unreadable) -> dict[str, Any]:
    """Return what can be read of a record."""
    return {
        **summary(record),
        "uid": record.uid,
        "revision": record.revision,
        "deliveries": {name: delivery.model_dump(mode="json") for name, delivery in record.deliveries.items()},
    }


class Listing:
    """The table of `list`, printed in pages: one header, and columns that never get narrower."""

    def __init__(self, console: Terminal, now: datetime) -> None:
        self._console = console
        self._now = now
        self._widths: list[int] = []

    def print(self, rows: Iterable[dict[str, Any]]) -> None:
        """Print one page."""
        table = Grid("NAME", "STATE", "ISSUER", "EXPIRES", "RENEWS", "NOTE")
        for row in rows:
            table.add_row(
                quoted(row["name"]),
                styled(row["state"], STYLES.get(row["state"], "")),
                row.get("issuer") or "",
                _in(row.get("not_after"), self._now),
                _in(row.get("renew_at"), self._now),
                styled(_note(row, self._now), "red"),
            )
        table.show_header = not self._widths
        self._widths = table.align(self._widths, self._console.width)
        self._console.print(table)


def history(console: Terminal, outcomes: Iterable[Outcome]) -> None:
    """Print the table of `history`, oldest first."""
    table = Grid("TIME", "WHAT", "REVISION", "REASON", "FACTS")
    for outcome in outcomes:
        data = outcome.data
        facts = str(data.get("message") or f"serial {data.get('serial_number')}, until {data.get('not_after')}")
        reason = visible(str(data.get("reason") or data.get("kind") or ""), LONGEST)
        table.add_row(to_text(outcome.at), outcome.type, str(outcome.revision), reason, visible(facts, LONGEST))
    console.print(table)


def event(body: Mapping[str, Any]) -> Text:
    """Return one line of `events`."""
    found = body.get("data")
    data: Mapping[str, Any] = found if isinstance(found, dict) else {}
    facts = data.get("message") or ""
    if not facts and "serial_number" in data:
        facts = f"revision {data.get('revision')}, until {data.get('not_after')}"
    kind = visible(str(body.get("type")), 60)
    style = "red" if kind.endswith(BAD_EVENTS) else "green" if kind.endswith(GOOD_EVENTS) else "yellow"
    time, subject = visible(str(body.get("time")), 24), visible(str(body.get("subject")), LONGEST)
    return Text.assemble(f"{time}  ", (f"{kind:<21}", style), f"  {subject}  {visible(str(facts), LONGEST)}")


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


def pauses(found: Mapping[str | None, Pause]) -> list[dict[str, Any]]:
    """Return the pauses as JSON values; issuer None is the whole stack."""
    return [
        {"issuer": issuer, "since": pause.since and to_text(pause.since), "reason": pause.reason}
        for issuer, pause in sorted(found.items(), key=lambda entry: entry[0] or "")
    ]


def plan(console: Terminal, found: Plan, *, at_once: bool = False) -> None:
    """Print the steps of `apply` in the order of their execution."""
    for name, verb in found.credentials.items():
        mark, style = MARKS.get(verb, (" ", ""))
        console.print(styled(f"{mark} credentials: stored in secret {name} ({verb})", style))
    for name in found.issuers:
        console.print(styled(f"~ issuer {name}", "yellow"))
        _differences(console, found.redefined.get(name, []))
    for step in found.steps:
        mark, style = MARKS[step.verb]
        console.print(styled(f"{mark} certificate {step.name} ({step.verb})", style))
        _differences(console, step.differences)
    if found.woken:
        when = "now" if at_once else "within an hour (with --now: now)"
        console.print(f"{len(found.woken)} more will be reissued {when}, because their issuer changed")
    if found.empty:
        console.print("no changes")
    if found.unchanged:
        console.print(f"{len(found.unchanged)} unchanged")


def plan_values(found: Plan) -> dict[str, Any]:
    """Return the plan as JSON values."""
    return {
        "credentials": dict(found.credentials),
        "issuers": list(found.issuers),
        "redefined": dict(found.redefined),
        "steps": [{"verb": step.verb, "name": step.name, "differences": step.differences} for step in found.steps],
        "unchanged": found.unchanged,
    }


def _differences(console: Terminal, found: Iterable[tuple[str, Any, Any]]) -> None:
    for key, before, after in found:
        how = "changed" if HIDDEN in (before, after) else f"{_plain(before)} → {_plain(after)}"
        console.print(styled(f"    {visible(key, 200)}: {how}"))


def _plain(value: object) -> str:
    return "(none)" if value is None else visible(str(value), 200)


def _note(row: Mapping[str, Any], now: datetime) -> str:
    begins = row.get("not_before")
    if begins is not None and datetime.fromisoformat(begins) > now + CLOCK_TOLERANCE:
        early = f"not valid before {begins}"
        return f"{early}; {row['error']}" if row.get("error") else early
    return row.get("error") or ""


def _in(moment: str | None, now: datetime) -> str:
    if moment is None:
        return ""
    left = datetime.fromisoformat(moment) - now
    if left.total_seconds() < 0:
        return f"{_coarse(-left.total_seconds())} ago"
    return f"in {_coarse(left.total_seconds())}"


def _coarse(seconds: float) -> str:
    from datetime import timedelta  # noqa: PLC0415

    unit = 86_400 if seconds > 3 * 86_400 else 3_600 if seconds > 3 * 3_600 else 60 if seconds > 180 else 1  # noqa: PLR2004
    return span_text(timedelta(seconds=int(seconds // unit) * unit))
