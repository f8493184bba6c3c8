"""Circuit breaker: postponed runs, a single probe, spread retries."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evercert.contracts.issuer import Issued, OpenIssuer, PendingAnswer, Request
from evercert.contracts.ports import BreakerState
from evercert.contracts.record import Record
from evercert.contracts.spec_store import Change
from evercert.errors import (
    ClaimLost,
    EvercertError,
    GaveUp,
    Gone,
    Misconfigured,
    NotYet,
    OutOfTime,
    Rejected,
    Unavailable,
)
from evercert.issuance.circuit_breaker import PROBE, STEPS, Breaker
from tests.doubles.fakes import START, Bench, FakeBreakers, HandClock, spec

MAIN = "issuer main"
UIDS = [str(uuid.UUID(int=number)) for number in range(200)]


class Outage:
    """A breaker and a service that can be switched off."""

    def __init__(self) -> None:
        self.clock, self.breakers = HandClock(), FakeBreakers()
        self.breaker = Breaker(self.breakers, self.clock, lambda span: self.clock.advance(seconds=span.total_seconds()))
        self.calls = 0

    def call(self, error: Exception | None = None, uid: str = UIDS[0]) -> None:
        with self.breaker.watch(self.breaker.admit(MAIN, uid)):
            self.calls += 1
            if error is not None:
                raise error

    def fail(self, times: int = 1) -> None:
        for _ in range(times):
            self.clock.now = max(self.breakers.read(MAIN).open_until or self.clock.now, self.clock.now)
            with pytest.raises(Unavailable):
                self.call(Unavailable("no answer"))


@pytest.fixture
def outage() -> Outage:
    return Outage()


def test_breaker_postpones_without_a_call(outage: Outage) -> None:
    outage.fail()
    for uid in UIDS:
        with pytest.raises(NotYet, match="issuer main does not answer"):
            outage.call(uid=uid)
    assert outage.calls == 1


def test_breaker_of_other_service_is_closed(outage: Outage) -> None:
    outage.fail()
    assert outage.breaker.admit("issuer other", UIDS[0]) == BreakerState("issuer other")


def test_breaker_spreads_retries(outage: Outage) -> None:
    outage.fail()
    moments = []
    for uid in UIDS:
        with pytest.raises(NotYet) as put_off:
            outage.breaker.admit(MAIN, uid)
        moments.append(put_off.value.until)
    over = START + STEPS[0]
    assert all(over <= moment < over + STEPS[0] for moment in moments)
    for part in range(4):  # in each quarter of the step there are some, and not nearly all
        begins = over + part * STEPS[0] / 4
        assert 25 <= sum(begins <= moment < begins + STEPS[0] / 4 for moment in moments) <= 75


def test_breaker_step_grows_to_a_limit(outage: Outage) -> None:
    shut = []
    for _ in range(10):
        outage.fail()
        shut.append(outage.breakers.read(MAIN).open_until - outage.clock())
    assert shut == [*STEPS, *[STEPS[-1]] * 6]


def test_breaker_admits_one_probe(outage: Outage) -> None:
    outage.fail()
    outage.clock.now += STEPS[0]
    state = outage.breaker.admit(MAIN, UIDS[0])
    assert state == BreakerState(MAIN, 1, outage.clock() + PROBE)
    for uid in UIDS:
        with pytest.raises(NotYet) as put_off:
            outage.breaker.admit(MAIN, uid)
        assert put_off.value.until >= outage.clock() + PROBE


def test_breaker_admits_one_of_two_concurrent_runs(outage: Outage) -> None:
    outage.fail()
    outage.clock.now += STEPS[0]
    stale = outage.breakers.read(MAIN)
    outage.breaker.admit(MAIN, UIDS[0])
    outage.breakers.read = lambda service: stale  # what an eventually consistent read may answer
    outage.breakers.open = lambda state, failures, until: False  # and what the conditional write then says
    with pytest.raises(NotYet):
        outage.breaker.admit(MAIN, UIDS[1])


def test_successful_probe_closes_breaker(outage: Outage) -> None:
    outage.fail(3)
    outage.clock.now += STEPS[2]
    outage.call()
    assert outage.breakers.read(MAIN) == BreakerState(MAIN)
    outage.fail()
    assert outage.breakers.read(MAIN).failures == 1


def test_failed_probe_opens_breaker_for_longer(outage: Outage) -> None:
    outage.fail(2)
    assert outage.breakers.read(MAIN) == BreakerState(MAIN, 2, outage.clock() + STEPS[1])


def test_crashed_probe_blocks_for_a_minute(outage: Outage) -> None:
    outage.fail()
    outage.clock.now += STEPS[0]
    outage.breaker.admit(MAIN, UIDS[0])
    outage.clock.now += PROBE
    outage.breaker.admit(MAIN, UIDS[1])


@pytest.mark.parametrize("error", [Rejected("no"), Misconfigured("no")])
def test_rejection_closes_breaker(outage: Outage, error: EvercertError) -> None:
    outage.fail()
    outage.clock.now += STEPS[0]
    with pytest.raises(type(error)):
        outage.call(error)
    assert outage.breakers.read(MAIN) == BreakerState(MAIN)


@pytest.mark.parametrize(
    "error",
    [GaveUp("late"), NotYet("later", START), ClaimLost("lost"), OutOfTime("late"), ValueError("a bug")],
    ids=lambda error: type(error).__name__,
)
def test_own_errors_leave_breaker_unchanged(outage: Outage, error: Exception) -> None:
    with pytest.raises(type(error)):
        outage.call(error)
    assert outage.breakers.known == {}
    outage.fail()
    outage.clock.now += STEPS[0]
    with pytest.raises(type(error)):
        outage.call(error)
    assert outage.breakers.read(MAIN) == BreakerState(MAIN, 1, outage.clock() + PROBE)


def test_gone_closes_breaker(outage: Outage) -> None:
    with pytest.raises(Gone):
        outage.call(Gone("deleted"))
    assert outage.breakers.known == {}


@pytest.mark.parametrize("ahead", [2 * STEPS[-1] + timedelta(seconds=1), timedelta(days=1), timedelta(days=36_500)])
def test_breaker_ignores_end_of_wrong_clock(outage: Outage, ahead: timedelta) -> None:
    outage.breakers.known[MAIN] = BreakerState(MAIN, 1, START + ahead)
    outage.call()
    assert outage.breakers.read(MAIN) == BreakerState(MAIN)


@pytest.mark.parametrize("failures", [-5, 0, 10**9])
def test_breaker_bounds_wait_after_manual_edit(outage: Outage, failures: int) -> None:
    outage.breakers.known[MAIN] = BreakerState(MAIN, failures, START + 2 * STEPS[-1])
    with pytest.raises(NotYet) as put_off:
        outage.breaker.admit(MAIN, UIDS[0])
    assert START < put_off.value.until <= START + 2 * STEPS[-1]
    outage.clock.now += 2 * STEPS[-1]
    with pytest.raises(Unavailable):
        outage.call(Unavailable("no answer"))
    assert START < outage.breakers.read(MAIN).open_until <= outage.clock() + STEPS[-1]


@given(failed=st.integers(1, 12), put_off=st.integers(1, 30), seconds=st.integers(1, 25))
@settings(max_examples=25, deadline=None)
def test_failed_runs_retry_before_those_put_off(failed: int, put_off: int, seconds: int) -> None:
    """A cold issuer times out for the first ones; the breaker puts off all others (real-time order does not matter)."""
    bench = Bench()
    cold = Cold(bench, timedelta(seconds=seconds), failed)
    bench.issuers.known["main"] = OpenIssuer(cold, "cold")
    names = [f"web-{number}" for number in range(failed + put_off)]
    for number, name in enumerate(names):
        bench.table.write([Change(Record(name=name, uid=UIDS[number], spec=spec(name), generation=1), None)], START)
    retries: dict[str, list[datetime]] = {"certificate.failed": [], "put-off": []}
    for name in names:
        bench.clock.now = START
        if len(retries["certificate.failed"]) < failed:
            bench.breakers.known.clear()  # they start at the same time, before the breaker opens
        outcome = bench.run(name)
        retries[outcome].append(bench.record(name).due_at or START)
    tick = timedelta(minutes=1)
    assert len(retries["certificate.failed"]) == failed
    assert max(retries["certificate.failed"]) <= min(retries["put-off"]) + tick


class Cold:
    """An issuer whose first answers take too long."""

    def __init__(self, bench: Bench, lasts: timedelta, failures: int) -> None:
        self.bench, self.lasts, self.failures = bench, lasts, failures

    def issue(self, request: Request) -> Issued | PendingAnswer:
        self.bench.clock.now += self.lasts
        raise Unavailable("no answer within 8 s")
