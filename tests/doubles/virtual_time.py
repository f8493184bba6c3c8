"""Concurrency and latency in virtual time: workers and services that move a hand-set clock instead of waiting."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from evercert.contracts.queue import Due, Expiring, Nudge
from evercert.errors import Throttled
from tests.doubles.fakes import FakeQueue, FakeTable, HandClock

# Estimates for AWS: the call itself, and about a millisecond of processor time in botocore.
QUERY, UPDATE, SEND = timedelta(milliseconds=8), timedelta(milliseconds=8), timedelta(milliseconds=15)


class VirtualWorkers:
    """Workers that run one after the other; each has a clock of its own, which begins where it became free."""

    def __init__(self, clock: HandClock, count: int) -> None:
        self._clock = clock
        self._count = count

    def __call__(self, task: Callable[[Any], Any], batches: Iterable[Any]) -> Iterator[Any]:
        free = [self._clock.now] * self._count
        for batch in batches:
            self._clock.now = heapq.heappop(free)
            result = task(batch)
            heapq.heappush(free, self._clock.now)
            yield result
        self._clock.now = max(free)


class Limit:
    """A service that takes a number of calls in each second of the clock."""

    def __init__(self, clock: HandClock, most: int) -> None:
        self._clock = clock
        self._most = most
        self._calls: Counter[datetime] = Counter()
        self.throttled = 0

    def take(self) -> None:
        second = self._clock.now.replace(microsecond=0)
        self._calls[second] += 1
        if self._calls[second] > self._most:
            self.throttled += 1
            raise Throttled("too many requests")


class SlowTable(FakeTable):
    """A table whose calls take time, and which may take a limited number of writes a second."""

    def __init__(self, clock: HandClock) -> None:
        super().__init__()
        self._clock = clock
        self.limit: Limit | None = None

    def due(self, now: datetime) -> Iterator[Due]:
        for number, due in enumerate(super().due(now)):
            if number % 100 == 0:
                self._clock.now += QUERY
            yield due

    def expiring(self, page: int) -> Iterator[Expiring]:
        for number, expiring in enumerate(super().expiring(page)):
            if number % page == 0:
                self._clock.now += QUERY
            yield expiring

    def put_off(self, due: Due, until: datetime) -> bool:
        self._clock.now += UPDATE
        if self.limit is not None:
            self.limit.take()
        return super().put_off(due, until)


class SlowQueue(FakeQueue):
    """A queue whose calls take time, and which may take a limited number of them a second."""

    clock: HandClock
    limit: Limit | None = None

    def send(self, nudges: Sequence[Nudge]) -> list[Nudge]:
        self.clock.now += SEND
        if self.limit is not None:
            self.limit.take()
        return super().send(nudges)
