"""Requests, edits and manual edits during a pending revision."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from evercert.aws.dynamodb import items
from evercert.contracts.issuer import OpenIssuer
from evercert.errors import Unavailable
from evercert.pki.keys import PrivateKey
from tests.doubles.fakes import Bench, spec
from tests.doubles.scripted_ca import ScriptedCA
from tests.unit.issuance.helpers import SELF_SIGNED


# -- requests during a pending revision -------------------------------------------------------------------------------
def test_request_is_served_by_next_issuance(bench: Bench, ca: ScriptedCA) -> None:
    ca.script = ["unavailable"]
    bench.want(spec())
    bench.run()
    bench.clock.advance(minutes=1)
    bench.table.request("web", bench.clock())
    assert bench.run() == "certificate.issued"
    assert bench.record().served == bench.record().requested_at
    assert len(ca.issued) == 1


def test_request_after_issuance_is_served_next(bench: Bench, ca: ScriptedCA) -> None:
    bench.want(spec())
    bench.destinations.open(spec().destinations[0], "web").errors = [Unavailable("closed")]
    bench.run()
    bench.clock.advance(minutes=1)
    bench.table.request("web", bench.clock())
    assert bench.run() == "certificate.issued"
    assert bench.record().due_at == bench.clock()
    assert [nudge.certificate for nudge, _ in bench.queue.later] == ["web"]
    assert bench.run() == "certificate.renewed"
    assert bench.record().served == bench.record().requested_at
    assert bench.record().due_at == bench.record().check_at


def test_foreign_key_is_never_delivered(bench: Bench, ca: ScriptedCA) -> None:
    """P3: certificate and key are delivered as a pair or not at all."""
    bench.want(spec())
    bench.destinations.open(spec().destinations[0], "web").errors = [Unavailable("closed")]
    bench.run()
    other = bench.seal.close(PrivateKey.generate("EC_prime256v1"), bench.record().uid, 1)
    bench.table.items[items.pk("web"), "record"]["pending"]["M"]["sealed_key"] = {"S": other}
    bench.clock.now = bench.record().retry_at
    assert bench.run() == "certificate.failed"
    assert bench.destinations.known["here"].deliveries == 0
    assert "does not match its certificate" in bench.record().last_error.message


def test_reverted_edit_ends_its_failure(bench: Bench, ca: ScriptedCA) -> None:
    bench.want(spec())
    bench.run()
    ca.script = ["reject"]
    bench.edit(spec(attributes={"common-name": "other.example.com", "ttl": "90d"}))
    assert bench.run() == "certificate.failed"
    bench.edit(spec())
    assert bench.run() == "nothing-to-do"
    record = bench.record()
    assert (record.state, record.failures, record.last_error, record.retry_at) == ("ready", 0, None, None)
    assert record.due_at == record.check_at < record.renew_at


def test_delivery_of_crashed_run_is_announced(bench: Bench, ca: ScriptedCA) -> None:
    """The first run crashes after one delivery; in the next run the other destination fails."""
    bench.want(spec(to=("here", "there")))

    class Dies(BaseException):
        pass

    there = bench.destinations.open(spec(to=("there",)).destinations[0], "web")
    there.errors = [Dies(), Unavailable("closed")]
    with pytest.raises(Dies):
        bench.run()
    bench.clock.advance(seconds=91)
    assert bench.run() == "certificate.issued"
    record = bench.record()
    assert record.facts is not None
    assert (record.state, record.revision) == ("undelivered", 1)
    assert len(ca.issued) == 1


# -- old certificates and manual edits --------------------------------------------------------------------------------
def test_old_answer_is_not_renewed_at_once(bench: Bench) -> None:
    """The issuer returns an old certificate, which is past its renewal time on the first day."""

    class Cached:
        def issue_with(self, request, private_key):
            return SELF_SIGNED.issuer.issue_with(replace(request, now=request.now - timedelta(days=70)), private_key)

    bench.issuers.known["main"] = OpenIssuer(Cached(), "cached")
    bench.want(spec())
    assert bench.run() == "certificate.issued"
    record = bench.record()
    assert record.due_at == record.check_at < record.renew_at
    assert timedelta(days=6) < record.renew_at - bench.clock() < timedelta(days=7)
    assert bench.run() == "nothing-to-do"


def test_lowered_count_reuses_no_revision(bench: Bench, ca: ScriptedCA) -> None:
    bench.want(spec())
    bench.run()
    bench.table.items[items.pk("web"), "record"].pop("revision")
    bench.clock.advance(minutes=1)
    bench.table.request("web", bench.clock())
    assert bench.run() == "certificate.renewed"
    assert bench.record().facts.revision == 2
    held = bench.destinations.known["here"].bundle.chain
    assert held.serial_number == bench.record().facts.serial_number


def test_broken_destination_does_not_stop_request(bench: Bench, ca: ScriptedCA) -> None:
    bench.want(spec(to=("here", "broken")))
    bench.destinations.open(spec(to=("broken",)).destinations[0], "web").errors = [Unavailable("closed")] * 9
    bench.run()
    first = bench.destinations.known["here"].bundle.chain.serial_number
    bench.clock.advance(minutes=1)
    bench.table.request("web", bench.clock())
    assert bench.run() == "certificate.renewed"
    assert bench.announcer.announced[-1].data["reason"] == "requested"
    assert bench.destinations.known["here"].bundle.chain.serial_number != first
    assert bench.record().served == bench.record().requested_at


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("failures", {"N": "-10"}),
        ("outcomes", {"N": "9" * 38}),
        ("uid", {"S": "-" * 36}),
        ("spec", {"S": "[" * 100_000}),
        ("schema", {"M": {}}),
        ("generation", {"NULL": True}),
    ],
)
def test_invalid_record_leaves_the_due_index(bench: Bench, attribute: str, value: dict) -> None:
    bench.want(spec())
    bench.table.items[items.pk("web"), "record"][attribute] = value
    first = bench.run()
    if attribute == "schema":  # an invalid schema is ignored
        assert first == "certificate.issued"
        return
    assert first == "spec.rejected"
    assert "due_at" not in bench.table.items[items.pk("web"), "record"]
    assert bench.queue.later == []
