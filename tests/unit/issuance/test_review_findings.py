"""Regressions found by a review: one destination, clock or record blocked others."""

from __future__ import annotations

from datetime import timedelta

import pytest

from evercert.contracts.destination import Drift
from evercert.contracts.issuer import OpenIssuer
from evercert.contracts.record_schema import PREVIOUS_SCHEMA
from evercert.errors import Misconfigured, Rejected, Unavailable
from tests.doubles.fakes import START, Asked, Bench, FakeDestination, spec
from tests.unit.issuance.test_rate_slots import Slow

DAY = timedelta(days=1)


@pytest.fixture
def bench() -> Bench:
    bench = Bench()
    Asked.gone = set()
    bench.issuers.known["main"] = OpenIssuer(Asked(Asked.Settings()), "self-signed")
    return bench


def failing(bench: Bench, *errors: Exception) -> FakeDestination:
    bench.destinations.known["bad"] = found = FakeDestination("bad", errors=list(errors))
    return found


def until(bench: Bench, moment) -> list[str]:
    """Run at every due time."""
    runs = 0
    while bench.record().due_at < moment:
        bench.clock.now = max(bench.record().due_at, bench.clock.now)
        bench.run()
        runs += 1
        assert runs < 2_000, "a hot loop"
    return [outcome.type for outcome in bench.announcer.announced]


@pytest.mark.parametrize("error", [Rejected("never"), Misconfigured("no right"), Unavailable("away")])
def test_back_off_does_not_hold_slot_of_another(bench: Bench, error: Exception) -> None:
    bench.destinations.known["slow"] = slow = Slow("slow")
    failing(bench, error, error)
    for _ in range(30):
        bench.rate_limiter.take("slow", bench.clock())
    bench.want(spec(to=("ok", "bad", "slow")))
    bench.run()
    bench.clock.now = bench.record().due_at
    assert bench.run() == "certificate.delivered"
    assert slow.deliveries == 1
    assert bench.clock() - START < timedelta(minutes=1)
    assert bench.record().retry_at > bench.clock()  # and the failed one is left alone as long as before


def test_each_failed_destination_has_its_retry_time(bench: Bench) -> None:
    failing(bench, Rejected("never"))
    bench.destinations.known["away"] = FakeDestination("away", errors=[Unavailable("away")])
    bench.want(spec(to=("bad", "away")))
    bench.run()
    assert bench.record().due_at - START < timedelta(minutes=7)
    bench.clock.now = bench.record().due_at
    assert bench.run() == "certificate.issued"
    assert bench.record().state == "undelivered"
    assert bench.record().retry_at - START < DAY + timedelta(minutes=1)


def test_deleted_destination_counts_as_drift_in_loop_guard(bench: Bench) -> None:
    bench.want(spec(lifecycle={"status-check-interval": "5m"}))
    bench.run()
    for _ in range(12):
        bench.clock.now = max(bench.record().due_at, bench.clock())
        bench.destinations.known["here"].drift = Drift("it was deleted", gone=True)
        bench.run()
        bench.clock.now = max(bench.record().due_at, bench.clock())
        bench.destinations.known["here"].drift = None
        bench.run()
    reasons = {o.data["reason"] for o in bench.announcer.announced if o.type == "certificate.renewed"}
    assert reasons == {"drifted"}
    assert bench.record().revision == 5


def test_revocation_is_found_beside_broken_destination(bench: Bench) -> None:
    failing(bench, *[Misconfigured("no right")] * 900)
    bench.want(spec(to=("here", "bad"), lifecycle={"status-check-interval": "1h"}))
    bench.run()
    Asked.gone = {bench.record().facts.serial_number}
    assert "certificate.revoked" in until(bench, START + 2 * DAY)
    assert bench.record().facts.revision == 2


def test_drift_is_found_while_renewal_is_refused(bench: Bench) -> None:
    bench.want(spec(lifecycle={"status-check-interval": "1h"}))
    bench.run()
    bench.clock.now = bench.record().renew_at
    bench.destinations.known["here"].refuses = Rejected("no")
    bench.destinations.known["here"].drift = Drift("another value", repaired="ours is current again")
    assert "certificate.drifted" in until(bench, bench.clock() + DAY)


def test_drift_during_refused_renewal_is_no_hot_loop(bench: Bench) -> None:
    bench.want(spec(lifecycle={"status-check-interval": "1h"}))
    bench.run()
    bench.clock.now = bench.record().renew_at
    bench.destinations.known["here"].refuses = Rejected("no")
    bench.destinations.known["here"].drift = Drift("its version is gone")
    types = until(bench, bench.clock() + 3 * DAY)
    assert types.count("certificate.drifted") <= 3
    assert types.count("certificate.failed") <= 6


@pytest.mark.parametrize("refusal", [Rejected("a rule of its own"), Misconfigured("no right"), ValueError("a bug")])
def test_refusing_destination_does_not_stop_renewal(bench: Bench, refusal: Exception) -> None:
    bench.want(spec(to=("here", "bad")))
    bench.run()
    bench.destinations.known["bad"].refuses = refusal
    bench.clock.now = bench.record().renew_at
    assert bench.run() == "certificate.renewed"


def test_request_needs_every_destination(bench: Bench) -> None:
    bench.want(spec(to=("here", "bad")))
    bench.run()
    bench.destinations.known["bad"].refuses = Rejected("another kind of key")
    bench.edit(spec(to=("here", "bad"), **{"private-key": {"algorithm": "RSA_2048"}}))
    assert bench.run() == "certificate.failed"
    assert bench.record().revision == 1


def test_wrong_clock_holds_no_renewal(bench: Bench) -> None:
    bench.want(spec())
    bench.run()
    renewal = bench.record().renew_at
    bench.issuers.error, bench.clock.now = Unavailable("away"), renewal + 20 * DAY
    bench.run()
    bench.issuers.error, bench.clock.now = None, renewal
    assert bench.run() == "certificate.renewed"


def test_written_item_has_current_schema(bench: Bench) -> None:
    bench.want(spec())
    item = bench.table.items["certificate#web", "record"]
    item["schema"] = {"N": "1"}
    bench.run()
    assert item["schema"] == {"N": str(PREVIOUS_SCHEMA)}


def test_invalid_settings_are_not_announced(bench: Bench) -> None:
    bench.want(spec(destinations=[{"type": "fake", "to": "here"}, {"type": "nope", "password": "hunter2"}]))
    bench.run()
    assert bench.announcer.announced
    assert "hunter2" not in str([o.model_dump_json() + o.text() for o in bench.announcer.announced])
