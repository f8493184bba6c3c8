"""Late consumers, found by status checks."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from evercert.aws.dynamodb import items
from evercert.contracts.consumers import Acknowledgement
from evercert.contracts.probe import ProbeAnswer, ServedLeaf
from evercert.contracts.record_schema import PREVIOUS_SCHEMA, SCHEMA
from evercert.errors import Misconfigured, Unavailable
from evercert.issuance.consumer_check import MOST_NAMED, SEEN_WITHIN
from evercert.issuance.metrics import report_metrics
from evercert.issuance.outbox import RunReport
from evercert.issuance.run import Issuance
from tests.doubles.fakes import LEASE, Bench, FakeDestination, spec

DAY = timedelta(days=1)
OLD = "0" * 64


def at_rest(bench: Bench, **changes: Any) -> None:
    """Deliver a certificate, and let its grace period pass."""
    bench.want(spec(**changes))
    assert bench.run() == "certificate.issued"
    bench.clock.advance(days=1, minutes=1)


def acknowledge(bench: Bench, consumer: str = "AROA:i-1", fingerprint: str | None = None, **changes: Any) -> None:
    facts = bench.record().facts
    assert facts is not None
    usual = {
        "consumer": consumer, "certificate": "web", "fingerprint_sha256": fingerprint or facts.fingerprint_sha256,
        "revision": facts.revision, "host": "web-1", "loaded_at": bench.clock(), "seen_at": bench.clock(),
    }  # fmt: skip
    assert bench.consumers.acknowledge(Acknowledgement.model_validate({**usual, **changes})) is None


def check(bench: Bench) -> RunReport:
    """Run the next status check; consumers that acknowledge were seen just before."""
    record = bench.record()
    assert record.due_at is not None
    bench.clock.now = max(bench.clock(), record.due_at)
    for key, one in bench.consumers.known.items():
        if one.host != "gone":
            bench.consumers.known[key] = one.model_copy(update={"seen_at": bench.clock()})
    return bench.issuance.run("web")


def stale(bench: Bench) -> list[dict[str, Any]]:
    return [one.data for one in bench.announcer.announced if one.type == "certificate.stale"]


def test_consumer_with_the_delivered_certificate_is_fine(bench: Bench) -> None:
    at_rest(bench)
    acknowledge(bench)
    assert check(bench).outcome == "checked"
    assert stale(bench) == []


def test_late_consumer_is_announced_once(bench: Bench) -> None:
    at_rest(bench)
    acknowledge(bench, fingerprint=OLD, revision=0)
    acknowledge(bench, "AROA:i-2")
    assert check(bench).outcome == "certificate.stale"
    (event,) = stale(bench)
    assert (event["consumers_behind"], event["revision"]) == (1, 1)
    assert [(one["consumer"], one["host"], one["revision"]) for one in event["consumers"]] == [("AROA:i-1", "web-1", 0)]
    assert bench.announcer.announced[-1].severity == "warning"
    report = check(bench)
    assert (report.outcome, report.details["stale"]) == ("checked", "behind")
    assert [name for name, *_ in report_metrics(report)] == ["CertificatesStale"]
    assert len(stale(bench)) == 1


def test_next_incident_is_announced_again(bench: Bench) -> None:
    def schema() -> int:
        return int(bench.table.items[items.pk("web"), items.SK]["schema"]["N"])

    at_rest(bench)
    schemas = []
    for fingerprint in (OLD, None, OLD):
        acknowledge(bench, fingerprint=fingerprint)
        check(bench)
        schemas.append(schema())
    assert len(stale(bench)) == 2
    assert schemas == [SCHEMA, PREVIOUS_SCHEMA, SCHEMA]  # the previous release may write it again


def test_lasting_incident_is_announced_for_each_revision(bench: Bench) -> None:
    at_rest(bench)
    acknowledge(bench, fingerprint=OLD)
    check(bench)
    bench.table.request("web", bench.clock())
    assert bench.run() == "certificate.renewed"
    bench.clock.advance(days=1, minutes=1)
    check(bench)
    assert [one["revision"] for one in stale(bench)] == [1, 2]


def test_consumer_has_a_day_to_load_it(bench: Bench) -> None:
    bench.want(spec(lifecycle={"status-check-interval": "5m"}))
    bench.run()
    acknowledge(bench, fingerprint=OLD)
    bench.clock.advance(hours=23, minutes=58)
    assert check(bench).outcome == "checked"
    assert bench.record().due_at == bench.record().facts.obtained_at + DAY
    assert check(bench).outcome == "certificate.stale"


def test_consumer_that_was_not_seen_for_a_week_is_gone(bench: Bench) -> None:
    at_rest(bench)
    acknowledge(bench, fingerprint=OLD, host="gone", seen_at=bench.clock() - SEEN_WITHIN - DAY / 99)
    assert check(bench).outcome == "checked"


def test_undelivered_revision_is_expected_of_no_consumer(bench: Bench) -> None:
    bench.destinations.known["there"] = FakeDestination("there", errors=[Unavailable("down")] * 50)
    bench.want(spec(to=("here", "there")))
    bench.run()
    acknowledge(bench, fingerprint=OLD)
    bench.clock.advance(days=2)
    for _ in range(4):
        check(bench)
    assert stale(bench) == []


def test_event_names_a_bounded_number_of_consumers(bench: Bench) -> None:
    at_rest(bench)
    for number in range(50):
        acknowledge(bench, f"AROA:i-{number}", fingerprint=OLD)
    check(bench)
    (event,) = stale(bench)
    assert (len(event["consumers"]), event["consumers_behind"]) == (MOST_NAMED, 50)
    assert event["message"].startswith("50 consumers have not loaded revision 1")


def test_probe_and_consumers_share_an_event(bench: Bench) -> None:
    at_rest(bench, probe="www.example.com:443")
    acknowledge(bench, fingerprint=OLD)
    other = ServedLeaf(fingerprint_sha256=OLD, not_before=bench.clock() - 30 * DAY, not_after=bench.clock() + DAY)
    bench.prober.answers = (ProbeAnswer(address="192.0.2.1", leaf=other),)
    assert check(bench).outcome == "certificate.stale"
    (event,) = stale(bench)
    assert (event["probe"]["result"], event["consumers_behind"]) == ("outdated", 1)
    assert "serves another certificate" in event["message"]
    assert "1 consumer has not loaded" in event["message"]
    assert bench.announcer.announced[-1].severity == "critical"


def test_table_that_does_not_answer_is_asked_again_soon(bench: Bench) -> None:
    at_rest(bench)
    bench.consumers.error = Unavailable("cannot list the consumers of web")
    assert check(bench).details["message"] == str(bench.consumers.error)
    assert timedelta() < bench.record().due_at - bench.clock() <= timedelta(minutes=15)
    bench.consumers.error = Misconfigured("cannot list the consumers of web: access denied")
    assert check(bench).outcome == "certificate.failed"


@pytest.mark.parametrize("behind", [True, False])
def test_stack_without_acknowledgements_asks_nothing(bench: Bench, behind: bool) -> None:
    at_rest(bench)
    acknowledge(bench, fingerprint=OLD)
    if behind:
        check(bench)
        assert bench.record().behind is not None
    bench.issuance = Issuance(replace(bench.ports, consumers=None), LEASE)
    assert check(bench).outcome == "checked"
    assert bench.record().behind is None
