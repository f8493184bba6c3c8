"""Tests of the checker: due entries are queued once and become due again if the nudge is lost."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from evercert.contracts.queue import Due, Nudge
from evercert.contracts.record import Record
from evercert.contracts.spec_store import Change
from evercert.errors import Unavailable
from evercert.scheduling.checker import FEW, Tick, check
from evercert.timestamps import to_text
from tests.doubles.fakes import START, FakeQueue, FakeTable, HandClock, spec

REDISPATCH = timedelta(minutes=10)


def tick(table: FakeTable, queue: FakeQueue, clock: HandClock, seconds: float = 48) -> Tick:
    """Return the counts of a tick without the oldest due time, which has its own tests."""
    stop_at = clock() + timedelta(seconds=seconds)
    return replace(check(table, queue, clock=clock, stop_at=stop_at, redispatch=REDISPATCH), oldest_due=None)


def wanted(table: FakeTable, *names: str, minutes: float = -1) -> None:
    for number, name in enumerate(names):
        record = Record(name=name, uid=f"{number:08d}-0000-4000-8000-000000000000", spec=spec(name), generation=1)
        table.write([Change(record, None)], START + timedelta(minutes=minutes, seconds=number))


@pytest.fixture
def table() -> FakeTable:
    return FakeTable()


@pytest.fixture
def queue() -> FakeQueue:
    return FakeQueue()


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


def test_checker_sends_oldest_entries_first(table: FakeTable, queue: FakeQueue, clock: HandClock) -> None:
    wanted(table, "a", "b", minutes=-1)
    wanted(table, "older", minutes=-60)
    wanted(table, "later", minutes=60)
    assert tick(table, queue, clock) == Tick(sent=3)
    assert [nudge.certificate for nudge in queue.sent] == ["older", "a", "b"]


def test_checker_repeats_a_nudge_after_redispatch(table: FakeTable, queue: FakeQueue, clock: HandClock) -> None:
    wanted(table, "a")
    tick(table, queue, clock)
    clock.advance(minutes=9)
    assert tick(table, queue, clock) == Tick()
    clock.advance(minutes=1)
    assert tick(table, queue, clock) == Tick(sent=1)


def test_checker_keeps_refused_entries_due(table: FakeTable, queue: FakeQueue, clock: HandClock) -> None:
    wanted(table, "a", "b")
    queue.refuse = {"a"}
    assert tick(table, queue, clock) == Tick(sent=1, refused=1)
    queue.refuse = set()
    assert tick(table, queue, clock) == Tick(sent=1)
    assert [nudge.certificate for nudge in queue.sent] == ["b", "a"]


def test_checker_loses_nothing_if_the_queue_fails(table: FakeTable, queue: FakeQueue, clock: HandClock) -> None:
    wanted(table, "a")
    queue.error = Unavailable("down")
    with pytest.raises(Unavailable):
        tick(table, queue, clock)
    queue.error = None
    assert tick(table, queue, clock) == Tick(sent=1)


def test_checker_sends_batches_of_ten(table: FakeTable, clock: HandClock) -> None:
    wanted(table, *(f"c{number:02d}" for number in range(23)))
    sizes: list[int] = []

    class Counting(FakeQueue):
        def send(self, nudges):
            sizes.append(len(nudges))
            return super().send(nudges)

    assert tick(table, Counting(), clock).sent == 23
    assert sizes == [10, 10, 3]


def test_checker_stops_in_time_and_counts_the_rest(table: FakeTable, clock: HandClock) -> None:
    wanted(table, *(f"c{number:02d}" for number in range(25)))

    class Slow(FakeQueue):
        def send(self, nudges):
            clock.advance(seconds=30)
            return super().send(nudges)

    queue = Slow()
    assert tick(table, queue, clock, seconds=48) == Tick(sent=20, left=5)
    assert len(list(table.due(clock()))) == 5


def test_checker_leaves_entries_that_moved(table: FakeTable, clock: HandClock) -> None:
    wanted(table, "a")

    class Racing(FakeQueue):
        def send(self, nudges):
            table.request("a", START + timedelta(days=1))
            return super().send(nudges)

    assert tick(table, Racing(), clock) == Tick(sent=1, overtaken=1)
    assert table.record("a").due_at == START + timedelta(days=1)


def test_checker_does_not_recreate_deleted_certificates(table: FakeTable, clock: HandClock) -> None:
    wanted(table, "a")

    class Racing(FakeQueue):
        def send(self, nudges):
            table.remove(table.record("a"))
            return super().send(nudges)

    assert tick(table, Racing(), clock) == Tick(sent=1, overtaken=1)
    assert table.items == {}


def test_checker_sends_unpublished_outcomes(table: FakeTable, queue: FakeQueue, clock: HandClock) -> None:
    due = to_text(START - timedelta(minutes=1))
    key = ("certificate#web", "outcome#u#1#1")
    table.items[key] = {"due_at": {"S": due}, "due_shard": {"S": "00"}}
    tick(table, queue, clock)
    assert queue.sent == [Nudge("web", outcome="outcome#u#1#1")]


@pytest.mark.parametrize("key", [("something", "record"), ("certificate#web", "something")])
def test_checker_counts_foreign_entries(table: FakeTable, queue: FakeQueue, clock: HandClock, key) -> None:
    table.items[key] = {"due_at": {"S": to_text(START - timedelta(hours=1))}, "due_shard": {"S": "00"}}
    wanted(table, "web2")
    assert tick(table, queue, clock) == Tick(sent=1, foreign=1)
    assert tick(table, queue, clock) == Tick()


def test_due_entry_is_hashable() -> None:
    """The checker uses entries as dictionary keys."""
    assert len({Due(("a", "b"), "00", "x"), Due(("a", "b"), "00", "x")}) == 1


def test_checker_reports_the_oldest_due_time(table: FakeTable, queue: FakeQueue, clock: HandClock) -> None:
    wanted(table, "a", "b", minutes=-30)
    stop_at = clock() + timedelta(seconds=48)
    done = check(table, queue, clock=clock, stop_at=stop_at, redispatch=REDISPATCH)
    assert done.oldest_due == to_text(START - timedelta(minutes=30))
    done = check(table, queue, clock=clock, stop_at=stop_at, redispatch=REDISPATCH)
    assert done.oldest_due is None


def test_checker_sorts_a_backlog_by_expiry(table: FakeTable, queue: FakeQueue, clock: HandClock) -> None:
    names = [f"web-{number:04d}" for number in range(FEW + 100)]
    wanted(table, *names, minutes=-60)
    for number, name in enumerate(reversed(names[100:])):  # the first hundred have no certificate yet
        item = table.items[f"certificate#{name}", "record"]
        item["expiry_shard"], item["not_after"] = {"S": "00"}, {"S": to_text(START + timedelta(minutes=number))}
    tick(table, queue, clock)
    sent = [nudge.certificate for nudge in queue.sent]
    assert sent == [*reversed(names[100:]), *names[:100]]


def test_checker_reads_no_more_expiries_than_it_needs(table: FakeTable, queue: FakeQueue, clock: HandClock) -> None:
    due = [f"web-{number:04d}" for number in range(FEW)]
    wanted(table, *due, minutes=-60)
    wanted(table, *(f"later-{number:04d}" for number in range(FEW)), minutes=60)
    for number, (partition, sort) in enumerate(list(table.items)):
        item = table.items[partition, sort]
        item["expiry_shard"], item["not_after"] = {"S": "00"}, {"S": to_text(START + timedelta(minutes=number))}
    read, expiring = [], table.expiring
    table.expiring = lambda page: (read.append(found) or found for found in expiring(page))
    assert tick(table, queue, clock).sent == FEW
    assert len(read) == FEW
