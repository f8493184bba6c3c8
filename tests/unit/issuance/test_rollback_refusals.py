"""Rollbacks that are refused, delayed or replaced."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from evercert.contracts.issuer import OpenIssuer
from evercert.contracts.revisions import RollbackRequest
from evercert.errors import Misconfigured, Rejected, Unavailable
from evercert.issuers.self_signed import SelfSigned
from evercert.pki.keys import PrivateKey
from tests.doubles.fakes import Asked, Bench, FakeDestination, spec
from tests.unit.issuance.helpers import SELF_SIGNED, announced
from tests.unit.issuance.rollbacks import DAY, edit_kept, last_message, renew, roll_back, serial, two_revisions


# -- refusals ---------------------------------------------------------------------------------------------------------
def refused(bench: Bench, to: int = 1) -> str:
    """Request a rollback that is refused; nothing else changes."""
    before = bench.record()
    assert roll_back(bench, to) == "certificate.failed"
    record = bench.record()
    assert (record.facts, record.state, record.failures) == (before.facts, before.state, before.failures)
    assert (record.rollback, record.last_error, record.revision) == (None, before.last_error, before.revision)
    assert bench.run() != "certificate.failed"
    outcome = bench.announcer.announced[-1]
    assert (outcome.severity, outcome.data["reason"]) == ("warning", "rolled-back")
    return last_message(bench)


def test_revision_that_is_not_kept_is_refused(bench: Bench) -> None:
    two_revisions(bench)
    assert "revision 7 is not kept; kept are: 1; nothing was changed" in refused(bench, 7)


def test_revision_of_another_document_is_refused(bench: Bench) -> None:
    two_revisions(bench)
    bench.edit(spec(attributes={"common-name": "www.example.com", "alt-names": ["b.example.com"], "ttl": "90d"}))
    assert bench.run() == "certificate.renewed"
    assert "the document has other names" in refused(bench, 2)


def test_revision_of_another_issuer_is_refused(bench: Bench) -> None:
    two_revisions(bench)
    bench.issuers.known["main"] = replace(SELF_SIGNED, identity_hash="moved")
    assert bench.run() == "certificate.renewed"
    assert "issuer main was changed since" in refused(bench, 2)


@pytest.mark.parametrize(
    ("after", "problem"), [(timedelta(days=89, hours=1), "expires soon"), (timedelta(days=91), "expired at")]
)
def test_revision_without_time_left_is_refused(bench: Bench, after: timedelta, problem: str) -> None:
    two_revisions(bench)
    bench.clock.now += after - DAY
    bench.table.request("web", bench.clock())
    bench.run()
    problem = problem if after < timedelta(days=90) else "is not kept"
    assert problem in refused(bench)


def test_revoked_revision_is_refused(bench: Bench) -> None:
    issuer = Asked(SelfSigned.Settings())
    bench.issuers.known["main"] = OpenIssuer(issuer, "self-signed")
    two_revisions(bench)
    issuer.gone = {bench.announcer.announced[0].data["serial_number"]}
    assert "revision 1 was revoked, according to issuer main" in refused(bench)


def test_rollback_needs_no_answer_of_the_issuer(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    issuer = Asked(SelfSigned.Settings())
    bench.issuers.known["main"] = OpenIssuer(issuer, "self-signed")
    two_revisions(bench)

    def fail(*_: object) -> None:
        raise Unavailable("no answer")

    monkeypatch.setattr(issuer, "status", fail)
    assert roll_back(bench) == "certificate.rolled-back"


def test_key_of_another_certificate_is_refused(bench: Bench) -> None:
    two_revisions(bench)
    edit_kept(bench, 1, sealed_key=bench.seal.close(PrivateKey.generate("EC_prime256v1"), bench.record().uid, 1))
    assert "the kept private key of revision 1 does not match its certificate" in refused(bench)


def test_spoiled_key_is_refused(bench: Bench) -> None:
    two_revisions(bench)
    edit_kept(bench, 1, sealed_key="?")
    assert "does not open" in refused(bench)


def test_old_request_is_refused(bench: Bench) -> None:
    two_revisions(bench)
    bench.table.request_rollback(bench.record(), RollbackRequest(to=1, requested_at=bench.clock()))
    bench.clock.now += timedelta(days=1, minutes=1)
    assert bench.run() == "certificate.failed"
    assert "more than a day ago" in last_message(bench)


def test_refusal_of_every_destination_changes_nothing(bench: Bench) -> None:
    two_revisions(bench)
    bench.destinations.known["here"].refuses = Rejected("no room")
    assert roll_back(bench) == "certificate.failed"
    assert (bench.record().pending, bench.record().rollback) == (None, None)
    assert "no room" in last_message(bench)


# -- conflicts --------------------------------------------------------------------------------------------------------
def test_rollback_to_the_revision_in_use_does_nothing(bench: Bench) -> None:
    two_revisions(bench)
    before = len(bench.announcer.announced)
    assert roll_back(bench, 2) == "nothing-to-do"
    assert (bench.record().rollback, len(bench.announcer.announced)) == (None, before)


def test_later_renewal_replaces_a_rollback(bench: Bench) -> None:
    two_revisions(bench)
    bench.table.request_rollback(bench.record(), RollbackRequest(to=1, requested_at=bench.clock()))
    bench.clock.advance(minutes=1)
    bench.table.request("web", bench.clock())
    assert bench.run() == "certificate.renewed"
    record = bench.record()
    assert (record.rollback, record.served) == (None, record.requested_at)
    assert announced(bench).count("certificate.rolled-back") == 0


def test_rollback_replaces_an_earlier_renewal_request(bench: Bench) -> None:
    two_revisions(bench)
    bench.clock.advance(minutes=1)
    bench.table.request("web", bench.clock())
    assert roll_back(bench) == "certificate.rolled-back"
    assert bench.run() == "nothing-to-do"
    assert bench.record().served == bench.record().requested_at


def test_rollback_gives_up_a_renewal_in_progress(bench: Bench, ca) -> None:
    two_revisions(bench)
    bench.clock.advance(minutes=1)
    bench.table.request("web", bench.clock())
    ca.script = ["pending", "pending"]
    assert bench.run() == "pending"
    assert roll_back(bench) == "certificate.rolled-back"
    assert "revision 3 (requested)" in bench.announcer.announced[-1].data["gave_up"]
    assert bench.record().facts.revision == 4  # type: ignore[union-attr]


def test_paused_certificate_waits_and_rolls_back_later(bench: Bench) -> None:
    two_revisions(bench)
    bench.issuers.known["main"] = replace(SELF_SIGNED, paused=True)
    assert roll_back(bench) == "paused"
    assert bench.record().rollback is not None
    bench.issuers.known["main"] = SELF_SIGNED
    assert bench.run() == "certificate.rolled-back"


def test_failed_destination_is_retried_alone(bench: Bench) -> None:
    two_revisions(bench, to=("here", "there"))
    bench.destinations.known["there"].errors = [Unavailable("closed")]
    assert roll_back(bench) == "certificate.rolled-back"
    record = bench.record()
    assert (record.state, record.rollback) == ("undelivered", None)
    assert bench.announcer.announced[-1].data["undelivered"][0]["message"] == "closed"
    assert record.retry_at is not None
    bench.clock.now = record.retry_at
    assert bench.run() == "certificate.delivered"
    assert serial(bench) == serial(bench, "there")


def test_rollback_that_no_destination_takes_is_retried(bench: Bench) -> None:
    two_revisions(bench)
    first = bench.announcer.announced[0].data["serial_number"]
    bench.destinations.known["here"].errors = [Unavailable("closed")]
    assert roll_back(bench) == "certificate.failed"
    record = bench.record()
    assert record.pending is not None and record.pending.restores == 1
    bench.clock.now = record.retry_at  # type: ignore[assignment]
    assert bench.run() == "certificate.rolled-back"
    assert serial(bench) == first
    assert bench.record().rollback is None


def test_outage_of_the_store_delays_a_rollback(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    two_revisions(bench)

    def fail(*_: object) -> None:
        raise Unavailable("no answer")

    with monkeypatch.context() as patch:
        patch.setattr(bench.revisions, "read", fail)
        assert roll_back(bench) == "certificate.failed"
        assert bench.run() == "waiting"
    bench.clock.now = bench.record().retry_at  # type: ignore[assignment]
    assert bench.run() == "certificate.rolled-back"


def test_renewal_supersedes_a_stuck_rollback_without_revoking_it(bench: Bench, ca) -> None:
    two_revisions(bench)
    bench.destinations.known["here"].errors = [Misconfigured("no permission")]
    roll_back(bench)
    bench.edit(spec(attributes={"common-name": "www.example.com", "alt-names": ["b.example.com"], "ttl": "90d"}))
    assert bench.run() == "certificate.renewed"
    assert "not revoked: it is the certificate of revision 1" in bench.announcer.announced[-1].data["gave_up"]
    assert bench.record().rollback is None


def test_rollback_requested_during_a_run_follows_it(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    two_revisions(bench)
    deliver = FakeDestination.deliver

    def then(self: FakeDestination, *given: object) -> object:
        monkeypatch.setattr(FakeDestination, "deliver", deliver)
        bench.table.request_rollback(bench.record(), RollbackRequest(to=1, requested_at=bench.clock()))
        return deliver(self, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(FakeDestination, "deliver", then)
    renew(bench)
    record = bench.record()
    assert record.rollback is not None and record.due_at == bench.clock()
    assert bench.run() == "certificate.rolled-back"
