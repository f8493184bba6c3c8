"""Checker and issuer in a loop, on the in-memory doubles and a hand-set clock."""

from __future__ import annotations

import heapq
from collections import Counter
from datetime import datetime, timedelta
from itertools import count
from typing import Literal

from evercert.contracts.issuer import OpenIssuer
from evercert.contracts.queue import Nudge
from evercert.issuance.outbox import announce_stored
from evercert.issuers.self_signed import SelfSigned
from evercert.scheduling.checker import check
from tests.doubles.fakes import Bench

HOUR, TICK, REDISPATCH = timedelta(hours=1), timedelta(minutes=1), timedelta(minutes=10)
# Lambda guide, "Use Lambda recursive loop detection": about 16 invocations of a function in one chain of requests; SQS
# passes on the chain. Then Lambda drops the invocation, and the message ends in the dead-letter queue.
LONGEST_CHAIN = 16
ISSUER = OpenIssuer(SelfSigned(SelfSigned.Settings()), "self-signed")


class Loop:
    """Checker and issuer on the in-memory doubles; a run takes 50 ms.

    `recursive` is the property `RecursiveLoop` of the issuer function: `Terminate` is the default of Lambda.
    """

    def __init__(self, recursive: Literal["Allow", "Terminate"] = "Allow") -> None:
        self.bench = Bench()
        self.bench.issuers.known["main"] = ISSUER
        self.runs: Counter[str] = Counter()
        self.raised: list[str] = []
        self.dropped: list[str] = []
        self.longest_chain = 0
        self._recursive = recursive
        self._queue: list[tuple[datetime, int, Nudge | None, int]] = []
        self._numbers = count()

    def run(self, span: timedelta = HOUR) -> None:
        begun = self.bench.clock()
        self._push(begun, None, 0)
        while self._queue and self._queue[0][0] <= begun + span:
            at, _, nudge, hops = heapq.heappop(self._queue)
            self.bench.clock.now = max(at, self.bench.clock.now)
            if nudge is None:
                self._tick()
            elif hops > LONGEST_CHAIN and self._recursive == "Terminate":
                self.dropped.append(nudge.certificate)
            else:
                self.longest_chain = max(self.longest_chain, hops)
                self._issue(nudge)
            self._collect(hops)

    def events(self) -> Counter[str]:
        return Counter(outcome.name for outcome in self.bench.announcer.announced)

    def _push(self, at: datetime, nudge: Nudge | None, hops: int) -> None:
        heapq.heappush(self._queue, (at, next(self._numbers), nudge, hops))

    def _tick(self) -> None:
        clock = self.bench.clock
        check(self.bench.table, self.bench.queue, clock=clock, stop_at=clock() + TICK, redispatch=REDISPATCH)
        self._push(clock() + TICK, None, 0)

    def _issue(self, nudge: Nudge) -> None:
        self.runs[nudge.certificate] += 1
        self.bench.clock.advance(milliseconds=50)
        try:
            if nudge.outcome is None:
                self.bench.issuance.run(nudge.certificate, nudge.repeats)
            else:
                ports = self.bench.ports
                announce_stored(nudge.certificate, nudge.outcome, ports.records, ports.announcer, ports.clock)
        except Exception as error:  # noqa: BLE001 (the function would repeat it with each lease)
            self.raised.append(f"{nudge.certificate}: {error!r}")

    def _collect(self, hops: int) -> None:
        """Move the sent nudges to the queue; each continues the chain of the invocation that sent it."""
        queue = self.bench.queue
        for nudge in queue.sent:
            self._push(self.bench.clock(), nudge, hops + 1)
        for nudge, delay in queue.later:
            self._push(self.bench.clock() + delay, nudge, hops + 1)
        queue.sent.clear()
        queue.later.clear()
