"""Runs that seal the key, ask the issuer and store the chain; pending issuances."""

from __future__ import annotations

from datetime import timedelta

import pytest

from evercert.aws.dynamodb import items
from evercert.contracts.issuer import OpenIssuer
from evercert.errors import OutOfTime, Rejected, Unavailable
from tests.doubles.fakes import Bench, spec
from tests.doubles.scripted_ca import LIFETIME, ScriptedCA
from tests.unit.issuance.helpers import announced


# -- seal, ask, store -------------------------------------------------------------------------------------------------
def test_key_is_stored_before_the_issuer_is_asked(bench: Bench) -> None:
    bench.want(spec())
    seen = []

    class Watching:
        def issue(self, request):
            seen.append(bench.record().pending)
            raise Unavailable("later")

    bench.issuers.known["main"] = OpenIssuer(Watching(), "watching")
    bench.run()
    (pending,) = seen
    assert pending is not None
    assert pending.revision == 1
    assert bench.seal.open(pending.sealed_key, bench.record().uid, 1).public_bytes()


def test_retry_reuses_the_token(bench: Bench, ca: ScriptedCA) -> None:
    ca.script = ["unavailable", "unavailable", "issue"]
    bench.want(spec())
    for _ in range(2):
        assert bench.run() == "certificate.failed"
        bench.clock.now = bench.record().retry_at
    assert bench.run() == "certificate.issued"
    assert len(set(ca.asked)) == 1
    assert bench.record().revision == 1


def test_chain_is_stored_before_delivery(bench: Bench) -> None:
    bench.want(spec())
    saved = []

    class Watching:
        service = "watching"

        def check(self, spec):
            pass

        def deliver(self, bundle, here):
            saved.append(bench.record().pending.chain == bundle.chain.pem)
            raise Unavailable("later")

    bench.destinations.known["here"] = Watching()
    bench.run()
    assert saved == [True]


def test_late_delivery_issues_nothing(bench: Bench, ca: ScriptedCA) -> None:
    bench.want(spec(to=("here", "there")))
    bench.destinations.open(spec().destinations[0], "web")
    bench.destinations.known["here"].errors = []
    there = bench.destinations.open(spec(to=("there",)).destinations[0], "web")
    there.errors = [Unavailable("closed"), Unavailable("closed")]
    assert bench.run() == "certificate.issued"
    record = bench.record()
    assert record.state == "undelivered"
    assert record.due_at == record.retry_at
    assert bench.announcer.announced[-1].data["undelivered"][0]["message"] == "closed"
    bench.clock.now = record.retry_at
    assert bench.run() == "certificate.failed"
    assert bench.record().state == "undelivered"
    bench.clock.now = bench.record().retry_at
    assert bench.run() == "certificate.delivered"
    assert (bench.record().state, bench.record().failures) == ("ready", 0)
    assert len(ca.issued) == 1
    assert bench.destinations.known["here"].deliveries == 1


def test_undelivered_certificate_is_a_failure(bench: Bench, ca: ScriptedCA) -> None:
    bench.want(spec())
    bench.destinations.open(spec().destinations[0], "web").errors = [Unavailable("closed")]
    assert bench.run() == "certificate.failed"
    record = bench.record()
    assert record.facts is None
    assert record.pending.chain is not None
    bench.clock.now = record.retry_at
    assert bench.run() == "certificate.issued"
    assert len(ca.issued) == 1


def test_bug_in_one_destination_stops_no_other(bench: Bench) -> None:
    bench.want(spec(to=("broken", "here")))
    bench.destinations.open(spec(to=("broken",)).destinations[0], "web").errors = [KeyError("secret-looking")]
    assert bench.run() == "certificate.issued"
    assert bench.destinations.known["here"].deliveries == 1
    (undelivered,) = bench.announcer.announced[-1].data["undelivered"]
    assert undelivered["kind"] == "unexpected"
    assert "secret-looking" not in undelivered["message"]


def test_destination_check_prevents_issuance(bench: Bench, ca: ScriptedCA) -> None:
    bench.want(spec())
    bench.destinations.open(spec().destinations[0], "web").refuses = Rejected("too large")
    assert bench.run() == "certificate.failed"
    assert ca.asked == []
    assert bench.record().revision == 0


def test_broken_seal_costs_one_revision(bench: Bench, ca: ScriptedCA) -> None:
    ca.script = ["pending"]
    bench.want(spec())
    bench.run()
    stored = bench.table.items[items.pk("web"), "record"]["pending"]["M"]
    stored["sealed_key"] = {"S": "AAAA:AAAA"}
    bench.clock.advance(minutes=3)
    assert bench.run() == "certificate.failed"
    assert bench.record().pending is None
    bench.clock.now = bench.record().retry_at
    assert bench.run() == "certificate.issued"
    assert bench.record().revision == 2


def lose_the_answer(bench: Bench) -> None:
    """Run and die after the issuer has issued, before the certificate is stored."""
    update = bench.table.update

    def die(held, changes) -> None:
        if changes["pending"].chain is not None:
            raise OutOfTime("killed")
        update(held, changes)

    bench.table.update = die
    assert bench.run() == "out-of-time"
    bench.table.update = update


def test_certificate_that_expired_unread_is_replaced_at_once(bench: Bench, ca: ScriptedCA) -> None:
    bench.want(spec())
    lose_the_answer(bench)
    bench.clock.now += LIFETIME + timedelta(days=1)
    assert bench.run() == "certificate.failed"
    record = bench.record()
    assert (record.pending, record.state, record.due_at) == (None, "failing", bench.clock.now)
    assert "expired at 2026-02-14" in record.last_error.message
    assert bench.queue.later[-1][1] == timedelta(0)
    assert bench.run() == "certificate.issued"
    assert (len(ca.issued), bench.record().revision) == (2, 2)


def test_certificates_that_run_out_repeatedly_wait_ever_longer(bench: Bench, ca: ScriptedCA) -> None:
    bench.want(spec())
    for failures in (1, 2, 3):
        lose_the_answer(bench)
        bench.clock.now += LIFETIME + timedelta(days=1)
        assert bench.run() == "certificate.failed"
        waits = bench.record().due_at - bench.clock.now
        assert (waits == timedelta(0)) == (failures == 1)
        bench.clock.now = bench.record().due_at


def test_certificate_that_ran_out_in_an_outage_is_replaced(bench: Bench, ca: ScriptedCA) -> None:
    """The back-off after the failures of the outage has passed already."""
    bench.want(spec())
    ca.script = ["unavailable", "unavailable"]
    for _ in range(2):
        assert bench.run() == "certificate.failed"
        bench.clock.now = bench.record().due_at
    lose_the_answer(bench)
    bench.clock.now += LIFETIME + timedelta(days=1)
    assert bench.run() == "certificate.failed"
    record = bench.record()
    assert (record.pending, record.due_at, record.failures) == (None, bench.clock.now, 3)
    assert bench.run() == "certificate.issued"


def test_expired_certificate_of_the_first_request_does_not_match(bench: Bench, ca: ScriptedCA) -> None:
    ca.script = ["expired"]
    bench.want(spec())
    assert bench.run() == "certificate.failed"
    assert bench.record().state == "stopped"
    assert len(ca.revoked) == 1


# -- pending issuances ------------------------------------------------------------------------------------------------
def test_pending_issuance_is_stored_and_nudged(bench: Bench, ca: ScriptedCA) -> None:
    ca.script = ["pending"]
    bench.want(spec())
    assert bench.run() == "pending"
    record = bench.record()
    assert record.state == "pending"
    assert record.claim is None
    assert record.pending.handle == f"handle-{record.token(1, record.pending.csr)}"
    assert record.due_at == record.pending.retry_at
    ((nudge, delay),) = bench.queue.later
    assert (nudge.certificate, delay) == ("web", timedelta(minutes=2))
    assert announced(bench) == []


def test_early_message_contacts_no_issuer(bench: Bench, ca: ScriptedCA) -> None:
    ca.script = ["pending"]
    bench.want(spec())
    bench.run()
    bench.clock.advance(seconds=119)
    assert bench.run() == "waiting"
    assert len(ca.asked) == 1
    assert bench.record().due_at == bench.record().pending.retry_at
    bench.clock.advance(seconds=1)
    assert bench.run() == "certificate.issued"
    assert len(ca.asked) == 2


def test_pending_issuance_ends_at_first_deadline(bench: Bench, ca: ScriptedCA) -> None:
    ca.script = ["pending"] * 100
    bench.want(spec())
    bench.run()
    for _ in range(31):
        bench.clock.now = bench.record().due_at
        last = bench.run()
    assert last == "certificate.failed"
    assert ca.cancelled == [f"handle-{ca.asked[0]}"]
    assert bench.record().pending is None
    assert "did not finish by" in bench.record().last_error.message


def test_edit_cancels_pending_issuance(bench: Bench, ca: ScriptedCA) -> None:
    ca.script = ["pending"]
    bench.want(spec())
    bench.run()
    bench.edit(spec(attributes={"common-name": "other.example.com", "ttl": "90d"}))
    assert bench.run() == "certificate.issued"
    assert ca.cancelled == [f"handle-{ca.asked[0]}"]
    assert bench.announcer.announced[-1].data["gave_up"] == "revision 1 (missing): cancelled"
    assert bench.record().facts.names == ("dns:other.example.com",)


def test_superseded_certificate_is_revoked(bench: Bench, ca: ScriptedCA) -> None:
    bench.want(spec())
    bench.destinations.open(spec().destinations[0], "web").errors = [Unavailable("closed")]
    bench.run()
    bench.clock.advance(minutes=1)  # the destination's breaker is not passed by an edit
    bench.edit(spec(attributes={"common-name": "other.example.com", "ttl": "90d"}))
    assert bench.run() == "certificate.issued"
    assert len(ca.revoked) == 1


@pytest.mark.parametrize("spoiled", ["chain", "csr"])
def test_spoiled_revision_is_replaced(bench: Bench, ca: ScriptedCA, spoiled: str) -> None:
    """A manual edit is no bug of evercert."""
    bench.want(spec())
    bench.destinations.open(spec().destinations[0], "web").errors = [Unavailable("closed")]
    bench.run()
    bench.table.items[items.pk("web"), items.SK]["pending"]["M"][spoiled] = {"S": "x"}
    bench.clock.advance(minutes=10)
    assert bench.run() == "certificate.issued"
    assert bench.record().revision == 2
    assert ("does not parse" in bench.announcer.announced[-1].data["gave_up"]) is (spoiled == "chain")


def test_delivered_certificate_is_not_revoked(bench: Bench, ca: ScriptedCA) -> None:
    bench.want(spec(to=("here", "there")))
    bench.destinations.open(spec(to=("there",)).destinations[0], "web").errors = [Unavailable("closed")]
    bench.run()
    changed = spec(to=("here", "there"), attributes={"common-name": "other.example.com", "ttl": "90d"})
    bench.edit(changed)
    assert bench.run() == "certificate.renewed"
    assert ca.revoked == []
    assert "in use" in bench.announcer.announced[-1].data["gave_up"]


def test_reverted_edit_cancels_and_issues_nothing(bench: Bench, ca: ScriptedCA) -> None:
    bench.want(spec())
    bench.run()
    ca.script = ["pending"]
    bench.edit(spec(attributes={"common-name": "other.example.com", "ttl": "90d"}))
    assert bench.run() == "pending"
    bench.edit(spec())
    assert bench.run() == "nothing-to-do"
    record = bench.record()
    assert (record.state, record.pending, record.due_at) == ("ready", None, record.check_at)
    assert len(ca.cancelled) == 1


def test_outdated_stored_chain_is_not_delivered(bench: Bench, ca: ScriptedCA) -> None:
    bench.want(spec())
    bench.destinations.open(spec().destinations[0], "web").errors = [Unavailable("closed")]
    bench.run()
    bench.clock.advance(days=25)  # the scripted CA issues for 30 days
    assert bench.run() == "certificate.issued"
    assert bench.record().revision == 2
