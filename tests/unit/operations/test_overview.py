"""Overview: counts, days and what needs attention."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from evercert.operations.overview import DAYS, MOST, overview, timeline
from evercert.timestamps import to_text

NOW = datetime(2026, 11, 29, 15, 30, tzinfo=UTC)


def row(name: str, state: str = "ready", ends: timedelta | None = timedelta(days=60), **values: Any) -> dict[str, Any]:
    end = None if ends is None else NOW + ends
    found = {
        "name": name, "state": state, "paused": False, "expired": end is not None and end < NOW,
        "not_after": end and to_text(end), "renew_at": to_text(NOW + timedelta(days=1)),
    }  # fmt: skip
    return found | values


def test_states_are_counted_worst_first() -> None:
    rows = [row("a"), row("b"), row("c", "failing"), row("d", ends=-timedelta(days=1)), row("e", "of-a-newer-version")]
    found = overview(rows, NOW)
    assert list(found.states.items()) == [("expired", 1), ("failing", 1), ("ready", 2), ("of-a-newer-version", 1)]
    assert found.total == 5


def test_overview_of_no_certificates() -> None:
    found = overview([], NOW)
    assert (found.total, found.states, found.attention, found.more) == (0, {}, (), 0)
    assert [day.ends for day in found.days] == [0] * DAYS


def test_days_begin_at_midnight_in_utc() -> None:
    rows = [row("today", ends=timedelta(hours=8)), row("tomorrow", ends=timedelta(hours=9)),
            row("last", ends=timedelta(days=89)), row("later", ends=timedelta(days=90)), row("gone", ends=-timedelta(hours=1)),
            row("none", ends=None)]  # fmt: skip
    days = timeline(rows, NOW)
    assert [number for number, day in enumerate(days) if day.ends] == [0, 1, 89]
    assert days[0].date == datetime(2026, 11, 29, tzinfo=UTC)


@pytest.mark.parametrize(
    ("values", "at_risk"),
    [({}, 0), ({"state": "failing"}, 1), ({"paused": True}, 1), ({"renew_at": None}, 1), ({"state": "pending"}, 0)],
    ids=["renewed", "failing", "paused", "issued-once", "pending"],
)
def test_days_count_what_is_not_renewed(values: dict[str, Any], at_risk: int) -> None:
    day = timeline([row("web", ends=timedelta(days=3)) | values], NOW)[3]
    assert (day.ends, day.at_risk) == (1, at_risk)


def test_attention_begins_with_expired_certificates() -> None:
    rows = [
        row("failing-late", "failing", timedelta(days=50)), row("failing-soon", "failing", timedelta(days=5)),
        row("fine"), row("once", ends=timedelta(days=13), renew_at=None), row("once-later", ends=timedelta(days=15), renew_at=None),
        row("broken", "unreadable", None, not_after=None), row("gone", "ready", -timedelta(days=1)),
        row("paused-soon", "paused", timedelta(days=2), paused=True),
    ]  # fmt: skip
    found = [one["name"] for one in overview(rows, NOW).attention]
    assert found == ["gone", "failing-soon", "failing-late", "broken", "paused-soon", "once"]


def test_attention_is_limited_and_says_how_many_more() -> None:
    found = overview([row(f"web-{n:03}", "failing") for n in range(MOST + 7)], NOW)
    assert (len(found.attention), found.more) == (MOST, 7)
