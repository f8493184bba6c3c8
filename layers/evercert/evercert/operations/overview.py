"""Overview of a stack: numbers by state, ends of certificates by day, and what needs attention first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from evercert.operations.summaries import EXPIRED

DAYS = 90
SOON = timedelta(days=14)
MOST = 20  # certificates that need attention
# The order of the counts, and of what needs attention first.
STATES = (EXPIRED, "stopped", "failing", "unreadable", "undelivered", "paused", "pending", "new", "ready")
BROKEN = frozenset({EXPIRED, "stopped", "failing", "unreadable", "undelivered"})
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Day:
    """Certificates that end on one day; `at_risk`: failing, paused, or not renewed automatically."""

    date: datetime
    ends: int = 0
    at_risk: int = 0


@dataclass(frozen=True)
class Overview:
    """Numbers of certificates by state, their ends in the next 90 days, and rows that need attention."""

    total: int
    states: Mapping[str, int]
    days: tuple[Day, ...]
    attention: tuple[Row, ...]
    more: int  # rows that need attention too


def overview(rows: Iterable[Row], now: datetime) -> Overview:
    """Return the overview of rows of `summary`."""
    listed = list(rows)
    counts = Counter(map(state_of, listed))
    urgent = sorted((row for row in listed if needs_attention(row, now)), key=_urgency)
    states = {state: counts[state] for state in (*STATES, *sorted(counts.keys() - set(STATES))) if counts[state]}
    return Overview(len(listed), states, timeline(listed, now), tuple(islice(urgent, MOST)), max(len(urgent) - MOST, 0))


def timeline(rows: Iterable[Row], now: datetime, days: int = DAYS) -> tuple[Day, ...]:
    """Return the days from today (UTC), each with the certificates that end on it; expired ones are left out."""
    first = now.replace(hour=0, minute=0, second=0, microsecond=0)
    ends, at_risk = Counter[int](), Counter[int]()
    for row in rows:
        end = end_of(row)
        if end is None or end < now:
            continue
        number = (end - first) // timedelta(days=1)
        ends[number] += 1
        at_risk[number] += is_at_risk(row)
    return tuple(Day(first + timedelta(days=n), ends[n], at_risk[n]) for n in range(days))


def state_of(row: Row) -> str:
    """Return the state that a person sees: `expired` whatever the last run did."""
    return EXPIRED if row.get("expired") else str(row["state"])


def end_of(row: Row) -> datetime | None:
    """Return the end of the certificate, or None without one."""
    text = row.get("not_after")
    return None if text is None else datetime.fromisoformat(str(text))


def is_at_risk(row: Row) -> bool:
    """Whether the certificate is failing, paused, or not renewed automatically."""
    return state_of(row) in BROKEN or bool(row.get("paused")) or row.get("renew_at") is None


def needs_attention(row: Row, now: datetime) -> bool:
    """Whether an operator should look: it is broken, or it ends within two weeks and will not be renewed."""
    if state_of(row) in BROKEN:
        return True
    end = end_of(row)
    return end is not None and end < now + SOON and is_at_risk(row)


def _urgency(row: Row) -> tuple[int, str, str]:
    state = state_of(row)
    order = STATES.index(state) if state in STATES else len(STATES)
    return order, str(row.get("not_after") or ""), str(row["name"])
