"""Renewal windows that an issuer suggests (RFC 9773): asked by status checks, drawn once for each window."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from evercert.aws.dynamodb import items
from evercert.contracts.issuer import Advice, OpenIssuer, RenewalWindow
from evercert.contracts.record import ADVISED_SCHEMA, PREVIOUS_SCHEMA, Facts, Record
from evercert.issuers.self_signed import SelfSigned
from evercert.scheduling.schedule import EMERGENCY, renewal_time
from tests.doubles.fakes import Bench, spec

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


class Advising(SelfSigned):
    """A self-signed issuer whose advice a test sets; it reports no status."""

    advice: Advice | None = None
    asked: int = 0

    def advise(self, facts: Facts, now: datetime) -> Advice | None:
        self.asked += 1
        return self.advice


@pytest.fixture
def issuer() -> Advising:
    return Advising(Advising.Settings())


@pytest.fixture
def bench(issuer: Advising) -> Bench:
    bench = Bench()
    bench.issuers.known["main"] = OpenIssuer(issuer, "self-signed")
    return bench


def at_rest(bench: Bench, **changes) -> Record:
    bench.want(spec(**changes))
    assert bench.run() == "certificate.issued"
    return bench.record()


def advise(bench: Bench, issuer: Advising, start: timedelta, end: timedelta, again: timedelta = 6 * HOUR) -> Record:
    """Let the next status check find a window, given from its own time; return the record after it."""
    now = bench.clock.now = bench.record().check_at
    issuer.advice = Advice(now + again, RenewalWindow(now + start, now + end, "https://ca.example/incident"))
    assert bench.run() == "checked"
    return bench.record()


def schema(bench: Bench) -> int:
    return int(bench.table.items["certificate#web", items.SK]["schema"]["N"])


def test_window_replaces_the_usual_renewal(bench: Bench, issuer: Advising) -> None:
    usual = at_rest(bench).renew_at
    record = advise(bench, issuer, 10 * DAY, 12 * DAY)
    assert record.advice.explanation == "https://ca.example/incident"
    assert bench.clock() + 10 * DAY <= record.renew_at <= bench.clock() + 12 * DAY
    assert record.renew_at != usual
    bench.clock.now = record.renew_at
    assert bench.run() == "certificate.renewed"
    assert bench.announcer.announced[-1].data["reason"] == "near-expiry"


def test_time_is_drawn_once_for_each_window(bench: Bench, issuer: Advising) -> None:
    at_rest(bench)
    first = advise(bench, issuer, 10 * DAY, 12 * DAY)
    window = issuer.advice.window
    for _ in range(3):
        bench.clock.now = bench.record().check_at
        issuer.advice = Advice(bench.clock() + 6 * HOUR, window)
        assert bench.run() == "checked"
        assert bench.record().renew_at == first.renew_at


def test_times_are_spread_over_the_window(bench: Bench, issuer: Advising) -> None:
    record = at_rest(bench)
    record = advise(bench, issuer, 10 * DAY, 12 * DAY)
    times = [
        renewal_time(record.model_copy(update={"uid": f"{number:08x}-0000-4000-8000-000000000000"}))
        for number in range(50)
    ]
    assert max(times) - min(times) > 1.5 * DAY


def test_next_check_is_when_the_ca_says(bench: Bench, issuer: Advising) -> None:
    at_rest(bench)
    record = advise(bench, issuer, 10 * DAY, 12 * DAY, again=2 * HOUR)
    assert record.check_at == record.due_at == bench.clock() + 2 * HOUR


def test_next_check_is_not_later_than_the_interval(bench: Bench, issuer: Advising) -> None:
    at_rest(bench)
    assert advise(bench, issuer, 10 * DAY, 12 * DAY, again=20 * DAY).check_at <= bench.clock() + DAY


def test_window_in_the_past_renews_at_once(bench: Bench, issuer: Advising) -> None:
    """The CA will revoke the certificate, or has revoked it."""
    at_rest(bench)
    record = advise(bench, issuer, -HOUR, -HOUR / 2)
    assert record.due_at == bench.clock()
    assert bench.run() == "certificate.renewed"
    record = bench.record()
    assert (record.advice, record.revision) == (None, 2)
    assert record.due_at > bench.clock()


def test_window_beyond_the_end_does_not_let_it_expire(bench: Bench, issuer: Advising) -> None:
    facts = at_rest(bench).facts
    record = advise(bench, issuer, 4_000 * DAY, 5_000 * DAY)
    assert record.renew_at <= facts.not_after - facts.lifetime / EMERGENCY


def test_document_may_only_renew_earlier(bench: Bench, issuer: Advising) -> None:
    usual = at_rest(bench, lifecycle={"renew-before-expiry": "30d"}).renew_at
    assert advise(bench, issuer, 70 * DAY, 72 * DAY).renew_at == usual
    assert advise(bench, issuer, 10 * DAY, 12 * DAY).renew_at <= bench.clock() + 12 * DAY


def test_answer_without_a_window_keeps_the_last_one(bench: Bench, issuer: Advising) -> None:
    at_rest(bench)
    first = advise(bench, issuer, 10 * DAY, 12 * DAY)
    bench.clock.now = first.check_at
    issuer.advice = Advice(bench.clock() + 6 * HOUR)
    assert bench.run() == "checked"
    record = bench.record()
    assert (record.advice, record.renew_at) == (first.advice, first.renew_at)
    assert record.check_at == bench.clock() + 6 * HOUR


def test_certificate_that_is_issued_once_is_not_asked_for(bench: Bench, issuer: Advising) -> None:
    bench.clock.now = at_rest(bench, lifecycle={"renew-before-expiry": "never"}).check_at
    assert bench.run() == "checked"
    assert issuer.asked == 0


def test_open_breaker_asks_nothing(bench: Bench, issuer: Advising) -> None:
    record = at_rest(bench)
    bench.clock.now = record.check_at
    state = bench.breakers.read("issuer main self-sig")
    bench.breakers.open(state, 1, bench.clock() + HOUR / 12)
    assert bench.run() == "checked"
    assert issuer.asked == 0


def test_schema_is_newer_only_with_a_window(bench: Bench, issuer: Advising) -> None:
    """The previous release reads every record without one, so that a rollback leaves no certificate alone."""
    at_rest(bench)
    assert schema(bench) == PREVIOUS_SCHEMA
    record = advise(bench, issuer, 10 * DAY, 12 * DAY)
    assert schema(bench) == ADVISED_SCHEMA
    bench.clock.now = record.check_at
    issuer.advice = None
    assert bench.run() == "checked"
    assert schema(bench) == ADVISED_SCHEMA
    bench.clock.now = record.renew_at
    assert bench.run() == "certificate.renewed"
    assert schema(bench) == PREVIOUS_SCHEMA


def test_window_of_another_century_warns_of_no_expiry(bench: Bench, issuer: Advising) -> None:
    record = at_rest(bench)
    bench.clock.now = record.check_at
    year_1 = datetime(1, 1, 1, tzinfo=UTC)
    issuer.advice = Advice(bench.clock() + 6 * HOUR, RenewalWindow(year_1, year_1 + HOUR))
    assert bench.run() == "checked"
    assert bench.record().renew_at == record.facts.not_before
    assert bench.run() == "certificate.renewed"
    assert [outcome.type for outcome in bench.announcer.announced] == ["certificate.issued", "certificate.renewed"]


def test_windows_in_the_past_for_every_successor_stop(bench: Bench, issuer: Advising) -> None:
    """A CA whose windows are wrong gets no certificate after the other: the loop guard ends it."""
    at_rest(bench)
    year_1 = datetime(1, 1, 1, tzinfo=UTC)
    issuer.advice = Advice(bench.clock() + HOUR / 60, RenewalWindow(year_1, year_1 + HOUR))
    outcomes = []
    while len(outcomes) < 40 and (outcomes[-1:] != ["certificate.failed"]):
        bench.clock.now = max(bench.clock(), bench.record().due_at)
        outcomes.append(bench.run())
        issuer.advice = Advice(bench.clock() + HOUR / 60, issuer.advice.window)
    assert outcomes.count("certificate.renewed") == 4  # after the first certificate
    assert bench.record().state == "stopped"
