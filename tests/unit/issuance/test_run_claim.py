"""Claims: which run may work on a certificate, and for how long."""

from __future__ import annotations

from datetime import timedelta

from evercert.aws.dynamodb import items
from evercert.contracts.issuer import OpenIssuer
from evercert.contracts.record import Claim
from evercert.contracts.record_schema import SCHEMA
from tests.doubles.fakes import LEASE, Bench, spec
from tests.doubles.scripted_ca import ScriptedCA


def test_claimed_certificate_is_left_alone(bench: Bench) -> None:
    bench.want(spec())
    bench.table.claim("web", Claim(id="other", until=bench.clock() + LEASE), bench.clock())
    assert bench.run() == "busy"
    assert bench.destinations.known == {}


def test_expired_claim_is_taken_over(bench: Bench) -> None:
    bench.want(spec())
    bench.table.claim("web", Claim(id="other", until=bench.clock() + LEASE), bench.clock())
    bench.clock.advance(seconds=91)
    assert bench.run() == "certificate.issued"


def test_deleted_certificate_is_no_error(bench: Bench) -> None:
    assert bench.run() == "gone"


def test_newer_schema_is_left_alone(bench: Bench) -> None:
    bench.want(spec())
    bench.table.items[items.pk("web"), "record"]["schema"] = {"N": str(SCHEMA + 1)}
    assert bench.run() == "newer-schema"
    assert bench.destinations.known == {}


def test_run_without_its_claim_delivers_nothing(bench: Bench, ca: ScriptedCA) -> None:
    bench.want(spec())
    issuer = bench.issuers.known["main"].issuer

    class Slow:
        def issue(self, request):
            bench.clock.advance(seconds=91)
            bench.table.claim("web", Claim(id="thief", until=bench.clock() + LEASE), bench.clock())
            return issuer.issue(request)

    bench.issuers.known["main"] = OpenIssuer(Slow(), "scripted")
    assert bench.run() == "overtaken"
    assert bench.destinations.known.get("here") is None or bench.destinations.known["here"].deliveries == 0


def test_no_call_outlives_the_claim(bench: Bench) -> None:
    bench.want(spec())

    class Patient:
        def issue_with(self, request, private_key):
            bench.deadline.require(LEASE + timedelta(seconds=1), "asking")
            raise AssertionError("started all the same")

    bench.issuers.known["main"] = OpenIssuer(Patient(), "patient")
    assert bench.run() == "out-of-time"
    record = bench.record()
    assert record.claim is not None
    assert record.due_at == record.claim.until  # the claim's own end brings it back
    bench.deadline.require(timedelta(days=1), "the next message")  # nothing is refused any more
