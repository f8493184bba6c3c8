"""Weeks of the timeline, and what lies outside of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from evercert.operations.overview import DAYS, timeline
from evercert.operations.weeks import others, weeks
from tests.unit.operations.test_overview import NOW, row


def test_weeks_begin_today_and_hold_every_day() -> None:
    rows = [row(f"web-{n}", "failing" if n % 2 else "ready", timedelta(days=n)) for n in range(DAYS)]
    days = timeline(rows, NOW)
    found = weeks(days)
    assert [week.first for week in found[:2]] == [datetime(2026, 11, 29, tzinfo=UTC), datetime(2026, 12, 6, tzinfo=UTC)]
    assert [week.ends for week in found] == [7] * 12 + [6]
    assert sum(week.at_risk for week in found) == sum(day.at_risk for day in days) == DAYS // 2


@pytest.mark.parametrize(
    ("ends", "phrases"),
    [
        (timedelta(days=89), []),
        (timedelta(days=90), ["1 later"]),
        (timedelta(seconds=-1), ["1 expired"]),
        (None, ["1 without a certificate"]),
    ],
    ids=["last-day", "later", "expired", "without"],
)
def test_others_are_what_the_timeline_leaves_out(ends: timedelta | None, phrases: list[str]) -> None:
    rows = [row("web", ends=ends)]
    days = timeline(rows, NOW)
    assert list(others(rows, days)) == phrases
    assert sum(day.ends for day in days) + len(phrases) == 1
