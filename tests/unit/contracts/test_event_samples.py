"""Tests that docs/reference/events.md and the samples in events/ match real events."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest

from evercert.contracts.destination import Drift
from evercert.contracts.events import Outcome
from evercert.contracts.issuer import OpenIssuer, PendingAnswer, Request, Status
from evercert.contracts.probe import ProbeAnswer, ServedLeaf
from evercert.contracts.record import Facts
from evercert.contracts.revisions import RollbackRequest
from evercert.documents.spec import Spec
from evercert.errors import Unavailable
from evercert.issuers.self_signed import SelfSigned
from evercert.scheduling.schedule import renewal_time
from tests.doubles.fakes import Bench, spec
from tests.tools.local_stack import ROOT

PAGE = (ROOT / "docs" / "reference" / "events.md").read_text()
DATA = PAGE.split("## `data`")[1]
DOCUMENTED = {key for row in re.findall(r"^\| (`.*?) \|", DATA, re.MULTILINE) for key in re.findall(r"`(\w+)`", row)}
SAMPLES = {
    f"certificate.{word}": f"certificate_{word}.json"
    for word in ("renewed", "failed", "expiring", "drifted", "stale", "pending")
} | {"certificate.rolled-back": "certificate_rolled_back.json"}


class Revoked(SelfSigned):
    """An issuer that reports every certificate as revoked."""

    def status(self, wanted: Spec, facts: Facts) -> Status:
        return "revoked"


class Slow:
    """An issuer that waits for an approval."""

    def issue(self, request: Request) -> PendingAnswer:
        return PendingAnswer("0f4b7c1e", request.now, request.now + timedelta(days=7), "an approval")


def announced() -> dict[str, Outcome]:
    """Return one real outcome of every type."""
    bench = Bench()
    bench.issuers.known["main"] = OpenIssuer(SelfSigned(SelfSigned.Settings()), "self-signed")
    bench.want(spec(to=("here", "there"), labels={"team": "web"}, lifecycle={"renew-before-expiry": "85d"}))
    there = bench.destinations.open(spec(to=("there",)).destinations[0], "web")
    there.errors = [Unavailable("closed"), Unavailable("closed")]
    for _ in range(3):  # issued, failed, delivered
        bench.run()
        bench.clock.now = bench.record().due_at
    there.drift = Drift("it holds something else", repaired="put right")
    bench.run()  # drifted
    bench.issuers.known["main"] = OpenIssuer(Revoked(SelfSigned.Settings()), "self-signed")
    bench.clock.now = bench.record().due_at
    bench.run()  # revoked
    bench.run()  # renewed
    bench.issuers.error = Unavailable("closed")
    for share in (0.3, 0.7, 1):  # expiring twice, expired
        facts, renewal = bench.record().facts, renewal_time(bench.record())
        bench.clock.now = renewal + (facts.not_after - renewal) * share
        bench.run()
        bench.run()
    bench.issuers.error = None
    bench.issuers.known["main"] = OpenIssuer(SelfSigned(SelfSigned.Settings()), "self-signed")
    bench.want(spec("served", probe="www.example.com:443"))
    bench.run("served")
    bench.clock.advance(days=2)
    other = ServedLeaf(fingerprint_sha256="0" * 64, serial_number="0A", not_after=bench.clock())
    bench.prober.answers = (ProbeAnswer(address="192.0.2.10", leaf=other),)
    bench.run("served")  # stale
    bench.issuers.known["main"] = OpenIssuer(Slow(), "slow")
    bench.want(spec("waiting"))
    bench.run("waiting")
    bench.want(spec("broken"))
    bench.table.items["certificate#broken", "record"]["spec"] = {"S": "{}"}
    bench.run("broken")
    return {outcome.type: outcome for outcome in bench.announcer.announced + rolled_back()}


def rolled_back() -> list[Outcome]:
    """Return the outcome of a rollback."""
    bench = Bench()
    bench.issuers.known["main"] = OpenIssuer(SelfSigned(SelfSigned.Settings()), "self-signed")
    bench.want(spec())
    for _ in range(2):
        bench.run()
        bench.clock.advance(days=1)
        bench.table.request("web", bench.clock())
    request = RollbackRequest(to=1, requested_at=bench.clock() + timedelta(seconds=1), reason="it breaks the proxy")
    bench.table.request_rollback(bench.record(), request)
    bench.run()
    return bench.announcer.announced[-1:]


def test_events_document_every_type() -> None:
    rows = PAGE.partition("## Message attributes")[0]
    sent = set(re.findall(r"^\| `((?:certificate|spec)\.[\w-]+)` \|", rows, re.MULTILINE))
    assert set(announced()) == sent


def test_events_document_every_key() -> None:
    for outcome in announced().values():
        assert set(outcome.data) <= DOCUMENTED, outcome.type


@pytest.mark.parametrize("kind", SAMPLES)
def test_event_samples_match_real_events(kind: str) -> None:
    sample = json.loads((ROOT / "events" / SAMPLES[kind]).read_text())
    event = json.loads(
        json.dumps(announced()[kind].cloud_event("arn:aws:cloudformation:eu-central-1:111122223333:stack/evercert/1"))
    )
    assert sample.keys() == event.keys()
    assert sample["data"].keys() <= DOCUMENTED
    for key, value in sample["data"].items():
        if key in event["data"]:
            assert type(value) is type(event["data"][key]), key
    assert {"name", "issuer", "revision"} <= sample["data"].keys()
    assert sample["type"] == kind
