"""Several issuers for one certificate: requests that one has accepted, or may have accepted, and that fail later."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from evercert.contracts.issuer import OpenIssuer
from evercert.contracts.record import Pending
from evercert.errors import (
    AnswerLost,
    EvercertError,
    Misconfigured,
    Mismatch,
    NotProven,
    Rejected,
    Unavailable,
)
from evercert.issuance import obtain
from evercert.issuance.answer_check import check
from evercert.issuance.candidates import LAST_FAILURES, REQUEST_LASTS
from tests.doubles.fakes import START, Bench
from tests.doubles.scripted_ca import ScriptedCA
from tests.doubles.world import Killed
from tests.unit.issuance.helpers import announced
from tests.unit.issuance.several_issuers import DAY, HOUR, MINUTE, Turns, due, limit, listed, renewed


# -- issuers that accept a request and fail later ---------------------------------------------------------------------
def accepts_and_fails(turns: Turns, error: EvercertError, orders: int = 500) -> None:
    turns.answers = ["accepted", error] * orders


def third_of(bench: Bench, issuers: tuple[Turns, Turns]) -> Turns:
    third = Turns(issuers[0].inner)
    bench.issuers.known["third"] = OpenIssuer(third, "hash-3")
    bench.edit(listed("first", "second", "third"))
    return third


def test_round_of_late_failures_is_announced_and_waits(bench: Bench, issuers: tuple[Turns, Turns]) -> None:
    for turns in issuers:
        accepts_and_fails(turns, NotProven("no TXT record found"))
    while bench.clock() < START + DAY:
        due(bench)
    failures = announced(bench).count("certificate.failed")
    assert 4 <= failures <= 12
    assert len(issuers[0].asked) <= 2 * (failures + 1)
    data = bench.announcer.announced[0].data
    assert "second: no TXT record found" in data["message"] and "first: no TXT record found" in data["message"]


def test_third_issuer_is_reached_after_late_failures(bench: Bench, issuers: tuple[Turns, Turns]) -> None:
    third = third_of(bench, issuers)
    for turns in issuers:
        accepts_and_fails(turns, NotProven("no TXT record found"))
    outcomes = [due(bench) for _ in range(3)]
    assert outcomes == ["pending", "pending", "certificate.issued"]
    assert (bench.record().issuer_hash, len(third.asked)) == ("hash-3", 1)


def test_third_issuer_is_reached_after_slow_ones(bench: Bench, issuers: tuple[Turns, Turns]) -> None:
    third = third_of(bench, issuers)
    for turns in issuers:
        turns.usual = "accepted"
    while bench.record().state != "ready" and bench.clock() < START + DAY:
        due(bench)
    assert (bench.record().issuer_hash, len(third.asked)) == ("hash-3", 1)
    assert bench.clock() <= START + 2 * REQUEST_LASTS + 10 * MINUTE


def test_renewal_with_late_failures_warns_and_backs_off(bench: Bench, issuers: tuple[Turns, Turns]) -> None:
    assert bench.run() == "certificate.issued"
    for turns in issuers:
        accepts_and_fails(turns, NotProven("no TXT record found"))
    orders = len(issuers[0].asked)
    while bench.clock() < bench.record().facts.not_after:
        due(bench)
    assert "certificate.failed" in announced(bench) and "certificate.expired" in announced(bench)
    assert len(issuers[0].asked) - orders <= 2 * (announced(bench).count("certificate.failed") + 1)


def test_late_refusal_at_a_later_issuer_stops_nothing(bench: Bench, issuers: tuple[Turns, Turns]) -> None:
    first, second = issuers
    first.answers = [Unavailable("503")]
    second.answers = ["accepted", Rejected("caa: CAA forbids it")]
    assert [due(bench), due(bench)] == ["pending", "certificate.failed"]
    record = bench.record()
    assert (record.state, record.pending) == ("failing", None)
    message = bench.announcer.announced[-1].data["message"]
    assert message.startswith("first: passed over before (first: 503") and "second: caa" in message
    assert due(bench) == "certificate.issued"
    assert bench.record().issuer_hash == "hash-1"


def test_refusal_by_the_first_stops_despite_undefined_issuers(bench: Bench, issuers: tuple[Turns, Turns]) -> None:
    del bench.issuers.known["second"]
    issuers[0].answers = [Rejected("rejectedIdentifier: policy forbids the name")]
    assert bench.run() == "certificate.failed"
    assert bench.record().state == "stopped"


def test_accepted_request_is_not_waited_for_beyond_its_time(bench: Bench, issuers: tuple[Turns, Turns]) -> None:
    first, second = issuers
    first.answers = ["accepted"]
    first.usual = limit(bench, 100 * DAY)
    assert bench.run() == "pending"
    for _ in range(10):
        first.usual = limit(bench, 20 * MINUTE)
        if due(bench) == "certificate.issued":
            break
    assert (bench.record().issuer_hash, second.asked) == ("hash-2", [None])
    assert bench.clock() <= START + 2 * HOUR


def test_accepted_request_at_a_paused_issuer_has_its_time(bench: Bench, issuers: tuple[Turns, Turns]) -> None:
    first, _ = issuers
    first.answers = ["accepted"]
    assert bench.run() == "pending"
    bench.issuers.known["first"] = replace(bench.issuers.known["first"], paused=True)
    outcomes = [due(bench) for _ in range(8)]
    assert outcomes.index("certificate.issued") > 2
    assert bench.record().issuer_hash == "hash-2"


def test_failures_are_counted_for_each_request(bench: Bench, issuers: tuple[Turns, Turns]) -> None:
    first, second = issuers
    first.answers = ["accepted", Unavailable("503"), "accepted", "accepted", Unavailable("503"), "accepted"]
    while bench.record().state != "ready":
        due(bench)
    assert (bench.record().issuer_hash, second.asked) == ("hash-1", [])


def test_lost_answer_of_a_later_issuer_is_looked_for(
    bench: Bench, issuers: tuple[Turns, Turns], ca: ScriptedCA
) -> None:
    first, second = issuers
    first.usual = Unavailable("503")
    second.answers = [AnswerLost("no answer to the request")]
    assert [due(bench), due(bench)] == ["certificate.failed", "certificate.issued"]
    assert (len(first.asked), len(second.asked), bench.record().revision) == (1, 2, 2)


def test_crash_at_a_later_issuer_issues_no_second_certificate(
    bench: Bench, issuers: tuple[Turns, Turns], ca: ScriptedCA
) -> None:
    """The CA knows the token of the request, although an earlier round has failed."""
    first, second = issuers
    first.usual = Unavailable("503")
    second.answers = [Misconfigured("no account")]
    assert due(bench) == "certificate.failed"
    update, table = bench.table.update, bench.table

    def dying(held: Any, changes: Any) -> None:
        if getattr(changes.get("pending"), "chain", None):
            raise Killed
        update(held, changes)

    table.update = dying
    with pytest.raises(Killed):
        due(bench)
    table.update = update
    bench.clock.advance(seconds=120)
    assert due(bench) == "certificate.issued"
    assert len(ca.issued) == 1


def test_last_issuer_has_a_day(bench: Bench, issuers: tuple[Turns, Turns]) -> None:
    for turns in issuers:
        turns.answers = ["accepted"] * 36  # 72 minutes
    while bench.record().state != "ready" and bench.clock() < START + DAY:
        due(bench)
    assert bench.record().issuer_hash == "hash-2"


def test_approval_that_is_found_later_has_its_own_time(bench: Bench, issuers: tuple[Turns, Turns]) -> None:
    issuers[0].answers = ["accepted", "an approval", "an approval", "an approval"]
    assert [bench.run(), due(bench)] == ["pending", "certificate.pending"]
    bench.clock.now += 3 * DAY
    assert bench.run() == "pending"
    assert issuers[1].asked == []


def test_undefined_issuer_of_the_certificate_is_no_change(bench: Bench, issuers: tuple[Turns, Turns]) -> None:
    assert bench.run() == "certificate.issued"
    del bench.issuers.known["first"]
    bench.clock.now += HOUR
    assert bench.run() == "nothing-to-do"
    assert renewed(bench) == "certificate.renewed"
    assert bench.record().issuer_hash == "hash-2"


def test_limits_are_tried_again_from_the_first_issuer(bench: Bench, issuers: tuple[Turns, Turns]) -> None:
    first, second = issuers
    first.answers, second.answers = [limit(bench, 2 * HOUR)], [limit(bench, 5 * HOUR)]
    assert [bench.run(), due(bench)] == ["put-off", "certificate.issued"]
    assert (bench.record().issuer_hash, len(second.asked)) == ("hash-1", 1)


def test_status_of_a_certificate_of_a_paused_issuer_is_not_asked(bench: Bench, issuers: tuple[Turns, Turns]) -> None:
    assert bench.run() == "certificate.issued"
    bench.issuers.known["first"] = replace(bench.issuers.known["first"], paused=True)
    bench.clock.now = bench.record().check_at
    assert bench.run() == "paused"


def test_mismatch_beside_an_outage_backs_off(bench: Bench, issuers: tuple[Turns, Turns]) -> None:
    """Each attempt at the first issuer issues and revokes a certificate."""
    first, second = issuers
    first.usual, second.usual = Mismatch("for another name"), limit(bench, 100 * DAY)
    while bench.clock() < START + DAY:
        due(bench)
    assert announced(bench) == ["certificate.failed"] * len(first.asked)
    assert len(first.asked) <= 8


# -- chains that cannot be used ---------------------------------------------------------------------------------------
@pytest.fixture
def unusable(monkeypatch: pytest.MonkeyPatch, issuers: tuple[Turns, Turns]) -> set[str]:
    """The names of issuers whose chains cannot be used."""
    names: set[str] = set()

    def checked(record: Any, pending: Pending, issued: Any, now: Any) -> Any:
        verdict = check(record, pending, issued, now)
        return replace(verdict, chain_faults=["no intermediate"]) if pending.issuer in names else verdict

    monkeypatch.setattr(obtain, "check", checked)
    return names


def test_unusable_chain_is_read_twice_before_the_next_issuer(
    bench: Bench, issuers: tuple[Turns, Turns], unusable: set[str]
) -> None:
    unusable.add("first")
    assert [due(bench), due(bench)] == ["certificate.failed", "certificate.issued"]
    assert (len(issuers[0].asked), bench.record().issuer_hash) == (2, "hash-2")


def test_unusable_chain_that_is_repaired_is_delivered(
    bench: Bench, issuers: tuple[Turns, Turns], unusable: set[str]
) -> None:
    unusable.add("first")
    assert due(bench) == "certificate.failed"
    unusable.clear()
    assert due(bench) == "certificate.issued"
    assert (bench.record().issuer_hash, bench.record().revision) == ("hash-1", 1)


def test_unusable_chain_of_the_last_issuer_is_given_up(
    bench: Bench, issuers: tuple[Turns, Turns], unusable: set[str]
) -> None:
    unusable.add("second")
    issuers[0].answers = [Unavailable("503")]
    outcomes = [due(bench) for _ in range(LAST_FAILURES + 1)]
    assert outcomes[-1] == "certificate.issued"
    assert bench.record().issuer_hash == "hash-1"


def test_failing_request_of_the_last_issuer_is_cancelled(bench: Bench, issuers: tuple[Turns, Turns]) -> None:
    first, second = issuers
    first.answers = [Unavailable("503")]
    second.answers, second.usual = ["accepted"], Misconfigured("401")
    while bench.record().state != "ready" and bench.clock() < START + 3 * DAY:
        due(bench)
    assert (bench.record().issuer_hash, second.cancelled) == ("hash-1", ["order-1"])
    assert len(second.asked) == 1 + LAST_FAILURES
    assert bench.announcer.announced[LAST_FAILURES - 1].data["kind"] == "misconfigured"  # not that of the first issuer


def test_overdue_request_of_the_last_issuer_is_given_up(bench: Bench, issuers: tuple[Turns, Turns]) -> None:
    first, second = issuers
    first.answers, second.answers = [Unavailable("503")], ["accepted"]
    assert bench.run() == "pending"
    while bench.record().pending is not None:
        assert bench.clock() <= START + DAY + HOUR
        second.usual = limit(bench, 30 * MINUTE)
        due(bench)
    assert (second.cancelled, bench.record().state) == (["order-1"], "failing")
    assert due(bench) == "certificate.issued"
    assert bench.record().issuer_hash == "hash-1"
