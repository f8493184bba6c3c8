"""A fleet at a service limited to one write per second wastes no slot."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from evercert.contracts.issuer import OpenIssuer
from evercert.contracts.record import Record
from evercert.contracts.spec_store import Change
from evercert.issuance.run import Issuance
from evercert.issuers.self_signed import SelfSigned
from evercert.scheduling.checker import check
from tests.doubles.fakes import LEASE, START, Bench, FakeDestination, spec

TICK = timedelta(minutes=5)
FLEET = 1_200  # twenty minutes: longer than a message can be put off


@dataclass
class Slow(FakeDestination):
    service: str = "slow"
    quota: int = 1_000_000


@dataclass
class Messages:
    """Nudges by arrival time."""

    bench: Bench
    waiting: list[tuple[datetime, int, str]] = field(default_factory=list)
    count: int = 0

    def collect(self) -> None:
        now, queue = self.bench.clock(), self.bench.queue
        for nudge, delay in [*((nudge, timedelta(0)) for nudge in queue.sent), *queue.later]:
            assert delay <= timedelta(minutes=15)
            self.count += 1
            heapq.heappush(self.waiting, (now + delay, self.count, nudge.certificate))
        queue.sent.clear()
        queue.later.clear()


def test_fleet_uses_one_slot_per_certificate() -> None:
    bench = Bench()
    bench.issuers.known["main"] = OpenIssuer(SelfSigned(SelfSigned.Settings()), "self-signed")
    # Many runs at once: one that sleeps for a moment keeps no other waiting.
    bench.issuance = Issuance(replace(bench.ports, sleep=lambda _: None), LEASE)
    names = [f"web-{number}" for number in range(FLEET)]
    for number, name in enumerate(names):
        bench.destinations.known[name] = Slow(name)
        uid = f"{number:08d}-0000-4000-8000-000000000000"
        wanted = spec(name, to=(name,), lifecycle={"status-check-interval": "90d"})
        bench.table.write([Change(Record(name=name, uid=uid, spec=wanted, generation=1), None)], START)
    messages, tick_at, runs = Messages(bench), START, 0
    while not all(bench.destinations.known[name].deliveries for name in names):
        following = messages.waiting[0][0] if messages.waiting else tick_at
        if tick_at <= max(following, bench.clock()):
            bench.clock.now = max(bench.clock.now, tick_at)
            stop_at, redispatch = bench.clock() + timedelta(seconds=48), timedelta(minutes=10)
            check(bench.table, bench.queue, clock=bench.clock, stop_at=stop_at, redispatch=redispatch)
            tick_at += TICK
        else:
            arrives, _, name = heapq.heappop(messages.waiting)
            bench.clock.now = max(bench.clock.now, arrives)
            bench.run(name)
            runs += 1
        messages.collect()
        assert bench.clock() < START + timedelta(seconds=FLEET * 1.3), "too slow"
    assert all(bench.destinations.known[name].deliveries == 1 for name in names)
    assert len(bench.rate_limiter.taken["slow"]) <= FLEET * 1.02
    assert runs <= FLEET * 4
