"""Probes in status checks: what a server serves is compared with the delivered certificate."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from evercert.aws.dynamodb import items
from evercert.contracts.probe import ProbeAnswer, ServedLeaf
from evercert.contracts.record import Record
from evercert.contracts.record_schema import PREVIOUS_SCHEMA, SCHEMA
from evercert.documents.spec import Spec
from evercert.errors import Misconfigured, OutOfTime, Unavailable
from evercert.issuance.metrics import report_metrics
from evercert.issuance.outbox import RunReport
from evercert.issuance.probe_check import NO_VALIDATOR, target_of
from evercert.issuance.run import Issuance
from tests.doubles.fakes import LEASE, Bench, FakeDestination, spec
from tests.unit.issuance.helpers import announced

DAY = timedelta(days=1)
PROBE = "www.example.com:443"
OTHER = "0" * 64


def at_rest(bench: Bench, **changes: Any) -> Record:
    """Deliver a certificate of 90 days with a probe, and go to its first status check."""
    bench.want(spec(**{"probe": PROBE, **changes}))
    assert bench.run() == "certificate.issued"
    record = bench.record()
    assert record.due_at is not None
    bench.clock.now = max(record.due_at, bench.clock() + DAY)
    return record


def leaf(bench: Bench, **changes: Any) -> ServedLeaf:
    """Return the leaf of the delivered certificate as a server serves it."""
    facts = bench.record().facts
    assert facts is not None
    usual = {
        "fingerprint_sha256": facts.fingerprint_sha256,
        "not_before": facts.not_before,
        "not_after": facts.not_after,
    }
    return ServedLeaf.model_validate({**usual, **changes})


def serve(bench: Bench, *leaves: ServedLeaf | None) -> None:
    """Let the addresses serve these; None refuses connections."""
    bench.prober.answers = tuple(
        ProbeAnswer(address=f"192.0.2.{number}", problem="refused")
        if one is None
        else ProbeAnswer(address=f"192.0.2.{number}", leaf=one)
        for number, one in enumerate(leaves, 1)
    )


def check(bench: Bench) -> RunReport:
    """Run the next status check."""
    record = bench.record()
    assert record.due_at is not None
    bench.clock.now = max(bench.clock(), record.due_at)
    return bench.issuance.run("web")


def stale(bench: Bench) -> list[dict[str, Any]]:
    return [one.data for one in bench.announcer.announced if one.type == "certificate.stale"]


# -- the result -------------------------------------------------------------------------------------------------------
def test_served_certificate_announces_nothing(bench: Bench) -> None:
    at_rest(bench)
    serve(bench, leaf(bench))
    report = check(bench)
    assert (report.outcome, report.details["probe"], "stale" in report.details) == ("checked", "served", False)
    last = bench.record().probed
    assert (last.result, last.target, last.at) == ("served", PROBE, bench.clock())
    assert announced(bench) == ["certificate.issued"]


def test_certificate_without_probe_is_not_probed(bench: Bench) -> None:
    at_rest(bench, probe=None)
    assert "probe" not in check(bench).details
    assert (bench.prober.targets, bench.record().probed) == ([], None)


def test_other_certificate_is_announced_once(bench: Bench) -> None:
    at_rest(bench)
    serve(bench, leaf(bench, fingerprint_sha256=OTHER, serial_number="0A"))
    assert check(bench).outcome == "certificate.stale"
    (event,) = stale(bench)
    assert event["probe"]["result"] == "outdated"
    assert event["probe"]["served"]["fingerprint_sha256"] == OTHER
    assert event["fingerprint_sha256"] == bench.record().facts.fingerprint_sha256
    assert bench.announcer.announced[-1].severity == "warning"
    report = check(bench)
    assert (report.outcome, report.details["stale"]) == ("checked", "outdated")
    assert len(stale(bench)) == 1


def test_next_incident_is_announced_again(bench: Bench) -> None:
    at_rest(bench)
    for fingerprints in ([OTHER], [leaf(bench).fingerprint_sha256], [OTHER]):
        serve(bench, *(leaf(bench, fingerprint_sha256=one) for one in fingerprints))
        check(bench)
    assert len(stale(bench)) == 2


def test_certificate_about_to_end_is_critical(bench: Bench) -> None:
    """An incident that was a warning is announced once more."""
    at_rest(bench)
    ends = bench.clock() + timedelta(days=8)
    serve(bench, leaf(bench, fingerprint_sha256=OTHER, not_after=ends))
    for _ in range(8):
        check(bench)
    levels = [one.severity for one in bench.announcer.announced if one.type == "certificate.stale"]
    assert levels == ["warning", "critical"]


def test_one_of_several_servers_is_enough(bench: Bench) -> None:
    at_rest(bench)
    serve(bench, leaf(bench), leaf(bench, fingerprint_sha256=OTHER), None)
    assert check(bench).outcome == "certificate.stale"
    assert stale(bench)[0]["probe"]["address"] == "192.0.2.2"


def test_address_without_answer_beside_a_good_one_is_no_problem(bench: Bench) -> None:
    """Such as an IPv6 address that the stack cannot reach."""
    at_rest(bench)
    serve(bench, None, leaf(bench))
    assert check(bench).details["probe"] == "served"


def test_missing_intermediate_is_announced(bench: Bench) -> None:
    at_rest(bench)
    last = bench.record().probed
    assert last.intermediates == 0  # self-signed: nothing else has to be served
    bench.table._set("web", {"probed": last.model_copy(update={"intermediates": 1})})
    serve(bench, leaf(bench))
    assert check(bench).outcome == "certificate.stale"
    assert "fullchain" in stale(bench)[0]["message"]
    serve(bench, leaf(bench, issuer_until=bench.clock() - DAY))
    assert check(bench).details["stale"] == "incomplete"
    serve(bench, leaf(bench, issuer_until=bench.clock() + 100 * DAY))
    assert check(bench).details["probe"] == "served"


# -- times ------------------------------------------------------------------------------------------------------------
def test_server_has_a_day_to_reload(bench: Bench) -> None:
    at_rest(bench, lifecycle={"status-check-interval": "5m"})
    bench.clock.now = bench.record().facts.obtained_at + timedelta(hours=23)
    serve(bench, leaf(bench, fingerprint_sha256=OTHER))
    report = check(bench)
    assert (report.outcome, report.details["probe"], "stale" in report.details) == ("checked", "outdated", False)
    bench.clock.now = bench.record().facts.obtained_at + DAY
    assert check(bench).outcome == "certificate.stale"


def test_first_check_comes_at_the_end_of_the_grace(bench: Bench) -> None:
    bench.want(spec(probe=PROBE, attributes={"common-name": "www.example.com", "ttl": "5d"}))
    bench.run()
    record = bench.record()
    assert record.check_at - bench.clock() <= record.facts.lifetime / 20
    bench.clock.now = record.check_at
    serve(bench, leaf(bench, fingerprint_sha256=OTHER))
    check(bench)
    assert len(stale(bench)) == 1
    assert bench.clock() - record.facts.obtained_at < DAY


def test_undelivered_revision_is_not_expected_of_the_server(bench: Bench) -> None:
    bench.want(spec(to=("here", "there"), probe=PROBE))
    bench.destinations.known["there"] = FakeDestination("there", errors=[Unavailable("down")] * 50)
    bench.run()
    assert bench.record().state == "undelivered"
    bench.clock.advance(days=2)
    serve(bench, leaf(bench, fingerprint_sha256=OTHER))
    for _ in range(6):
        check(bench)
    assert bench.prober.targets
    assert stale(bench) == []


def test_unreachable_server_is_announced_after_three_days(bench: Bench) -> None:
    at_rest(bench)
    begun, outcomes = bench.clock(), []
    while bench.clock() < begun + timedelta(days=5):
        outcomes.append((check(bench).outcome, bench.clock() - begun >= timedelta(days=3)))
    assert [late for outcome, late in outcomes if outcome == "certificate.stale"] == [True]
    assert "the connection was refused" in stale(bench)[0]["message"]


def test_other_probe_is_checked_at_once(bench: Bench) -> None:
    at_rest(bench)
    serve(bench, leaf(bench))
    check(bench)
    bench.edit(spec(probe="new.example.com:8443"))
    assert bench.run() == "checked"
    assert (bench.prober.targets[-1].host, bench.prober.targets[-1].port) == ("new.example.com", 8443)
    assert bench.record().due_at > bench.clock()


def test_removed_probe_leaves_no_result(bench: Bench) -> None:
    def schema() -> int:
        return int(bench.table.items[items.pk("web"), items.SK]["schema"]["N"])

    at_rest(bench)
    serve(bench, leaf(bench))
    check(bench)
    assert schema() == SCHEMA
    bench.edit(spec())
    bench.run()
    check(bench)
    assert (bench.record().probed, schema()) == (None, PREVIOUS_SCHEMA)


# -- what cannot be asked ---------------------------------------------------------------------------------------------
def test_address_that_is_not_allowed_is_announced_at_once(bench: Bench) -> None:
    at_rest(bench)
    bench.prober.answers = (ProbeAnswer(problem="not-allowed"),)
    assert check(bench).outcome == "certificate.stale"
    assert "ValidationNetworks" in stale(bench)[0]["message"]


def test_stack_without_validator_says_so(bench: Bench) -> None:
    record = at_rest(bench)
    bench.issuance = Issuance(replace(bench.ports, prober=None), LEASE)
    assert check(bench).outcome == "certificate.stale"
    assert NO_VALIDATOR in stale(bench)[0]["message"]
    assert bench.record().state == record.state == "ready"


def test_failed_validator_is_asked_again_soon(bench: Bench) -> None:
    at_rest(bench)
    bench.prober.error = Unavailable("cannot have it probed: the validator failed")
    report = check(bench)
    assert (report.outcome, report.details["message"]) == ("checked", str(bench.prober.error))
    assert bench.record().due_at - bench.clock() <= timedelta(minutes=15)
    assert bench.record().due_at > bench.clock()


def test_failed_first_probe_is_not_repeated_at_once(bench: Bench) -> None:
    at_rest(bench)
    bench.edit(spec(probe="new.example.com:443"))
    bench.prober.error = Unavailable("cannot have it probed: the validator failed")
    assert bench.run() == "checked"
    assert bench.record().due_at >= bench.clock() + timedelta(minutes=14)


def test_missing_permission_is_a_failure(bench: Bench) -> None:
    at_rest(bench)
    bench.prober.error = Misconfigured("cannot have it probed: access denied")
    assert check(bench).outcome == "certificate.failed"
    assert bench.record().due_at > bench.clock()


def test_run_without_time_asks_later(bench: Bench) -> None:
    at_rest(bench)
    bench.prober.error = OutOfTime("lambda:Invoke could end after the claim")
    assert check(bench).outcome == "out-of-time"


# -- the name to ask for ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("probe", "names", "asked"),
    [
        ("www.example.com:443", ["www.example.com"], "www.example.com"),
        ("lb.example.net:443", ["www.example.com"], "www.example.com"),
        ("a.example.com:443", ["*.example.com", "www.example.com"], "a.example.com"),
        ("10.0.0.7:8443", ["www.example.com"], "www.example.com"),
        ("10.0.0.7:8443", ["ip:10.0.0.7"], None),
        ("lb.example.net:443", ["*.example.com"], "lb.example.net"),
        ({"address": "10.0.0.7:443", "server-name": "b.example.com"}, ["*.example.com"], "b.example.com"),
    ],
)
def test_server_name_is_one_of_the_certificate(bench: Bench, probe: Any, names: list[str], asked: str | None) -> None:
    record = at_rest(bench, probe=probe, attributes={"alt-names": names, "ttl": "90d"})
    assert target_of(record.spec, record.facts).server_name == asked


def test_target_needs_a_probe(bench: Bench) -> None:
    record = at_rest(bench, probe=None)
    with pytest.raises(ValueError, match="no probe"):
        target_of(record.spec, record.facts)


def test_stale_certificates_are_counted_at_each_check(bench: Bench) -> None:
    at_rest(bench)
    serve(bench, leaf(bench, fingerprint_sha256=OTHER))
    names = [[name for name, *_ in report_metrics(check(bench))] for _ in range(2)]
    assert names == [["CertificatesStale"], ["CertificatesStale"]]
    serve(bench, leaf(bench))
    assert list(report_metrics(check(bench))) == []


def test_probe_changes_no_request(bench: Bench) -> None:
    assert spec(probe=PROBE).request_hash == spec().request_hash
    assert Spec.model_validate(spec(probe=PROBE).document()).probe.address == PROBE
