"""Expiry warnings, status checks and pauses of certificates that are not due."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from evercert.aws.dynamodb import items
from evercert.contracts.destination import Drift
from evercert.contracts.issuer import OpenIssuer
from evercert.contracts.record import Record
from evercert.errors import Misconfigured, Unavailable
from evercert.scheduling.schedule import renewal_time, warnings
from tests.doubles.fakes import Asked, Bench, FakeDestination, as_long_as, spec

DAY = timedelta(days=1)


@pytest.fixture
def bench() -> Bench:
    bench = Bench()
    Asked.gone = set()
    bench.issuers.known["main"] = OpenIssuer(Asked(Asked.Settings()), "self-signed")
    return bench


def at_rest(bench: Bench, **changes) -> Record:
    bench.want(spec(**changes))
    assert bench.run() == "certificate.issued"
    return bench.record()


def here(bench: Bench) -> FakeDestination:
    return bench.destinations.known["here"]


def share(record: Record, of: float) -> datetime:
    """Return a time between the planned renewal and the expiry."""
    renewal = renewal_time(record)
    return renewal + (record.facts.not_after - renewal) * of


def types(bench: Bench) -> list[str]:
    return [outcome.type for outcome in bench.announcer.announced]


# -- the status check -------------------------------------------------------------------------------------------------
def test_status_check_is_next_after_delivery(bench: Bench) -> None:
    record = at_rest(bench)
    assert record.due_at == record.check_at
    assert timedelta(hours=21) < record.check_at - bench.clock() <= DAY


def test_clean_status_check_announces_nothing(bench: Bench) -> None:
    bench.clock.now = at_rest(bench).due_at
    assert bench.run() == "checked"
    assert types(bench) == ["certificate.issued"]
    assert bench.record().due_at == bench.record().check_at > bench.clock() + timedelta(hours=21)


def test_status_check_interval_comes_from_spec(bench: Bench) -> None:
    record = at_rest(bench, lifecycle={"status-check-interval": "5m"})
    assert timedelta(minutes=4) < record.check_at - bench.clock() <= timedelta(minutes=5)


def test_repaired_drift_is_announced_only(bench: Bench) -> None:
    bench.clock.now = at_rest(bench).due_at
    here(bench).drift = Drift("it held another value", repaired="ours is current again")
    assert bench.run() == "certificate.drifted"
    event = bench.announcer.announced[-1]
    assert event.data["drifted"] == [
        {"destination": "fake to=here", "problem": "it held another value", "repaired": "ours is current again"}
    ]
    record = bench.record()
    assert (record.state, record.finding, record.revision) == ("ready", None, 1)
    assert record.due_at == record.check_at > bench.clock()


def test_lost_certificate_is_announced_and_reissued(bench: Bench) -> None:
    bench.clock.now = at_rest(bench).due_at
    here(bench).drift = Drift("its version is gone")
    assert bench.run() == "certificate.drifted"
    assert bench.record().due_at == bench.clock()
    assert bench.run() == "certificate.renewed"
    assert bench.announcer.announced[-1].data["reason"] == "drifted"
    record = bench.record()
    assert (record.state, record.finding, record.revision) == ("ready", None, 2)


def test_deleted_destination_gets_a_first_delivery(bench: Bench) -> None:
    bench.clock.now = at_rest(bench).due_at
    here(bench).drift = Drift("it was deleted", gone=True)
    bench.run()
    (delivery,) = bench.record().deliveries.values()
    assert (delivery.revision, delivery.location) == (0, "")
    bench.run()
    (delivery,) = bench.record().deliveries.values()
    assert (delivery.revision, delivery.location) == (2, "fake:here")


def test_drift_is_found_again_after_a_crash(bench: Bench) -> None:
    """The finding is stored with its announcement; a finding that was not stored is found again."""
    bench.clock.now = at_rest(bench).due_at
    here(bench).drift = Drift("its version is gone")
    conclude, bench.table.conclude = bench.table.conclude, None  # dies before it can write
    with pytest.raises(TypeError):
        bench.issuance.run("web")
    bench.table.conclude = conclude
    assert bench.record().finding is None
    bench.clock.now = bench.record().due_at + timedelta(seconds=1)
    here(bench).drift = Drift("its version is gone")
    assert bench.run() == "certificate.drifted"


def test_revoked_certificate_is_replaced_at_once(bench: Bench) -> None:
    record = at_rest(bench)
    Asked.gone.add(record.facts.serial_number)
    bench.clock.now = record.due_at
    assert bench.run() == "certificate.revoked"
    assert bench.announcer.announced[-1].severity == "critical"
    assert bench.run() == "certificate.renewed"
    assert bench.announcer.announced[-1].data["reason"] == "revoked"


def test_unavailable_destination_hides_no_drift(bench: Bench) -> None:
    bench.clock.now = at_rest(bench, to=("here", "there")).due_at
    here(bench).errors = [Unavailable("closed")]
    bench.destinations.known["there"].drift = Drift("its version is gone")
    assert bench.run() == "certificate.drifted"


def test_status_check_is_repeated_after_outage(bench: Bench) -> None:
    bench.clock.now = at_rest(bench).due_at
    here(bench).errors = [Unavailable("closed")]
    assert bench.run() == "checked"
    record = bench.record()
    assert (record.state, record.failures, types(bench)) == ("ready", 0, ["certificate.issued"])
    assert record.due_at == record.check_at == bench.clock() + timedelta(minutes=15)


def test_refused_status_check_backs_off_until_fixed(bench: Bench) -> None:
    bench.clock.now = at_rest(bench).due_at
    here(bench).errors = [Misconfigured("the role is gone"), Misconfigured("the role is gone")]
    assert bench.run() == "certificate.failed"
    assert bench.record().state == "failing"
    assert bench.record().due_at == bench.record().retry_at > bench.clock()
    assert bench.run() == "waiting"
    bench.clock.now = bench.record().due_at
    assert bench.run() == "certificate.failed"
    bench.clock.now = bench.record().due_at
    assert bench.run() == "checked"
    assert (bench.record().state, bench.record().failures) == ("ready", 0)


def test_status_check_is_not_skipped_after_failure(bench: Bench) -> None:
    before = at_rest(bench)
    bench.edit(spec(attributes={"common-name": "other.example.com"}))
    here(bench).errors = [Misconfigured("closed")]
    assert bench.run() == "certificate.failed"  # issued, and not delivered
    bench.clock.now = before.check_at + timedelta(hours=1)
    bench.edit(spec())
    assert bench.run() == "nothing-to-do"  # what was issued for the edit is given up
    assert bench.record().due_at == bench.clock()
    assert bench.run() == "checked"


# -- warnings ---------------------------------------------------------------------------------------------------------
def test_warnings_are_due_at_25_60_and_100_percent() -> None:
    begin = datetime(2026, 1, 1)
    assert warnings(begin, begin + 100 * DAY) == [begin + 25 * DAY, begin + 60 * DAY, begin + 100 * DAY]


def test_each_warning_is_sent_once(bench: Bench) -> None:
    record = at_rest(bench)
    bench.issuers.error = Unavailable("closed")
    for _ in as_long_as(lambda: bench.clock() < record.facts.not_after + 3 * DAY):
        bench.clock.now = bench.record().due_at
        bench.run()
    outcomes = [o for o in bench.announcer.announced if o.type in {"certificate.expiring", "certificate.expired"}]
    assert [(o.type, o.severity) for o in outcomes] == [
        ("certificate.expiring", "warning"),
        ("certificate.expiring", "critical"),
        ("certificate.expired", "critical"),
    ]
    for outcome, of in zip(outcomes, (0.25, 0.6, 1), strict=True):
        assert timedelta(0) <= outcome.at - share(record, of) < timedelta(hours=13)
    assert outcomes[0].data["message"] == "not renewed: closed"


def test_edited_count_hides_no_warning(bench: Bench) -> None:
    bench.want(spec())
    bench.run()
    bench.table.items[items.pk("web"), items.SK]["warned"] = {"N": "99999998"}
    bench.issuers.known["main"] = replace(bench.issuers.known["main"], paused=True)
    bench.clock.advance(days=91)
    assert bench.run() == "certificate.expired"
    assert bench.record().warned == 3


def test_renewal_resets_warnings(bench: Bench) -> None:
    record = at_rest(bench)
    bench.issuers.error = Unavailable("closed")
    bench.clock.now = share(record, 0.7)
    bench.run()
    bench.run()
    assert bench.record().warned == 2
    bench.issuers.error = None
    bench.clock.now = bench.record().retry_at
    assert bench.run() == "certificate.renewed"
    assert bench.record().warned == 0


def test_missed_warnings_are_not_sent(bench: Bench) -> None:
    record = at_rest(bench)
    bench.issuers.error = Unavailable("closed")
    bench.clock.now = record.facts.not_after + DAY
    bench.run()  # the failed renewal
    bench.run()
    bench.run()
    assert types(bench) == ["certificate.issued", "certificate.failed", "certificate.expired"]


def test_renewal_comes_before_overdue_warnings(bench: Bench) -> None:
    bench.clock.now = share(at_rest(bench), 0.5)
    assert bench.run() == "certificate.renewed"
    assert types(bench) == ["certificate.issued", "certificate.renewed"]


# -- pauses -----------------------------------------------------------------------------------------------------------
def pause(bench: Bench, *, paused: bool) -> None:
    bench.issuers.known["main"] = OpenIssuer(Asked(Asked.Settings()), "self-signed", paused=paused)


def test_pause_holds_issuance_until_resume(bench: Bench) -> None:
    pause(bench, paused=True)
    bench.want(spec())
    assert bench.run() == "paused"
    record = bench.record()
    assert (record.state, record.revision, types(bench)) == ("paused", 0, [])
    assert timedelta(minutes=10) <= record.due_at - bench.clock() <= timedelta(minutes=15)
    pause(bench, paused=False)
    bench.clock.now = record.due_at
    assert bench.run() == "certificate.issued"
    assert bench.record().state == "ready"


def test_pause_holds_status_checks_but_no_warnings(bench: Bench) -> None:
    record = at_rest(bench)
    pause(bench, paused=True)
    here(bench).drift = Drift("its version is gone")
    bench.clock.now = record.due_at
    assert bench.run() == "paused"
    bench.clock.now = share(record, 0.3)
    assert bench.run() == "certificate.expiring"
    assert bench.run() == "paused"
    assert bench.record().due_at < bench.clock() + timedelta(minutes=16)


def test_pause_during_a_wait_ends_with_the_status_checks(bench: Bench) -> None:
    """The certificate that waits for its beginning is looked at soon after the pause, not in a month."""
    at_rest(bench)
    begin, end = ("2026-11-15T12:00:00Z", "2027-01-15T12:00:00Z")
    bench.edit(spec(attributes={"common-name": "www.example.com", "not-before": begin, "not-after": end}))
    assert bench.run() == "waiting"
    pause(bench, paused=True)
    bench.clock.now = bench.record().due_at
    assert bench.run() == "waiting"
    assert bench.record().due_at < bench.clock() + timedelta(minutes=16)
    pause(bench, paused=False)
    here(bench).drift = Drift("its version is gone")
    assert bench.run() == "certificate.drifted"


# -- requests ---------------------------------------------------------------------------------------------------------
def test_request_reason_is_announced(bench: Bench) -> None:
    at_rest(bench)
    bench.clock.advance(hours=1)
    bench.table.request("web", bench.clock(), reason="the CA lost its key")
    assert bench.run() == "certificate.renewed"
    assert bench.announcer.announced[-1].data["request"] == "the CA lost its key"
    bench.clock.now = renewal_time(bench.record())
    bench.run()
    assert "request" not in bench.announcer.announced[-1].data
