"""The sweep: finds what no index holds, does it once a day, and goes on where it stopped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from evercert.contracts.queue import shard
from evercert.scheduling.sweeper import Entry, Progress, is_lost, sweep
from evercert.timestamps import to_text
from tests.doubles.fakes import START, HandClock

RECORD = ("certificate#web", "record")
OUTCOME = ("certificate#web", "outcome#8a4e#1#1")
DUE = to_text(START + timedelta(days=30))
SHARD = shard("web")


@pytest.mark.parametrize(
    ("entry", "lost"),
    [
        pytest.param(Entry(RECORD, SHARD, DUE), False, id="due one day"),
        pytest.param(Entry(RECORD, SHARD, to_text(START - timedelta(days=3))), False, id="overdue: the index has it"),
        pytest.param(Entry(RECORD), True, id="in no index"),
        pytest.param(Entry(RECORD, at_rest=True), False, id="at rest: nothing can follow"),
        pytest.param(Entry(RECORD, SHARD), True, id="without a time"),
        pytest.param(Entry(RECORD, None, DUE), True, id="without a shard"),
        pytest.param(Entry(RECORD, "99", DUE), True, id="a shard that nobody reads"),
        pytest.param(Entry(RECORD, SHARD, "tomorrow"), True, id="no time"),
        pytest.param(Entry(RECORD, SHARD, {"N": "1795266562"}), True, id="a number for a time"),
        pytest.param(Entry(RECORD, SHARD, to_text(START + timedelta(days=4000))), True, id="a time that never comes"),
        pytest.param(Entry(OUTCOME), True, id="an outcome that nobody heard of"),
        pytest.param(Entry(OUTCOME, at_rest=True), False, id="a published outcome"),
        pytest.param(Entry(("pace#acm#1#eu", "pace")), False, id="not a certificate's"),
        pytest.param(Entry(("certificate#web", "note")), False, id="somebody else's item beside a record"),
    ],
)
def test_what_is_lost(entry: Entry, lost: bool) -> None:
    assert is_lost(entry, START) is lost


@dataclass
class Table:
    """Pages of entries; a page takes a second to read."""

    pages: list[list[Entry]]
    clock: HandClock
    kept: Progress = field(default_factory=Progress)
    mended: list[tuple[str, str]] = field(default_factory=list)
    read: list[str | None] = field(default_factory=list)

    def progress(self) -> Progress:
        return self.kept

    def save(self, seen: Progress, reached: Progress) -> bool:
        if seen != self.kept:
            return False
        self.kept = reached
        return True

    def page(self, position: str | None) -> tuple[Sequence[Entry], str | None]:
        self.read.append(position)
        self.clock.advance(seconds=1)
        number = int(position or 0)
        return self.pages[number], str(number + 1) if number + 1 < len(self.pages) else None

    def make_due(self, entry: Entry, now: datetime) -> bool:
        self.mended.append(entry.key)
        return True


def table(count: int) -> Table:
    return Table([[Entry((f"certificate#n{number}", "record"))] for number in range(count)], HandClock())


def run(found: Table, seconds: float = 48):
    return sweep(found, clock=found.clock, stop_at=found.clock() + timedelta(seconds=seconds))


def test_everything_is_looked_through_once_a_day() -> None:
    found = table(3)
    swept = run(found)
    assert (swept.seen, swept.mended, swept.finished) == (3, 3, True)
    found.clock.advance(hours=22)
    assert run(found).seen == 0
    found.clock.advance(hours=2)
    assert run(found).seen == 3


def test_it_stops_in_time_and_the_next_one_goes_on() -> None:
    found = table(5)
    assert run(found, seconds=2).finished is False
    assert found.read == [None, "1"]
    assert run(found).finished is True
    assert found.read == [None, "1", "2", "3", "4"]
    assert len(set(found.mended)) == 5


def test_two_sweeps_at_once_do_not_undo_each_others_progress() -> None:
    found = table(4)
    page = found.page

    def overtaken(position: str | None):
        found.kept = Progress("3")
        return page(position)

    found.page = overtaken
    assert run(found).seen == 1
    assert found.kept == Progress("3")


def test_a_clock_that_was_ahead_does_not_stop_the_sweep_for_ever() -> None:
    found = table(1)
    found.kept = Progress(None, START + timedelta(days=900))
    assert run(found).seen == 1
