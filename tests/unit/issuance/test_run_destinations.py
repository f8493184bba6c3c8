"""Runs with several destinations, some of which fail."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from evercert.aws.dynamodb import items
from evercert.contracts.issuer import OpenIssuer
from evercert.errors import Rejected, Unavailable
from tests.doubles.fakes import Bench, spec
from tests.doubles.scripted_ca import ScriptedCA
from tests.unit.issuance.helpers import SELF_SIGNED, announced


def broken(bench: Bench, name: str, *errors: Exception) -> None:
    bench.destinations.open(spec(to=(name,)).destinations[0], "web").errors = list(errors)


def test_added_destination_survives_reverted_edit(bench: Bench, ca: ScriptedCA) -> None:
    bench.want(spec(to=("a",)))
    bench.run()
    ca.script = ["pending"]
    bench.edit(spec(to=("a", "b"), attributes={"common-name": "www.example.com", "ttl": "60d"}))
    assert bench.run() == "pending"
    bench.edit(spec(to=("a", "b")))
    assert bench.run() == "certificate.renewed"
    assert bench.destinations.known["b"].deliveries == 1
    assert bench.record().state == "ready"


class Aged:
    """Issues certificates that are seventy days old."""

    def issue_with(self, request, private_key):
        return SELF_SIGNED.issuer.issue_with(replace(request, now=request.now - timedelta(days=70)), private_key)


def test_old_certificate_is_delivered_late(bench: Bench) -> None:
    bench.issuers.known["main"] = OpenIssuer(Aged(), "aged")
    bench.want(spec())
    broken(bench, "here", Unavailable("closed"), Unavailable("closed"))
    for _ in range(2):
        assert bench.run() == "certificate.failed"
        bench.clock.now = bench.record().due_at
    assert bench.run() == "certificate.issued"
    assert bench.record().revision == 1


def test_late_delivery_does_not_delay_renewal(bench: Bench) -> None:
    bench.want(spec(to=("a", "b"), lifecycle={"renew-before-expiry": "15d"}))
    broken(bench, "b", Unavailable("closed"))
    bench.run()
    renewal = bench.record().renew_at
    bench.clock.advance(days=70)
    assert bench.run() == "certificate.delivered"
    assert bench.record().renew_at == renewal


def test_removed_failed_destination_is_silent(bench: Bench) -> None:
    bench.want(spec(to=("a", "b")))
    broken(bench, "b", Unavailable("closed"))
    bench.run()
    bench.edit(spec(to=("a",)))
    assert bench.run() == "nothing-to-do"
    record = bench.record()
    assert (record.state, record.pending, record.last_error) == ("ready", None, None)
    assert record.due_at == record.check_at < record.renew_at
    assert announced(bench) == ["certificate.issued"]


def test_earlier_refusal_does_not_hold_request(bench: Bench, ca: ScriptedCA) -> None:
    bench.want(spec(to=("a", "b")))
    broken(bench, "a", Unavailable("closed"))
    broken(bench, "b", Unavailable("closed"), Rejected("never"), Rejected("never"))
    assert bench.run() == "certificate.failed"
    bench.clock.advance(minutes=1)
    bench.table.request("web", bench.clock())
    assert bench.run() == "certificate.issued"
    assert bench.record().due_at == bench.clock()
    assert bench.run() == "certificate.renewed"
    assert bench.record().served == bench.record().requested_at


def test_refusing_destination_expires_no_other(bench: Bench) -> None:
    """A rejection is retried after a day, later than the expiry of a 12-hour certificate."""
    bench.want(spec(to=("a", "b"), attributes={"common-name": "www.example.com", "ttl": "12h"}))
    broken(bench, "b", *[Rejected("never")] * 9)
    assert bench.run() == "certificate.issued"
    assert bench.record().due_at == bench.record().renew_at
    bench.clock.now = bench.record().due_at
    assert bench.run() == "certificate.renewed"
    assert bench.announcer.announced[-1].data["reason"] == "near-expiry"
    assert bench.destinations.known["a"].deliveries == 2


@pytest.mark.parametrize("retry_at", ["9999-12-31T23:59:59.000Z", "2099-01-01T00:00:00.000Z"])
def test_retry_time_of_a_wrong_clock_does_not_hold_a_delivery(bench: Bench, retry_at: str) -> None:
    bench.want(spec(to=("here", "there")))
    there = bench.destinations.open(spec(to=("there",)).destinations[0], "web")
    there.errors = [Unavailable("down")]
    bench.run()
    deliveries = bench.table.items[items.pk("web"), items.SK]["deliveries"]["M"]
    (failed,) = [delivery["M"] for delivery in deliveries.values() if "retry_at" in delivery["M"]]
    failed["retry_at"] = {"S": retry_at}
    bench.clock.advance(minutes=10)
    assert bench.run() == "certificate.delivered"
    assert bench.record().state == "ready"
