"""Tests of the sweep: it finds lost entries, runs once a day, and resumes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from evercert.contracts.queue import shard
from evercert.scheduling.sweeper import Entry, LostPosition, Progress, is_lost, sweep
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
        pytest.param(Entry(RECORD, "99", DUE), True, id="a shard that is never read"),
        pytest.param(Entry(RECORD, SHARD, "tomorrow"), True, id="no time"),
        pytest.param(Entry(RECORD, SHARD, {"N": "1795266562"}), True, id="a number for a time"),
        pytest.param(Entry(RECORD, SHARD, to_text(START + timedelta(days=4000))), True, id="a time that never comes"),
        pytest.param(
            Entry(RECORD, SHARD, DUE, (to_text(START + timedelta(minutes=4)), None, {"M": {}}, "x")), False, id="stamps"
        ),
        pytest.param(
            Entry(RECORD, SHARD, DUE, (None, to_text(START + timedelta(minutes=6)))),
            True,
            id="of a clock that was ahead",
        ),
        pytest.param(Entry(OUTCOME), True, id="an unpublished outcome"),
        pytest.param(Entry(OUTCOME, at_rest=True), False, id="a published outcome"),
        pytest.param(Entry(("pace#acm#1#eu", "pace")), False, id="not a certificate's"),
        pytest.param(Entry(("certificate#web", "note")), False, id="a foreign item beside a record"),
    ],
)
def test_is_lost_recognizes_lost_entries(entry: Entry, lost: bool) -> None:
    assert is_lost(entry, START) is lost


@dataclass
class Table:
    """A table in pages; reading a page takes a second."""

    pages: list[list[Entry]]
    clock: HandClock
    kept: Progress = field(default_factory=Progress)
    made_due: list[tuple[str, str]] = field(default_factory=list)
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
        self.made_due.append(entry.key)
        return True


def table(count: int) -> Table:
    return Table([[Entry((f"certificate#n{number}", "record"))] for number in range(count)], HandClock())


def run(found: Table, seconds: float = 48):
    return sweep(found, clock=found.clock, stop_at=found.clock() + timedelta(seconds=seconds))


def test_sweep_runs_once_a_day() -> None:
    found = table(3)
    swept = run(found)
    assert (swept.seen, swept.repaired, swept.finished) == (3, 3, True)
    found.clock.advance(hours=22)
    assert run(found).seen == 0
    found.clock.advance(hours=2)
    assert run(found).seen == 3


def test_sweep_stops_in_time_and_resumes() -> None:
    found = table(5)
    assert run(found, seconds=2).finished is False
    assert found.read == [None, "1"]
    assert run(found).finished is True
    assert found.read == [None, "1", "2", "3", "4"]
    assert len(set(found.made_due)) == 5


def test_sweep_keeps_the_progress_of_a_concurrent_sweep() -> None:
    found = table(4)
    page = found.page

    def overtaken(position: str | None):
        found.kept = Progress("3")
        return page(position)

    found.page = overtaken
    assert run(found).seen == 1
    assert found.kept == Progress("3")


def test_sweep_recovers_from_a_clock_that_was_ahead() -> None:
    found = table(1)
    found.kept = Progress(None, START + timedelta(days=900))
    assert run(found).seen == 1


def test_sweep_restarts_from_a_position_that_the_table_refuses() -> None:
    found = table(3)
    page, found.kept = found.page, Progress("nowhere")

    def refusing(position: str | None):
        if position == "nowhere":
            raise LostPosition
        return page(position)

    found.page = refusing
    swept = run(found)
    assert (swept.seen, swept.finished, swept.restarted) == (3, True, True)
    assert found.kept.position is None


def test_sweep_reports_a_spoiled_cursor() -> None:
    found = table(2)
    found.kept = Progress(stored={"N": "1"}, spoiled=True)
    assert (run(found).restarted, run(found).restarted) == (True, False)
