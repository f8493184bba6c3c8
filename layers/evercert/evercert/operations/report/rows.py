"""Rows of the report: the summary of each record, and the next steps of those that need attention."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from evercert.contracts.ports import Unreadable
from evercert.contracts.record import Record
from evercert.contracts.spec_store import Pause, PauseTarget
from evercert.operations.escapes import quoted
from evercert.operations.next_steps import next_steps
from evercert.operations.overview import Row, needs_attention
from evercert.operations.summaries import summary

MOST_STEPS = 5  # sentences of one certificate
NEXT_STEPS = "next_steps"


def rows(records: Iterable[Record | Unreadable], pauses: Mapping[PauseTarget, Pause], now: datetime) -> Iterator[Row]:
    """Yield a row for each record; the record itself is not kept, so that a large stack needs little memory."""
    for record in records:
        row = summary(record, now, pauses)
        if needs_attention(row, now):
            row[NEXT_STEPS] = _steps(record, pauses, now)
        yield row


def _steps(record: Record | Unreadable, pauses: Mapping[PauseTarget, Pause], now: datetime) -> list[str]:
    if isinstance(record, Unreadable):
        if record.newer:
            return ["use the version of evercert that wrote the record"]
        return [f"apply its document again, or delete it: evercert delete {quoted(record.name)}"]
    try:
        return list(next_steps(record, pauses, now))[:MOST_STEPS]
    except Exception as error:  # noqa: BLE001 (one record must not stop the report of all others)
        return [f"unknown ({type(error).__name__}): evercert doctor {quoted(record.name)}"]
