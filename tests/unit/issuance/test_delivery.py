"""Slots, intents, deleted destinations and preflight checks, with a destination that has all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from evercert.contracts.destination import Delivered, Drift
from evercert.contracts.issuer import OpenIssuer
from evercert.contracts.ports import BreakerState
from evercert.contracts.record import Delivery
from evercert.documents.spec import Spec
from evercert.errors import EvercertError, Gone, Misconfigured, Rejected, Throttled, Unavailable
from evercert.issuance.circuit_breaker import SLOW_FOR
from evercert.issuance.delivery import INTENT_SETTLES
from evercert.issuance.delivery_result import Result
from evercert.issuers.self_signed import SelfSigned
from evercert.pki.certificate import Bundle
from tests.doubles.fakes import START, Bench, as_long_as, spec

SECOND = timedelta(seconds=1)


@dataclass
class Shelf:
    """Creates a new object at every first delivery; `lost` responses never arrive."""

    clock: Callable[[], datetime]
    service: str = "shelf"
    quota: int = 100
    creates: bool = True
    things: dict[str, tuple[datetime, Bundle]] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)  # "before": nothing was made; "after": it was
    refuses: EvercertError | None = None
    seen: list[Delivery] = field(default_factory=list)
    looks: int = 0
    asked: int = 0
    throttles: int = 0
    while_delivering: Callable[[], None] = lambda: None

    def check(self, spec: Spec) -> None:
        pass

    def preflight(self, spec: Spec, here: Delivery) -> None:
        self.asked += 1
        if self.refuses is not None:
            raise self.refuses

    def examine(self, here: Delivery) -> Drift | None:
        return None

    def find(self, since: datetime) -> str | None:
        self.looks += 1
        return next((name for name, (made, _) in self.things.items() if made >= since), None)

    def deliver(self, bundle: Bundle, here: Delivery) -> Delivered:
        self.seen.append(here)
        self.while_delivering()
        if here.location and here.location not in self.things:
            raise Gone("deleted")
        if self.throttles:
            self.throttles -= 1
            raise Throttled("too many requests")
        lost = self.lost.pop(0) if self.lost else None
        name = here.location or f"thing {len(self.seen)}"
        if lost != "before":
            self.things[name] = (self.clock(), bundle)
        if lost is not None:
            raise Unavailable("no answer")
        return Delivered(name, bundle.chain.serial_number)


def slow(bench: Bench, apart: timedelta = SECOND) -> None:
    """Let the shelf be throttled: its turns are so far taken that a run has to come back."""
    bench.breakers.known["shelf"] = BreakerState("shelf", apart=apart, slow_until=bench.clock() + SLOW_FOR)
    bench.breakers.next_free["shelf"] = bench.clock() + timedelta(minutes=5)


@pytest.fixture
def bench() -> Bench:
    bench = Bench()
    bench.issuers.known["main"] = OpenIssuer(SelfSigned(SelfSigned.Settings()), "self-signed")
    return bench


@pytest.fixture
def shelf(bench: Bench) -> Shelf:
    """Make the shelf the destination `here`."""
    bench.destinations.known["here"] = shelf = Shelf(bench.clock)
    return shelf


def here(bench: Bench, number: int = 0) -> Delivery:
    record = bench.record()
    return record.deliveries.get(record.spec.destinations[number].key, Delivery())


def later(bench: Bench) -> str:
    """Run again at the due time."""
    bench.clock.now = max(bench.record().due_at, bench.clock.now)
    return bench.run()


# -- intents ----------------------------------------------------------------------------------------------------------
def test_first_delivery_stores_its_intent(bench: Bench, shelf: Shelf) -> None:
    bench.want(spec())
    stored = []
    shelf.while_delivering = lambda: stored.append(here(bench))
    assert bench.run() == "certificate.issued"
    assert [delivery.intended_at for delivery in stored] == [START]
    assert here(bench) == Delivery(revision=1, location="thing 1", version=here(bench).version)


def test_later_delivery_needs_no_intent(bench: Bench, shelf: Shelf) -> None:
    bench.want(spec())
    bench.run()
    bench.clock.now = bench.record().renew_at
    assert bench.run() == "certificate.renewed"
    assert (shelf.seen[-1].location, shelf.looks) == ("thing 1", 0)
    assert len(shelf.things) == 1


def test_delivery_finds_result_of_lost_response(bench: Bench, shelf: Shelf) -> None:
    bench.want(spec())
    shelf.lost = ["after"]
    assert bench.run() == "certificate.failed"
    for _ in as_long_as(lambda: here(bench).revision == 0):
        later(bench)
    assert (list(shelf.things), here(bench).location, shelf.looks) == (["thing 1"], "thing 1", 1)
    assert here(bench).intended_at is None


def test_search_waits_until_intent_settles(bench: Bench, shelf: Shelf) -> None:
    bench.want(spec())
    shelf.lost = ["after"]
    bench.run()
    bench.table.request("web", bench.clock())  # an impatient operator
    bench.clock.advance(minutes=4, seconds=59)
    assert bench.run() == "waiting"
    assert (len(shelf.seen), shelf.looks, bench.record().due_at) == (1, 0, START + INTENT_SETTLES)
    assert len(bench.rate_limiter.taken["shelf"]) == 1  # who waits for that takes no turn


def test_delivery_after_empty_search_stores_new_intent(bench: Bench, shelf: Shelf) -> None:
    bench.want(spec())
    shelf.lost = ["before", "before"]
    bench.run()
    for _ in as_long_as(lambda: here(bench).revision == 0):
        later(bench)
    assert len(shelf.things) == 1
    begun = [delivery.intended_at for delivery in shelf.seen]
    assert begun[0] + INTENT_SETTLES <= begun[1] < begun[1] + INTENT_SETTLES <= begun[2]


def test_throttled_first_delivery_leaves_no_intent(bench: Bench, shelf: Shelf) -> None:
    """A throttled call created nothing: a search for its result would only be throttled too."""
    bench.want(spec())
    shelf.throttles = 1
    assert bench.run() == "waiting"
    assert here(bench).intended_at is None
    assert later(bench) == "certificate.issued"
    assert bench.clock() - START < timedelta(minutes=1)
    assert (len(shelf.things), shelf.looks) == (1, 0)


def test_delivery_recreates_deleted_destination(bench: Bench, shelf: Shelf) -> None:
    bench.want(spec())
    bench.run()
    shelf.things.clear()
    bench.clock.now = now = bench.record().renew_at
    assert bench.run() == "certificate.renewed"
    assert list(shelf.things) == [here(bench).location] == ["thing 3"]
    assert shelf.seen[-1] == Delivery(intended_at=now)


# -- turns ------------------------------------------------------------------------------------------------------------
def queue(bench: Bench, length: int) -> None:
    for _ in range(length):
        bench.rate_limiter.take("shelf", bench.clock())


@pytest.mark.parametrize("before_us", [0, 1, 2])
def test_delivery_sleeps_until_near_slot(bench: Bench, shelf: Shelf, before_us: int) -> None:
    bench.want(spec())
    queue(bench, before_us)
    assert bench.run() == "certificate.issued"
    assert bench.clock() == shelf.things["thing 1"][0] == START + before_us * SECOND


def test_delivery_stores_later_slot(bench: Bench, shelf: Shelf) -> None:
    bench.want(spec(to=("here", "there")))
    queue(bench, 30)
    assert bench.run() == "certificate.issued"  # the other one has it
    assert (here(bench).turn, here(bench).revision, here(bench, 1).revision) == (START + 30 * SECOND, 0, 1)
    assert (bench.record().due_at, shelf.seen, bench.clock()) == (START + 30 * SECOND, [], START)
    assert later(bench) == "certificate.delivered"
    assert bench.clock() == START + 30 * SECOND
    assert len(bench.rate_limiter.taken["shelf"]) == 31


def test_early_run_keeps_its_slot(bench: Bench, shelf: Shelf) -> None:
    bench.want(spec())
    queue(bench, 30)
    assert bench.run() == "waiting"
    bench.clock.advance(seconds=20)
    assert bench.run() == "waiting"
    assert here(bench).turn == START + 30 * SECOND
    assert len(bench.rate_limiter.taken["shelf"]) == 31
    assert shelf.seen == []


@pytest.mark.parametrize(("late", "turns"), [(59, 31), (61, 32)])
def test_missed_slot_is_replaced(bench: Bench, shelf: Shelf, late: int, turns: int) -> None:
    bench.want(spec())
    queue(bench, 30)
    bench.run()
    bench.clock.now = START + (30 + late) * SECOND
    assert bench.run() == "certificate.issued"
    assert len(bench.rate_limiter.taken["shelf"]) == turns


def test_slot_of_wrong_clock_is_replaced(bench: Bench, shelf: Shelf) -> None:
    bench.want(spec())
    bench.clock.now += timedelta(days=30)
    queue(bench, 30)
    bench.run()
    bench.clock.now = START
    assert bench.run() == "certificate.issued"
    assert bench.clock() == START


def test_slowed_delivery_keeps_its_slot(bench: Bench, shelf: Shelf) -> None:
    """Each slot counts as an import of the year."""
    bench.want(spec())
    for _ in range(5):
        slow(bench)
        assert (bench.run(), bench.queue.later.clear()) == ("waiting", None)
        bench.clock.now = bench.record().due_at
    bench.breakers.known.clear()
    assert bench.run() == "certificate.issued"
    assert len(bench.rate_limiter.taken["shelf"]) == 1


# -- quota ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("before_us", "warns"), [(78, False), (79, True)])
def test_nearly_used_quota_is_a_warning(bench: Bench, shelf: Shelf, before_us: int, warns: bool) -> None:
    bench.want(spec())
    queue(bench, before_us)
    bench.clock.advance(days=1)
    report = bench.issuance.run("web")
    warning = f"shelf: {before_us + 1} of 100 imports in 365 days are used"
    assert (warning in str(report.details)) == (warning in str(bench.announcer.announced[-1].data)) == warns
    assert report.details["imports_used_percent"] == before_us + 1


def test_metric_is_fullest_quota() -> None:
    assert Result({}, START, used={"a": (1, 100), "b": (9, 10)}).metrics == {"imports_used_percent": 90}
    assert Result({}, START).metrics == {}


# -- what is asked before anything is issued --------------------------------------------------------------------------
def test_preflight_rejection_prevents_issuance(bench: Bench, shelf: Shelf) -> None:
    bench.want(spec())
    bench.run()
    shelf.refuses = Rejected("keys do not change here")
    bench.clock.now = bench.record().renew_at
    assert bench.run() == "certificate.failed"
    assert "keys do not change here" in str(bench.announcer.announced[-1].data)
    assert (bench.record().revision, bench.record().pending, len(shelf.seen)) == (1, None, 1)


@pytest.mark.parametrize("error", [Unavailable("no answer"), Misconfigured("no permission")])
def test_preflight_ignores_unavailable_destination(bench: Bench, shelf: Shelf, error: EvercertError) -> None:
    bench.want(spec(to=("here", "there")))
    bench.run()
    shelf.refuses = error
    bench.clock.now = bench.record().renew_at
    assert bench.run() == "certificate.renewed"
    assert here(bench, 1).revision == 2


def test_preflight_runs_before_first_delivery(bench: Bench, shelf: Shelf) -> None:
    shelf.refuses = Rejected("another kind of key")
    bench.want(spec())
    assert bench.run() == "certificate.failed"
    assert (shelf.asked, bench.record().revision) == (1, 0)
