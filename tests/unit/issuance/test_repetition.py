"""Repetition of runs: what happens at once, and the limit for immediate runs."""

from __future__ import annotations

from datetime import timedelta

import pytest

from evercert.errors import Unavailable
from evercert.issuance.repetition import LONGEST_NUDGE, MOST_AT_ONCE, nudge_again
from tests.doubles.fakes import START, FakeQueue, spec
from tests.doubles.loop import Loop

AT_ONCE = timedelta(0)


def sent(after: timedelta, *, repeats: int = 0, moved: bool = False) -> tuple[int, timedelta] | None:
    queue = FakeQueue()
    nudge_again(queue, "web", START + after, START, repeats=repeats, moved=moved)
    if not queue.later:
        return None
    ((nudge, delay),) = queue.later
    assert nudge.certificate == "web"
    return nudge.repeats, delay


def test_first_change_during_a_run_is_served_at_once() -> None:
    assert sent(AT_ONCE, moved=True) == (1, AT_ONCE)


@pytest.mark.parametrize("repeats", [1, 2, MOST_AT_ONCE])
def test_second_change_in_a_row_waits_for_the_tick(repeats: int) -> None:
    assert sent(AT_ONCE, repeats=repeats, moved=True) is None


def test_sixth_run_in_a_row_waits_for_the_tick() -> None:
    at_once = [sent(AT_ONCE, repeats=repeats) for repeats in range(MOST_AT_ONCE + 1)]
    assert at_once == [*((number, AT_ONCE) for number in range(1, MOST_AT_ONCE + 1)), None]


@pytest.mark.parametrize("after", [timedelta(seconds=5), timedelta(days=1)], ids=["slot", "day"])
def test_nudge_for_a_later_time_ends_the_row(after: timedelta) -> None:
    assert sent(after, repeats=MOST_AT_ONCE) == (0, min(after, LONGEST_NUDGE))


def test_nudge_for_a_time_in_the_past_is_sent_at_once() -> None:
    assert sent(-timedelta(days=9)) == (1, AT_ONCE)


def test_lost_nudge_raises_nothing() -> None:
    nudge_again(FakeQueue(error=Unavailable("down")), "web", START, START, repeats=0, moved=False)


@pytest.mark.parametrize("how", ["release", "conclude"])
def test_endless_changes_run_twice_a_minute(monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    """A store that finds a change at the end of every run: neither ticks nor nudges add up."""
    loop = Loop()
    loop.bench.want(spec())
    if how == "release":
        loop.run(timedelta(minutes=1))
        loop.bench.table.wake("web", loop.bench.clock(), loop.bench.clock())
    table = loop.bench.table
    monkeypatch.setattr(table, "_moved", lambda held: table._require_ours(held) is not None)
    before = loop.runs["web"]
    loop.run(timedelta(hours=2))
    assert 100 < loop.runs["web"] - before < 260
