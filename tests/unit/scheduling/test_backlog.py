"""A backlog: 10,000 due certificates leave in one tick, and throttles in the middle lose none."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest

from evercert.aws.dynamodb import items
from evercert.contracts.queue import Due, shard
from evercert.contracts.record import Record
from evercert.errors import Unavailable
from evercert.scheduling.checker import Tick, check
from evercert.scheduling.workers import in_threads
from evercert.timestamps import to_text
from tests.doubles.fakes import START, FakeQueue, FakeTable, HandClock, spec
from tests.doubles.virtual_time import Limit, SlowQueue, SlowTable, VirtualWorkers

# The time limit of the checker is 60 s; it stops after 80 % of what remains.
STOP, TICK, REDISPATCH, WORKERS = timedelta(seconds=48), timedelta(minutes=5), timedelta(minutes=10), 8
FLEET = 10_000


class Backlog:
    """Many due records, a checker of eight workers, and their virtual time."""

    def __init__(self, count: int = FLEET) -> None:
        self.clock = HandClock()
        self.table, self.queue = SlowTable(self.clock), SlowQueue()
        self.queue.clock = self.clock
        fill(self.table, count)

    def tick(self, workers: int = WORKERS, redispatch: timedelta = REDISPATCH) -> Tick:
        stop_at = self.clock() + STOP
        return check(
            self.table,
            self.queue,
            clock=self.clock,
            stop_at=stop_at,
            redispatch=redispatch,
            workers=VirtualWorkers(self.clock, workers),
        )

    def due(self) -> int:
        return sum(1 for _ in FakeTable.due(self.table, self.clock()))


def fill(table: FakeTable, count: int) -> None:
    """Store copies of one record; each is due and has an expiry of its own."""
    record = Record(name="web", uid="8a4e1c9e-6a5e-4b6e-9a53-0d7a3c1f2b44", spec=spec(), generation=1)
    item = items.new_record(record, START - timedelta(minutes=1))
    for number in range(count):
        name = f"web-{number:05d}"
        expires = {"S": to_text(START + timedelta(hours=count - number))}
        own = {"pk": {"S": items.pk(name)}, "due_shard": {"S": shard(name)}, "expiry_shard": {"S": shard(name)}}
        table.items[items.pk(name), items.SK] = {**item, **own, "not_after": expires}


@pytest.fixture(scope="module")
def served() -> tuple[Backlog, Tick]:
    backlog = Backlog()
    return backlog, backlog.tick()


def test_backlog_of_10000_leaves_in_one_tick(served: tuple[Backlog, Tick]) -> None:
    backlog, tick = served
    assert (tick.sent, tick.left, tick.refused, tick.throttled, tick.overtaken) == (FLEET, 0, 0, 0, 0)
    assert backlog.clock() - START < STOP / 2
    assert backlog.due() == 0
    assert Counter(nudge.certificate for nudge in backlog.queue.sent).total() == FLEET


def test_backlog_leaves_in_the_order_of_expiry(served: tuple[Backlog, Tick]) -> None:
    backlog, _ = served
    names = [nudge.certificate for nudge in backlog.queue.sent]
    assert names == sorted(names, reverse=True)


def test_one_worker_leaves_the_rest_to_the_next_tick() -> None:
    """Several workers are needed because a write takes 8 ms."""
    backlog = Backlog()
    tick = backlog.tick(workers=1)
    assert tick.sent + tick.left == FLEET
    assert tick.left > FLEET / 4
    assert backlog.clock() - START < STOP + timedelta(seconds=1)


def test_throttles_in_a_backlog_lose_nothing() -> None:
    """Every entry is sent; one whose due time could not be moved is still due, and is sent again."""
    backlog = Backlog(2_000)
    backlog.table.limit, backlog.queue.limit = Limit(backlog.clock, 300), Limit(backlog.clock, 40)
    throttled = 0
    for _ in range(20):
        throttled += backlog.tick(redispatch=timedelta(days=1)).throttled
        if not backlog.due():
            break
        backlog.clock.now += TICK - STOP
    assert throttled
    assert backlog.due() == 0
    assert {nudge.certificate for nudge in backlog.queue.sent} == {f"web-{n:05d}" for n in range(2_000)}


# -- threads ------------------------------------------------------------------------------------------------------------
def test_threads_send_every_entry_once() -> None:
    clock, table, queue = HandClock(), FakeTable(), FakeQueue()
    fill(table, 300)
    tick = check(table, queue, clock=clock, stop_at=START + STOP, redispatch=REDISPATCH, workers=in_threads(WORKERS))
    assert tick.sent == 300
    assert Counter(nudge.certificate for nudge in queue.sent) == {f"web-{n:05d}": 1 for n in range(300)}
    assert not list(table.due(START))


class Dying(FakeTable):
    """A table during whose write the process dies."""

    writes_left = 57

    def put_off(self, due: Due, until: object) -> bool:
        self.writes_left -= 1
        if self.writes_left < 0:
            raise Unavailable("killed")
        return super().put_off(due, until)  # type: ignore[arg-type]


def test_death_in_a_backlog_loses_nothing() -> None:
    """Each entry is sent before it is postponed: what was not postponed is due, and is sent again."""
    clock, table, queue = HandClock(), Dying(), FakeQueue()
    fill(table, 300)
    arguments = {"clock": clock, "stop_at": START + STOP, "redispatch": REDISPATCH, "workers": in_threads(WORKERS)}
    with pytest.raises(Unavailable):
        check(table, queue, **arguments)
    sent = {nudge.certificate for nudge in queue.sent}
    due = {entry.key[0].removeprefix("certificate#") for entry in table.due(START)}
    assert due
    assert sent | due == {f"web-{n:05d}" for n in range(300)}
    table.writes_left = 1_000
    check(table, queue, **arguments)
    assert {nudge.certificate for nudge in queue.sent} == {f"web-{n:05d}" for n in range(300)}


def test_threads_stop_at_the_time_limit() -> None:
    clock, table, queue = HandClock(), FakeTable(), FakeQueue()
    fill(table, 30)
    tick = check(table, queue, clock=clock, stop_at=START, redispatch=REDISPATCH, workers=in_threads(WORKERS))
    assert (tick.sent, tick.left, queue.sent) == (0, 30, [])
