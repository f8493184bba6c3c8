"""Bursts: a throttle slows all runs down, but is no outage, and no certificate fails."""

from __future__ import annotations

import heapq
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from evercert.contracts.destination import Delivered
from evercert.contracts.ports import BreakerState
from evercert.contracts.record import Delivery, Record
from evercert.contracts.spec_store import Change
from evercert.errors import ClockWrong, Rejected, Slowed, Throttled
from evercert.issuance.circuit_breaker import LONGEST_TURN, PACES, SETTLES, SLOW_FOR, SPREAD_OVER, Breaker
from evercert.pki.certificate import Bundle
from tests.doubles.fakes import START, Bench, FakeBreakers, FakeDestination, HandClock, spec
from tests.doubles.scripted_ca import ScriptedCA
from tests.doubles.virtual_time import Limit
from tests.unit.issuance.helpers import SELF_SIGNED

SERVICE = "secrets-manager 111122223333 eu-central-1"


class Busy:
    """A service behind a breaker, and the runs that call it."""

    def __init__(self) -> None:
        self.clock, self.store = HandClock(), FakeBreakers()
        self.slept: list[timedelta] = []
        self.breaker = Breaker(self.store, self.clock, self.slept.append)

    @property
    def state(self) -> BreakerState:
        return self.store.read(SERVICE)

    def throttle(self, state: BreakerState | None = None, error: Throttled | None = None) -> None:
        with self.breaker.watch(state or self.breaker.admit(SERVICE, "uid")):
            raise error or Throttled("cannot store it: too many requests")


@pytest.fixture
def busy() -> Busy:
    return Busy()


def test_throttle_slows_down_and_opens_no_breaker(busy: Busy) -> None:
    with pytest.raises(Slowed, match=f"too many requests; all calls to {SERVICE} slow down") as raised:
        busy.throttle()
    assert raised.value.until == START + LONGEST_TURN
    assert busy.state == BreakerState(SERVICE, apart=PACES[0], slow_until=START + SLOW_FOR)
    busy.breaker.require_closed(SERVICE, "other")


def test_throttle_keeps_the_delay_that_the_service_names(busy: Busy) -> None:
    with pytest.raises(Slowed) as raised:
        busy.throttle(error=Throttled("later", retry_after=timedelta(seconds=20)))
    assert raised.value.until == START + timedelta(seconds=20)


def test_runs_of_a_slow_service_take_turns(busy: Busy) -> None:
    with pytest.raises(Slowed):
        busy.throttle()
    for _ in range(3):
        busy.breaker.admit(SERVICE, "uid")
    assert busy.slept == [PACES[0], 2 * PACES[0]]


def test_run_without_a_turn_is_spread_out(busy: Busy) -> None:
    with pytest.raises(Slowed):
        busy.throttle()
    untils = set()
    for number in range(200):
        try:
            busy.breaker.admit(SERVICE, f"uid {number}")
        except Slowed as later:
            untils.add(later.until)
    assert len(busy.slept) == LONGEST_TURN / PACES[0]
    assert len(untils) == 200 - 1 - len(busy.slept)
    assert all(START + LONGEST_TURN <= until <= START + LONGEST_TURN + SPREAD_OVER for until in untils)


def test_runs_throttled_together_take_one_step(busy: Busy) -> None:
    seen = busy.breaker.admit(SERVICE, "uid")
    for _ in range(20):
        with pytest.raises(Slowed):
            busy.throttle(seen)
    assert busy.state.apart == PACES[0]


def test_next_step_waits_until_the_pace_settles(busy: Busy) -> None:
    for _ in range(20):
        with pytest.raises(Slowed):
            busy.throttle()
    assert busy.state.apart == PACES[0]


def test_pace_ends_a_minute_after_the_last_throttle(busy: Busy) -> None:
    with pytest.raises(Slowed):
        busy.throttle()
    busy.clock.now += SLOW_FOR
    for _ in range(100):
        busy.breaker.admit(SERVICE, "uid")
    assert not busy.slept
    with pytest.raises(Slowed):
        busy.throttle()
    assert busy.state.apart == PACES[0]


def test_throttle_at_the_slowest_pace_is_a_failure(busy: Busy) -> None:
    """Others send the requests, so the certificate must not wait without a failure."""
    for pace in PACES:
        with pytest.raises(Slowed):
            busy.throttle()
        assert busy.state.apart == pace
        busy.clock.now += SETTLES
    with pytest.raises(Throttled):
        busy.throttle()
    assert busy.state == BreakerState(SERVICE, apart=PACES[-1], slow_until=busy.clock() + SLOW_FOR)


def test_throttle_is_a_failure_if_no_pace_can_be_stored(busy: Busy) -> None:
    busy.store.slow_down = lambda *_: False  # type: ignore[method-assign]
    with pytest.raises(Throttled):
        busy.throttle()


def test_run_does_not_wait_for_a_spoiled_turn(busy: Busy) -> None:
    with pytest.raises(Slowed):
        busy.throttle()

    def refuse(*_: object) -> None:
        raise Rejected("too many digits")

    busy.store.take_turn = refuse  # type: ignore[method-assign, assignment]
    busy.breaker.admit(SERVICE, "uid")
    assert not busy.slept


def test_wrong_clock_opens_no_breaker(busy: Busy) -> None:
    with pytest.raises(ClockWrong), busy.breaker.watch(busy.breaker.admit(SERVICE, "uid")):
        raise ClockWrong("12 minutes ahead")
    assert busy.state == BreakerState(SERVICE)


# -- a burst of certificates --------------------------------------------------------------------------------------------
class Limited(FakeDestination):
    """A destination at a service that takes a limited number of writes a second."""

    limit: Limit
    service = SERVICE  # type: ignore[assignment]

    def deliver(self, bundle: Bundle, here: Delivery) -> Delivered:
        self.limit.take()
        return super().deliver(bundle, here)


class Burst:
    """Certificates that become due together; the runs begin every few milliseconds, whatever the others do."""

    EVERY = timedelta(milliseconds=5)  # 200 a second

    def __init__(self, fleet: int, most: int) -> None:
        self.bench = Bench()
        self.bench.issuers.known["main"] = SELF_SIGNED
        self.limit = Limit(self.bench.clock, most)
        self.names = [f"web-{number}" for number in range(fleet)]
        self.outcomes: Counter[str] = Counter()
        for number, name in enumerate(self.names):
            destination = Limited(name)
            destination.limit = self.limit
            self.bench.destinations.known[name] = destination
            wanted = spec(name, to=(name,), lifecycle={"status-check-interval": "90d"})
            record = Record(name=name, uid=f"{number:08d}-0000-4000-8000-000000000000", spec=wanted, generation=1)
            self.bench.table.write([Change(record, None)], START)

    def run(self) -> timedelta:
        """Deliver every certificate; return how long that takes."""
        waiting = [(START + number * self.EVERY, number) for number in range(len(self.names))]
        end = START
        for _ in range(20 * len(self.names)):
            if not waiting:
                return end - START
            at, number = heapq.heappop(waiting)
            self.bench.clock.now = at  # a run that sleeps keeps no other waiting
            self.outcomes[self.bench.run(self.names[number])] += 1
            end = max(end, self.bench.clock())
            for _, delay in self.bench.queue.later:
                heapq.heappush(waiting, (self.bench.clock() + delay, number))
            self.bench.queue.later.clear()
        raise AssertionError(f"endless: {self.outcomes}")


class Lagging(FakeBreakers):
    """A store whose reads lack the last write, unless they ask for the latest state."""

    def __init__(self) -> None:
        super().__init__()
        self.before: dict[str, BreakerState] = {}

    def read(self, service: str, *, latest: bool = False) -> BreakerState:
        return super().read(service) if latest else self.before.get(service, BreakerState(service))

    def slow_down(self, state: BreakerState, apart: timedelta, until: datetime) -> bool:
        self.before = dict(self.known)
        stored = self.known.get(state.service, BreakerState(state.service))
        self.known[state.service] = replace(stored, apart=apart, slow_until=until)
        return True


def test_throttle_is_no_failure_if_reads_lag(busy: Busy) -> None:
    busy.breaker = Breaker(Lagging(), busy.clock, busy.slept.append)
    with pytest.raises(Slowed):
        busy.throttle(BreakerState(SERVICE))


def test_throttled_seal_does_not_slow_the_issuer(bench: Bench, ca: ScriptedCA) -> None:
    bench.want(spec())
    bench.seal.error = Throttled("cannot encrypt: too many requests")
    bench.run()
    assert bench.breakers.known == {}


def test_burst_is_delivered_without_a_failure() -> None:
    burst = Burst(fleet=600, most=50)
    took = burst.run()
    assert set(burst.outcomes) == {"certificate.issued", "waiting"}
    assert all(burst.bench.destinations.known[name].deliveries == 1 for name in burst.names)
    assert burst.limit.throttled
    assert burst.bench.breakers.read(SERVICE).open_until is None
    assert took < timedelta(seconds=90)  # 12 s at the limit of the service


def test_burst_below_the_limit_is_never_slowed() -> None:
    burst = Burst(fleet=100, most=1_000)
    assert burst.run() < timedelta(seconds=1)
    assert burst.outcomes == {"certificate.issued": 100}
    assert burst.bench.breakers.known == {}
