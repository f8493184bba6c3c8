"""Runs that issue, renew and announce."""

from __future__ import annotations

from datetime import timedelta

import pytest

from evercert.aws.dynamodb import items
from evercert.contracts.issuer import OpenIssuer
from evercert.errors import Misconfigured, OutOfTime, Unavailable
from tests.doubles.fakes import Bench, spec
from tests.doubles.scripted_ca import ScriptedCA
from tests.unit.issuance.helpers import SELF_SIGNED, announced


# -- issue and renew --------------------------------------------------------------------------------------------------
def test_missing_certificate_is_issued(bench: Bench) -> None:
    bench.want(spec())
    assert bench.run() == "certificate.issued"
    record = bench.record()
    assert (record.state, record.revision, record.claim, record.pending) == ("ready", 1, None, None)
    assert record.facts is not None
    assert record.due_at == record.check_at < record.renew_at
    assert bench.destinations.known["here"].bundle.chain.serial_number == record.facts.serial_number
    (outcome,) = bench.announcer.announced
    assert outcome.data["reason"] == "missing"
    assert outcome.data["locations"] == [{"location": "fake:here", "version": record.facts.fingerprint_sha256[:8]}]


def test_run_before_due_time_does_nothing(bench: Bench) -> None:
    bench.want(spec())
    bench.run()
    assert bench.run() == "nothing-to-do"
    record = bench.record()
    assert record.due_at == record.check_at < record.renew_at
    assert bench.destinations.known["here"].deliveries == 1


def test_renewal_uses_a_new_key(bench: Bench) -> None:
    bench.want(spec())
    bench.run()
    first = bench.destinations.known["here"].bundle
    bench.clock.now = bench.record().renew_at
    assert bench.run() == "certificate.renewed"
    second = bench.destinations.known["here"].bundle
    assert second.private_key.public_bytes() != first.private_key.public_bytes()
    previous = bench.announcer.announced[-1].data["previous"]
    assert previous["serial_number"] == first.chain.serial_number
    assert bench.announcer.announced[-1].data["reason"] == "near-expiry"


def test_too_early_renewal_is_clamped_and_announced(bench: Bench) -> None:
    wanted = spec(attributes={"common-name": "www.example.com"}, lifecycle={"renew-before-expiry": "85d"})
    bench.want(wanted)
    bench.run()
    record = bench.record()
    third = record.facts.not_before + record.facts.lifetime / 3
    assert timedelta(0) <= record.renew_at - third < timedelta(minutes=5)
    assert "one third" in bench.announcer.announced[-1].data["note"]


def test_certificate_without_common_name_is_renewed(bench: Bench) -> None:
    """Absent attributes are not stored, and reading the record must not need them."""
    bench.want(spec(attributes={"alt-names": ["www.example.com", "uri:spiffe://example.org/web"]}))
    assert bench.run() == "certificate.issued"
    bench.clock.now = bench.record().renew_at
    assert bench.run() == "certificate.renewed"


def test_request_is_served_once(bench: Bench) -> None:
    bench.want(spec())
    bench.run()
    bench.clock.advance(minutes=1)
    bench.table.request("web", bench.clock())
    assert bench.run() == "certificate.renewed"
    assert bench.announcer.announced[-1].data["reason"] == "requested"
    assert bench.run() == "nothing-to-do"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (
            {"attributes": {"common-name": "www.example.com", "alt-names": ["api.example.com"], "ttl": "90d"}},
            "spec-changed",
        ),
        ({"to": ("here", "there")}, "spec-changed"),
    ],
    ids=["names", "another destination"],
)
def test_edit_of_the_request_issues_again(bench: Bench, changes: dict, reason: str) -> None:
    bench.want(spec())
    bench.run()
    bench.edit(spec(**changes))
    assert bench.run() == "certificate.renewed"
    assert bench.announcer.announced[-1].data["reason"] == reason
    assert bench.record().delivered(2)


@pytest.mark.parametrize(
    "changes", [{"labels": {"team": "web"}}, {"lifecycle": {"renew-before-expiry": "10d"}}], ids=["labels", "lifecycle"]
)
def test_edit_of_labels_or_lifecycle_issues_nothing(bench: Bench, changes: dict) -> None:
    bench.want(spec())
    bench.run()
    bench.edit(spec(**changes))
    assert bench.run() == "nothing-to-do"
    record = bench.record()
    lifecycle = changes.get("lifecycle")
    if lifecycle:
        assert record.renew_at == record.facts.not_after - timedelta(days=10)
    assert record.due_at == record.check_at < record.renew_at


def test_changed_issuer_definition_issues_again(bench: Bench) -> None:
    bench.want(spec())
    bench.run()
    bench.issuers.known["main"] = OpenIssuer(SELF_SIGNED.issuer, "another CA")
    assert bench.run() == "certificate.renewed"
    assert bench.announcer.announced[-1].data["reason"] == "issuer-changed"


# -- changes during a run ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize("what", ["edit", "request"])
def test_change_during_run_is_due_at_once(bench: Bench, what: str) -> None:
    bench.want(spec())

    class Meanwhile:
        def issue_with(self, request, private_key):
            if what == "edit":
                bench.edit(spec(labels={"team": "web"}))
            else:
                bench.table.request("web", bench.clock())
            return SELF_SIGNED.issuer.issue_with(request, private_key)

    bench.issuers.known["main"] = OpenIssuer(Meanwhile(), "self-signed")
    assert bench.run() == "certificate.issued"
    assert bench.record().due_at == bench.clock()
    assert [delay for _, delay in bench.queue.later] == [timedelta(0)]


def test_lost_nudge_is_harmless(bench: Bench, ca: ScriptedCA) -> None:
    ca.script = ["pending"]
    bench.queue.error = Unavailable("throttled")
    bench.want(spec())
    assert bench.run() == "pending"
    assert bench.record().due_at == bench.record().pending.retry_at


def test_late_nudge_is_left_to_the_schedule(bench: Bench, ca: ScriptedCA, monkeypatch) -> None:
    monkeypatch.setattr("tests.doubles.scripted_ca.POLL", timedelta(minutes=16))
    ca.script = ["pending"]
    bench.want(spec())
    bench.run()
    assert bench.queue.later == []


# -- announcements and unreadable items -------------------------------------------------------------------------------
def test_refusing_topic_delays_only_the_event(bench: Bench) -> None:
    bench.announcer.error = Unavailable("throttled")
    bench.want(spec())
    assert bench.run() == "certificate.issued"
    assert bench.record().state == "ready"
    bench.clock.advance(minutes=2)
    (due,) = bench.table.due(bench.clock())
    assert due.key[1].startswith("outcome#")


def test_unreadable_item_is_rejected_once(bench: Bench) -> None:
    bench.want(spec())
    bench.table.items[items.pk("web"), "record"]["spec"] = {"S": '{"name": "web"}'}
    assert bench.run() == "spec.rejected"
    item = bench.table.items[items.pk("web"), "record"]
    assert "due_at" not in item
    assert "claim" not in item
    assert announced(bench) == ["spec.rejected"]
    assert "apply its document again" in bench.announcer.announced[0].data["message"]


def test_repeated_nudge_rejects_item_once(bench: Bench) -> None:
    bench.want(spec())
    bench.table.items[items.pk("web"), "record"]["spec"] = {"S": "{"}
    assert [bench.run(), bench.run(), bench.run()] == ["spec.rejected", "nothing-to-do", "nothing-to-do"]
    item = bench.table.items[items.pk("web"), "record"]
    assert "claim" not in item
    assert "due_at" not in item
    assert announced(bench) == ["spec.rejected"]


def test_changed_unreadable_item_is_rejected_again(bench: Bench) -> None:
    bench.want(spec())
    item = bench.table.items[items.pk("web"), "record"]
    item["spec"] = {"S": "{"}
    bench.run()
    item["spec"] = {"S": '{"name": "web"}'}
    assert bench.run() == "spec.rejected"
    bench.clock.advance(minutes=1)
    bench.table.request("web", bench.clock())
    assert bench.run() == "spec.rejected"
    assert bench.run() == "nothing-to-do"


def test_rejection_sanitizes_control_characters(bench: Bench) -> None:
    bench.want(spec())
    item = dict(bench.table.items[items.pk("web"), "record"])
    bench.table.items[items.pk("\x1b[2J\n"), "record"] = {**item, "pk": {"S": items.pk("\x1b[2J\n")}}
    assert bench.issuance.run("\x1b[2J\n").outcome == "spec.rejected"
    assert bench.announcer.announced[0].data["message"].isprintable()


def test_rejected_item_fixed_by_hand_is_issued(bench: Bench) -> None:
    bench.want(spec())
    item = bench.table.items[items.pk("web"), "record"]
    whole = item["spec"]
    item["spec"] = {"S": "{"}
    bench.run()
    item["spec"] = whole
    assert bench.run() == "certificate.issued"


def test_misconfigured_seal_is_a_failure(bench: Bench) -> None:
    """Only errors of the record store leave `run` as exceptions."""
    bench.want(spec())
    bench.seal.error = Misconfigured("the key is disabled")
    assert bench.run() == "certificate.failed"
    assert bench.record().last_error.kind == "misconfigured"


def test_out_of_time_is_no_failure(bench: Bench) -> None:
    bench.want(spec())
    bench.destinations.open(spec().destinations[0], "web").errors = [OutOfTime("too late")]
    assert bench.run() == "out-of-time"
    assert announced(bench) == []
