"""Weeks of the timeline: the days of an overview in groups that fit a narrow page, and what lies outside of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from evercert.operations.overview import Day, Row, end_of, state_of
from evercert.operations.summaries import EXPIRED

LENGTH = 7


@dataclass(frozen=True)
class Week:
    """Certificates that end in the week that begins on this day; `at_risk` as in `Day`."""

    first: datetime
    ends: int
    at_risk: int


@dataclass(frozen=True)
class Others:
    """Numbers of certificates outside of a timeline: `expired`, ending `later`, and `without` a certificate."""

    expired: int = 0
    later: int = 0
    without: int = 0

    def __iter__(self) -> Iterator[str]:
        """Yield a phrase for each number above zero."""
        for number, phrase in (
            (self.expired, "expired"),
            (self.later, "later"),
            (self.without, "without a certificate"),
        ):
            if number:
                yield f"{number:,} {phrase}"


def weeks(days: tuple[Day, ...]) -> tuple[Week, ...]:
    """Return the weeks of a timeline, from its first day; the last one may be shorter."""
    groups = (days[begin : begin + LENGTH] for begin in range(0, len(days), LENGTH))
    return tuple(Week(part[0].date, sum(d.ends for d in part), sum(d.at_risk for d in part)) for part in groups)


def others(rows: Iterable[Row], days: tuple[Day, ...]) -> Others:
    """Return the numbers of certificates that the timeline does not show."""
    end = days[-1].date + timedelta(days=1)
    expired = later = without = 0
    for row in rows:
        ends = end_of(row)
        if ends is None:
            without += 1
        elif state_of(row) == EXPIRED:
            expired += 1
        elif ends >= end:
            later += 1
    return Others(expired, later, without)
