"""The deadline of a run: calls that end too late, and clocks that are set during the run."""

from __future__ import annotations

from datetime import timedelta

import pytest

from evercert.deadline import CLOCK_TOLERANCE, Deadline
from evercert.errors import OutOfTime
from tests.doubles.fakes import START, HandClock

SECOND = timedelta(seconds=1)


def test_deadline_refuses_calls_that_end_too_late() -> None:
    deadline = Deadline(clock := HandClock())
    deadline.begin(START + 10 * SECOND)
    deadline.require(10 * SECOND, "a call")
    clock.now += timedelta(milliseconds=1)
    with pytest.raises(OutOfTime, match="a call could end after the claim ends"):
        deadline.require(10 * SECOND, "a call")
    deadline.end()
    deadline.require(timedelta(days=1), "a call")


def test_deadline_refuses_calls_after_the_clock_went_back() -> None:
    deadline = Deadline(clock := HandClock())
    deadline.begin(START + timedelta(minutes=1), since=START)
    clock.now = START - CLOCK_TOLERANCE
    deadline.require(SECOND, "a call")
    clock.now -= SECOND
    with pytest.raises(OutOfTime, match="a call was not started: the clock went back from 2026-01-15T12:00:00"):
        deadline.require(SECOND, "a call")
    deadline.end()
    deadline.require(SECOND, "a call")
