"""Warnings, status checks, pauses: what is done for a certificate that nothing has to be issued for."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

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
    """A moment between the planned renewal and the expiry."""
    renewal = renewal_time(record)
    return renewal + (record.facts.not_after - renewal) * of


def types(bench: Bench) -> list[str]:
    return [outcome.type for outcome in bench.announcer.announced]


# -- the status check -------------------------------------------------------------------------------------------------
def test_after_a_delivery_the_next_timer_is_the_status_check(bench: Bench) -> None:
    record = at_rest(bench)
    assert record.due_at == record.check_at
    assert timedelta(hours=21) < record.check_at - bench.clock() <= DAY


def test_a_check_that_finds_nothing_is_quiet_and_comes_again(bench: Bench) -> None:
    bench.clock.now = at_rest(bench).due_at
    assert bench.run() == "checked"
    assert types(bench) == ["certificate.issued"]
    assert bench.record().due_at == bench.record().check_at > bench.clock() + timedelta(hours=21)


def test_the_interval_is_the_specs(bench: Bench) -> None:
    record = at_rest(bench, lifecycle={"status-check-interval": "5m"})
    assert timedelta(minutes=4) < record.check_at - bench.clock() <= timedelta(minutes=5)


def test_what_could_be_put_right_is_said_and_nothing_is_issued(bench: Bench) -> None:
    bench.clock.now = at_rest(bench).due_at
    here(bench).drift = Drift("it held another value", repaired="ours is current again")
    assert bench.run() == "certificate.drifted"
    told = bench.announcer.announced[-1]
    assert told.data["drifted"] == [
        {"destination": "fake to=here", "problem": "it held another value", "repaired": "ours is current again"}
    ]
    record = bench.record()
    assert (record.state, record.finding, record.revision) == ("ready", None, 1)
    assert record.due_at == record.check_at > bench.clock()


def test_what_is_lost_is_said_and_issued_anew_at_once(bench: Bench) -> None:
    bench.clock.now = at_rest(bench).due_at
    here(bench).drift = Drift("its version is gone")
    assert bench.run() == "certificate.drifted"
    assert bench.record().due_at == bench.clock()
    assert bench.run() == "certificate.renewed"
    assert bench.announcer.announced[-1].data["reason"] == "drifted"
    record = bench.record()
    assert (record.state, record.finding, record.revision) == ("ready", None, 2)


def test_a_place_that_is_gone_is_forgotten_so_that_the_next_delivery_is_a_first_one(bench: Bench) -> None:
    bench.clock.now = at_rest(bench).due_at
    here(bench).drift = Drift("it was deleted", gone=True)
    bench.run()
    (delivery,) = bench.record().deliveries.values()
    assert (delivery.revision, delivery.location) == (0, "")
    bench.run()
    (delivery,) = bench.record().deliveries.values()
    assert (delivery.revision, delivery.location) == (2, "fake:here")


def test_a_run_that_dies_after_it_found_drift_leaves_it_to_the_next(bench: Bench) -> None:
    """The finding is stored with its announcement; what was not stored is seen again."""
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


def test_a_certificate_that_its_issuer_revoked_is_said_and_replaced_at_once(bench: Bench) -> None:
    record = at_rest(bench)
    Asked.gone.add(record.facts.serial_number)
    bench.clock.now = record.due_at
    assert bench.run() == "certificate.revoked"
    assert bench.announcer.announced[-1].severity == "critical"
    assert bench.run() == "certificate.renewed"
    assert bench.announcer.announced[-1].data["reason"] == "revoked"


def test_a_destination_that_cannot_be_asked_hides_no_drift_of_another(bench: Bench) -> None:
    bench.clock.now = at_rest(bench, to=("here", "there")).due_at
    here(bench).errors = [Unavailable("closed")]
    bench.destinations.known["there"].drift = Drift("its version is gone")
    assert bench.run() == "certificate.drifted"


def test_an_outage_at_the_check_is_quiet_and_asked_again_soon(bench: Bench) -> None:
    bench.clock.now = at_rest(bench).due_at
    here(bench).errors = [Unavailable("closed")]
    assert bench.run() == "checked"
    record = bench.record()
    assert (record.state, record.failures, types(bench)) == ("ready", 0, ["certificate.issued"])
    assert record.due_at == record.check_at == bench.clock() + timedelta(minutes=15)


def test_a_check_that_is_refused_is_announced_and_backs_off_and_ends_when_it_is_mended(bench: Bench) -> None:
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


def test_a_check_that_fell_together_with_something_else_is_not_forgotten(bench: Bench) -> None:
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
def test_warnings_come_at_a_quarter_at_sixty_per_cent_and_at_the_end() -> None:
    begin = datetime(2026, 1, 1)
    assert warnings(begin, begin + 100 * DAY) == [begin + 25 * DAY, begin + 60 * DAY, begin + 100 * DAY]


def test_each_warning_is_sent_once_while_the_issuer_is_away(bench: Bench) -> None:
    record = at_rest(bench)
    bench.issuers.error = Unavailable("closed")
    for _ in as_long_as(lambda: bench.clock() < record.facts.not_after + 3 * DAY):
        bench.clock.now = bench.record().due_at
        bench.run()
    told = [o for o in bench.announcer.announced if o.type in {"certificate.expiring", "certificate.expired"}]
    assert [(o.type, o.severity) for o in told] == [
        ("certificate.expiring", "warning"),
        ("certificate.expiring", "critical"),
        ("certificate.expired", "critical"),
    ]
    for outcome, of in zip(told, (0.25, 0.6, 1), strict=True):
        assert timedelta(0) <= outcome.at - share(record, of) < timedelta(hours=13)
    assert told[0].data["message"] == "not renewed: closed"


def test_a_renewal_begins_the_warnings_anew(bench: Bench) -> None:
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


def test_warnings_that_were_missed_are_not_made_up_for(bench: Bench) -> None:
    record = at_rest(bench)
    bench.issuers.error = Unavailable("closed")
    bench.clock.now = record.facts.not_after + DAY
    bench.run()  # the failed renewal
    bench.run()
    bench.run()
    assert types(bench) == ["certificate.issued", "certificate.failed", "certificate.expired"]


def test_a_stack_that_was_away_for_a_month_renews_before_it_warns(bench: Bench) -> None:
    bench.clock.now = share(at_rest(bench), 0.5)
    assert bench.run() == "certificate.renewed"
    assert types(bench) == ["certificate.issued", "certificate.renewed"]


# -- pauses -----------------------------------------------------------------------------------------------------------
def pause(bench: Bench, *, paused: bool) -> None:
    bench.issuers.known["main"] = OpenIssuer(Asked(Asked.Settings()), "self-signed", paused=paused)


def test_while_paused_nothing_is_issued_and_afterwards_everything_is(bench: Bench) -> None:
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


def test_while_paused_a_status_check_waits_and_warnings_are_sent(bench: Bench) -> None:
    record = at_rest(bench)
    pause(bench, paused=True)
    here(bench).drift = Drift("its version is gone")
    bench.clock.now = record.due_at
    assert bench.run() == "paused"
    bench.clock.now = share(record, 0.3)
    assert bench.run() == "certificate.expiring"
    assert bench.run() == "paused"
    assert bench.record().due_at < bench.clock() + timedelta(minutes=16)


# -- requests ---------------------------------------------------------------------------------------------------------
def test_a_request_tells_its_reason(bench: Bench) -> None:
    at_rest(bench)
    bench.clock.advance(hours=1)
    bench.table.request("web", bench.clock(), reason="the CA lost its key")
    assert bench.run() == "certificate.renewed"
    assert bench.announcer.announced[-1].data["request"] == "the CA lost its key"
    bench.clock.now = renewal_time(bench.record())
    bench.run()
    assert "request" not in bench.announcer.announced[-1].data
