"""One certificate from claim to announcement: every way a run can go."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from evercert.aws.dynamodb import items
from evercert.contracts.issuer import OpenIssuer
from evercert.contracts.record import SCHEMA, Claim
from evercert.errors import Misconfigured, OutOfTime, Rejected, Unavailable
from evercert.issuers.self_signed import SelfSigned
from tests.doubles.fakes import LEASE, Bench, spec
from tests.doubles.scripted_ca import ScriptedCA, ScriptedIssuer

SELF_SIGNED = OpenIssuer(SelfSigned(SelfSigned.Settings()), "self-signed")


@pytest.fixture
def bench() -> Bench:
    bench = Bench()
    bench.issuers.known["main"] = SELF_SIGNED
    return bench


@pytest.fixture
def ca(bench: Bench) -> Iterator[ScriptedCA]:
    """The scripted CA as the issuer `main`."""
    ca = ScriptedCA()
    ScriptedIssuer.transport = ca.transport()
    settings = ScriptedIssuer.Settings(address="https://ca.example")
    bench.issuers.known["main"] = OpenIssuer(ScriptedIssuer(settings), "scripted")
    yield ca
    ScriptedIssuer.transport = None


def announced(bench: Bench) -> list[str]:
    return [outcome.type for outcome in bench.announcer.announced]


# -- the plain way ----------------------------------------------------------------------------------------------------
def test_a_missing_certificate_is_issued_delivered_and_announced(bench: Bench) -> None:
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


def test_nothing_is_done_before_the_time_has_come(bench: Bench) -> None:
    bench.want(spec())
    bench.run()
    assert bench.run() == "nothing-to-do"
    record = bench.record()
    assert record.due_at == record.check_at < record.renew_at
    assert bench.destinations.known["here"].deliveries == 1


def test_renews_with_a_new_key_when_the_time_has_come(bench: Bench) -> None:
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


def test_a_wish_for_a_too_early_renewal_is_clamped_and_said(bench: Bench) -> None:
    wanted = spec(attributes={"common-name": "www.example.com"}, lifecycle={"renew-before-expiry": "85d"})
    bench.want(wanted)
    bench.run()
    record = bench.record()
    third = record.facts.not_before + record.facts.lifetime / 3
    assert timedelta(0) <= record.renew_at - third < timedelta(minutes=5)
    assert "one third" in bench.announcer.announced[-1].data["note"]


def test_a_certificate_without_a_common_name_renews_like_any_other(bench: Bench) -> None:
    """What is not there is not stored, and must not be missed when the record is read again."""
    bench.want(spec(attributes={"alt-names": ["www.example.com", "uri:spiffe://example.org/web"]}))
    assert bench.run() == "certificate.issued"
    bench.clock.now = bench.record().renew_at
    assert bench.run() == "certificate.renewed"


def test_a_request_is_served_once(bench: Bench) -> None:
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
def test_an_edit_of_what_is_wanted_issues_anew(bench: Bench, changes: dict, reason: str) -> None:
    bench.want(spec())
    bench.run()
    bench.edit(spec(**changes))
    assert bench.run() == "certificate.renewed"
    assert bench.announcer.announced[-1].data["reason"] == reason
    assert bench.record().delivered(2)


@pytest.mark.parametrize(
    "changes", [{"labels": {"team": "web"}}, {"lifecycle": {"renew-before-expiry": "10d"}}], ids=["labels", "lifecycle"]
)
def test_an_edit_of_labels_or_lifecycle_issues_nothing(bench: Bench, changes: dict) -> None:
    bench.want(spec())
    bench.run()
    bench.edit(spec(**changes))
    assert bench.run() == "nothing-to-do"
    record = bench.record()
    wish = changes.get("lifecycle")
    if wish:
        assert record.renew_at == record.facts.not_after - timedelta(days=10)
    assert record.due_at == record.check_at < record.renew_at


def test_another_issuer_behind_the_name_issues_anew(bench: Bench) -> None:
    bench.want(spec())
    bench.run()
    bench.issuers.known["main"] = OpenIssuer(SELF_SIGNED.issuer, "another CA")
    assert bench.run() == "certificate.renewed"
    assert bench.announcer.announced[-1].data["reason"] == "issuer-changed"


# -- claim and fence --------------------------------------------------------------------------------------------------
def test_a_held_certificate_is_left_to_its_holder(bench: Bench) -> None:
    bench.want(spec())
    bench.table.claim("web", Claim(id="other", until=bench.clock() + LEASE), bench.clock())
    assert bench.run() == "busy"
    assert bench.destinations.known == {}


def test_an_ended_claim_is_taken_over(bench: Bench) -> None:
    bench.want(spec())
    bench.table.claim("web", Claim(id="other", until=bench.clock() + LEASE), bench.clock())
    bench.clock.advance(seconds=91)
    assert bench.run() == "certificate.issued"


def test_a_deleted_certificate_is_gone_without_an_error(bench: Bench) -> None:
    assert bench.run() == "gone"


def test_a_newer_schema_is_left_alone(bench: Bench) -> None:
    bench.want(spec())
    bench.table.items[items.pk("web"), "record"]["schema"] = {"N": str(SCHEMA + 1)}
    assert bench.run() == "newer-schema"
    assert bench.destinations.known == {}


def test_a_run_that_lost_its_claim_while_asking_delivers_nothing(bench: Bench, ca: ScriptedCA) -> None:
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


def test_no_call_starts_that_could_outlive_the_claim(bench: Bench) -> None:
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


# -- seal, ask, save --------------------------------------------------------------------------------------------------
def test_the_key_is_sealed_and_stored_before_the_issuer_hears_of_it(bench: Bench) -> None:
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


def test_a_retry_asks_the_same_question_with_the_same_token(bench: Bench, ca: ScriptedCA) -> None:
    ca.script = ["unavailable", "unavailable", "issue"]
    bench.want(spec())
    for _ in range(2):
        assert bench.run() == "certificate.failed"
        bench.clock.now = bench.record().retry_at
    assert bench.run() == "certificate.issued"
    assert len(set(ca.asked)) == 1
    assert bench.record().revision == 1


def test_the_chain_is_saved_before_it_is_delivered(bench: Bench) -> None:
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


def test_what_was_issued_is_delivered_later_without_being_issued_again(bench: Bench, ca: ScriptedCA) -> None:
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


def test_no_destination_took_it_is_a_failure_and_not_a_renewal(bench: Bench, ca: ScriptedCA) -> None:
    bench.want(spec())
    bench.destinations.open(spec().destinations[0], "web").errors = [Unavailable("closed")]
    assert bench.run() == "certificate.failed"
    record = bench.record()
    assert record.facts is None
    assert record.pending.chain is not None
    bench.clock.now = record.retry_at
    assert bench.run() == "certificate.issued"
    assert len(ca.issued) == 1


def test_a_bug_in_one_destination_does_not_stop_the_others(bench: Bench) -> None:
    bench.want(spec(to=("broken", "here")))
    bench.destinations.open(spec(to=("broken",)).destinations[0], "web").errors = [KeyError("secret-looking")]
    assert bench.run() == "certificate.issued"
    assert bench.destinations.known["here"].deliveries == 1
    (undelivered,) = bench.announcer.announced[-1].data["undelivered"]
    assert undelivered["kind"] == "unexpected"
    assert "secret-looking" not in undelivered["message"]


def test_a_destination_that_could_never_take_it_stops_before_anything_is_issued(bench: Bench, ca: ScriptedCA) -> None:
    bench.want(spec())
    bench.destinations.open(spec().destinations[0], "web").refuses = Rejected("too large")
    assert bench.run() == "certificate.failed"
    assert ca.asked == []
    assert bench.record().revision == 0


def test_a_broken_seal_costs_a_revision_and_no_more(bench: Bench, ca: ScriptedCA) -> None:
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


# -- issuers that take time -------------------------------------------------------------------------------------------
def test_pending_is_stored_nudged_and_silent(bench: Bench, ca: ScriptedCA) -> None:
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


def test_an_early_message_asks_nobody(bench: Bench, ca: ScriptedCA) -> None:
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


def test_a_pending_request_ends_at_its_first_deadline(bench: Bench, ca: ScriptedCA) -> None:
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


def test_an_edit_gives_up_what_is_pending_and_cancels_it(bench: Bench, ca: ScriptedCA) -> None:
    ca.script = ["pending"]
    bench.want(spec())
    bench.run()
    bench.edit(spec(attributes={"common-name": "other.example.com", "ttl": "90d"}))
    assert bench.run() == "certificate.issued"
    assert ca.cancelled == [f"handle-{ca.asked[0]}"]
    assert bench.announcer.announced[-1].data["gave_up"] == "revision 1 (missing): cancelled"
    assert bench.record().facts.names == ("dns:other.example.com",)


def test_what_is_given_up_after_issuance_is_revoked(bench: Bench, ca: ScriptedCA) -> None:
    bench.want(spec())
    bench.destinations.open(spec().destinations[0], "web").errors = [Unavailable("closed")]
    bench.run()
    bench.clock.advance(minutes=1)  # the destination's breaker is not passed by an edit
    bench.edit(spec(attributes={"common-name": "other.example.com", "ttl": "90d"}))
    assert bench.run() == "certificate.issued"
    assert len(ca.revoked) == 1


def test_what_a_destination_uses_is_never_revoked(bench: Bench, ca: ScriptedCA) -> None:
    bench.want(spec(to=("here", "there")))
    bench.destinations.open(spec(to=("there",)).destinations[0], "web").errors = [Unavailable("closed")]
    bench.run()
    changed = spec(to=("here", "there"), attributes={"common-name": "other.example.com", "ttl": "90d"})
    bench.edit(changed)
    assert bench.run() == "certificate.renewed"
    assert ca.revoked == []
    assert "in use" in bench.announcer.announced[-1].data["gave_up"]


def test_a_reverted_edit_gives_up_what_it_began_and_issues_nothing(bench: Bench, ca: ScriptedCA) -> None:
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


def test_a_saved_chain_that_grew_old_is_not_delivered(bench: Bench, ca: ScriptedCA) -> None:
    bench.want(spec())
    bench.destinations.open(spec().destinations[0], "web").errors = [Unavailable("closed")]
    bench.run()
    bench.clock.advance(days=25)  # the scripted CA issues for 30 days
    assert bench.run() == "certificate.issued"
    assert bench.record().revision == 2


# -- failures ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("step", "kind", "state"),
    [
        ("reject", "rejected", "stopped"),
        ("unavailable", "unavailable", "failing"),
        ("misconfigured", "misconfigured", "failing"),
        ("hang", "unavailable", "failing"),
        ("garbage", "rejected", "stopped"),
        ("wrong-key", "rejected", "stopped"),
        ("wrong-name", "rejected", "stopped"),
        ("expired", "rejected", "stopped"),
    ],
)
def test_each_failure_is_recorded_announced_and_comes_back(
    bench: Bench, ca: ScriptedCA, step: str, kind: str, state: str
) -> None:
    ca.script = [step]
    bench.want(spec())
    assert bench.run() == "certificate.failed"
    record = bench.record()
    assert (record.state, record.last_error.kind, record.failures, record.claim) == (state, kind, 1, None)
    assert record.due_at == record.retry_at > bench.clock()
    (outcome,) = bench.announcer.announced
    assert (outcome.data["kind"], outcome.data["attempt"], outcome.severity) == (kind, 1, "critical")
    assert "\x1b" not in outcome.data["message"]
    assert bench.destinations.known.get("here") is None or bench.destinations.known["here"].deliveries == 0
    bench.clock.now = record.retry_at
    assert bench.run() == "certificate.issued"


@pytest.mark.parametrize("step", ["wrong-key", "wrong-name", "expired"])
def test_a_misfit_is_revoked_and_the_old_certificate_stays(bench: Bench, ca: ScriptedCA, step: str) -> None:
    bench.want(spec())
    bench.run()
    held = bench.destinations.known["here"].bundle
    ca.script = [step]
    bench.clock.now = bench.record().renew_at
    assert bench.run() == "certificate.failed"
    assert len(ca.revoked) == 1
    assert bench.destinations.known["here"].bundle is held
    assert bench.record().facts.serial_number == held.chain.serial_number


def test_the_back_off_holds_a_repeated_message(bench: Bench, ca: ScriptedCA) -> None:
    ca.script = ["unavailable"]
    bench.want(spec())
    bench.run()
    bench.clock.advance(seconds=30)
    assert bench.run() == "waiting"
    assert len(ca.asked) == 1
    assert bench.record().due_at == bench.record().retry_at


@pytest.mark.parametrize("passing", ["request", "edit", "issuer"])
def test_a_request_an_edit_and_a_mended_issuer_pass_the_back_off(bench: Bench, ca: ScriptedCA, passing: str) -> None:
    ca.script = ["reject"]
    bench.want(spec())
    bench.run()
    bench.clock.advance(seconds=30)
    if passing == "request":
        bench.table.request("web", bench.clock())
    elif passing == "edit":
        bench.edit(spec(attributes={"common-name": "other.example.com", "ttl": "90d"}))
    else:
        bench.issuers.known["main"] = SELF_SIGNED
    assert bench.run() == "certificate.issued"


def test_a_failed_request_does_not_pass_the_back_off_twice(bench: Bench, ca: ScriptedCA) -> None:
    ca.script = ["unavailable", "unavailable"]
    bench.want(spec())
    bench.run()
    bench.clock.advance(seconds=30)
    bench.table.request("web", bench.clock())
    assert bench.run() == "certificate.failed"
    assert bench.run() == "waiting"
    assert len(ca.asked) == 2


def test_an_undefined_issuer_is_said_once_until_it_is_mended(bench: Bench) -> None:
    bench.issuers.known.clear()
    bench.want(spec())
    assert bench.run() == "certificate.failed"
    assert bench.run() == "waiting"
    assert announced(bench) == ["certificate.failed"]


def test_the_issuers_wish_to_wait_longer_is_granted(bench: Bench) -> None:
    class Busy:
        def issue(self, request):
            raise Unavailable("rate limited", retry_after=timedelta(hours=7))

    bench.issuers.known["main"] = OpenIssuer(Busy(), "busy")
    bench.want(spec())
    bench.run()
    assert bench.record().retry_at == bench.clock() + timedelta(hours=7)


def test_a_bug_is_recorded_and_announced_without_its_text(bench: Bench) -> None:
    class Buggy:
        def issue(self, request):
            raise RuntimeError("token=hunter2")

    bench.issuers.known["main"] = OpenIssuer(Buggy(), "buggy")
    bench.want(spec())
    assert bench.run() == "certificate.failed"
    message = bench.record().last_error.message
    assert "RuntimeError at test_run.py" in message
    assert "hunter2" not in message


# -- edits and requests during a run ----------------------------------------------------------------------------------
@pytest.mark.parametrize("what", ["edit", "request"])
def test_what_moved_during_the_run_is_due_at_once(bench: Bench, what: str) -> None:
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


def test_a_lost_nudge_costs_nothing(bench: Bench, ca: ScriptedCA) -> None:
    ca.script = ["pending"]
    bench.queue.error = Unavailable("throttled")
    bench.want(spec())
    assert bench.run() == "pending"
    assert bench.record().due_at == bench.record().pending.retry_at


def test_a_nudge_later_than_a_queue_can_hold_is_left_to_the_schedule(bench: Bench, ca: ScriptedCA, monkeypatch) -> None:
    monkeypatch.setattr("tests.doubles.scripted_ca.POLL", timedelta(minutes=16))
    ca.script = ["pending"]
    bench.want(spec())
    bench.run()
    assert bench.queue.later == []


# -- announcing -------------------------------------------------------------------------------------------------------
def test_a_topic_that_refuses_delays_its_event_and_not_the_certificate(bench: Bench) -> None:
    bench.announcer.error = Unavailable("throttled")
    bench.want(spec())
    assert bench.run() == "certificate.issued"
    assert bench.record().state == "ready"
    bench.clock.advance(minutes=2)
    (due,) = bench.table.due(bench.clock())
    assert due.key[1].startswith("outcome#")


def test_an_item_that_does_not_parse_is_rejected_once(bench: Bench) -> None:
    bench.want(spec())
    bench.table.items[items.pk("web"), "record"]["spec"] = {"S": '{"name": "web"}'}
    assert bench.run() == "spec.rejected"
    item = bench.table.items[items.pk("web"), "record"]
    assert "due_at" not in item
    assert "claim" not in item
    assert announced(bench) == ["spec.rejected"]
    assert "apply its document again" in bench.announcer.announced[0].data["message"]


def test_a_repeated_nudge_does_not_reject_an_item_again(bench: Bench) -> None:
    bench.want(spec())
    bench.table.items[items.pk("web"), "record"]["spec"] = {"S": "{"}
    assert [bench.run(), bench.run(), bench.run()] == ["spec.rejected", "nothing-to-do", "nothing-to-do"]
    item = bench.table.items[items.pk("web"), "record"]
    assert "claim" not in item
    assert "due_at" not in item
    assert announced(bench) == ["spec.rejected"]


def test_an_item_that_is_broken_in_another_way_or_asked_for_is_rejected_again(bench: Bench) -> None:
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


def test_an_item_with_a_name_that_moves_a_cursor_is_told_without_it(bench: Bench) -> None:
    bench.want(spec())
    item = dict(bench.table.items[items.pk("web"), "record"])
    bench.table.items[items.pk("\x1b[2J\n"), "record"] = {**item, "pk": {"S": items.pk("\x1b[2J\n")}}
    assert bench.issuance.run("\x1b[2J\n").outcome == "spec.rejected"
    assert bench.announcer.announced[0].data["message"].isprintable()


def test_an_item_that_was_rejected_and_mended_by_hand_is_issued(bench: Bench) -> None:
    bench.want(spec())
    item = bench.table.items[items.pk("web"), "record"]
    whole = item["spec"]
    item["spec"] = {"S": "{"}
    bench.run()
    item["spec"] = whole
    assert bench.run() == "certificate.issued"


def test_misconfigured_before_the_claim_is_the_callers(bench: Bench) -> None:
    """Only the inventory's own trouble leaves `run` as an exception."""
    bench.want(spec())
    bench.seal.error = Misconfigured("the key is disabled")
    assert bench.run() == "certificate.failed"
    assert bench.record().last_error.kind == "misconfigured"


def test_out_of_time_is_no_failure(bench: Bench) -> None:
    bench.want(spec())
    bench.destinations.open(spec().destinations[0], "web").errors = [OutOfTime("too late")]
    assert bench.run() == "out-of-time"
    assert announced(bench) == []


# -- requests beside what is under way --------------------------------------------------------------------------------
def test_a_request_is_served_by_what_is_asked_for_after_it(bench: Bench, ca: ScriptedCA) -> None:
    ca.script = ["unavailable"]
    bench.want(spec())
    bench.run()
    bench.clock.advance(minutes=1)
    bench.table.request("web", bench.clock())
    assert bench.run() == "certificate.issued"
    assert bench.record().served == bench.record().requested_at
    assert len(ca.issued) == 1


def test_a_request_after_issuance_is_served_after_the_late_delivery(bench: Bench, ca: ScriptedCA) -> None:
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


def test_a_key_that_is_not_the_one_of_the_request_is_never_delivered(bench: Bench, ca: ScriptedCA) -> None:
    """Whatever opens the seal, certificate and key go out together or not at all (P3)."""
    from evercert.pki.keys import PrivateKey

    bench.want(spec())
    bench.destinations.open(spec().destinations[0], "web").errors = [Unavailable("closed")]
    bench.run()
    other = bench.seal.close(PrivateKey.generate("EC_prime256v1"), bench.record().uid, 1)
    bench.table.items[items.pk("web"), "record"]["pending"]["M"]["sealed_key"] = {"S": other}
    bench.clock.now = bench.record().retry_at
    assert bench.run() == "certificate.failed"
    assert bench.destinations.known["here"].deliveries == 0
    assert "does not match its CSR" in bench.record().last_error.message


def test_a_reverted_edit_ends_its_failure(bench: Bench, ca: ScriptedCA) -> None:
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


def test_a_delivery_that_a_dead_run_left_unsaid_is_told_even_if_another_destination_fails(
    bench: Bench, ca: ScriptedCA
) -> None:
    """Died after the first destination was written down; in the next run the second one fails."""
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


# -- issuers that will not take back, and clocks of others --------------------------------------------------------------
class Stubborn:
    """An issuer that answers as it is told, and lets nothing be taken back."""

    def __init__(self, ca: ScriptedCA, answer=None) -> None:
        self.inner = ScriptedIssuer(ScriptedIssuer.Settings(address="https://ca.example"))
        self.answer = answer

    def issue(self, request):
        return self.inner.issue(request) if self.answer is None else self.answer(request)

    def revoke(self, chain, reference):
        raise Misconfigured("no right to revoke")

    def cancel(self, handle):
        raise Unavailable("no answer")


def test_a_cancellation_that_fails_keeps_nothing_waiting(bench: Bench, ca: ScriptedCA) -> None:
    ca.script = ["pending"]
    bench.issuers.known["main"] = OpenIssuer(Stubborn(ca), "stubborn")
    bench.want(spec())
    bench.run()
    bench.edit(spec(attributes={"common-name": "other.example.com", "ttl": "90d"}))
    assert bench.run() == "certificate.issued"
    assert "revoking or cancelling failed: no answer" in bench.announcer.announced[-1].data["gave_up"]


def test_a_revocation_that_fails_hides_no_misfit(bench: Bench, ca: ScriptedCA) -> None:
    ca.script = ["wrong-name"]
    bench.issuers.known["main"] = OpenIssuer(Stubborn(ca), "stubborn")
    bench.want(spec())
    assert bench.run() == "certificate.failed"
    error = bench.record().last_error
    assert error.kind == "rejected"
    assert "its names are dns:evil.example" in error.message
    assert "revocation failed: no right to revoke" in error.message
    assert bench.record().pending is None


@pytest.mark.parametrize(
    ("retry", "deadline", "due"),
    [
        (timedelta(0), timedelta(hours=1), timedelta(seconds=5)),
        (-timedelta(days=1), timedelta(hours=1), timedelta(seconds=5)),
        (timedelta(days=3650), timedelta(hours=1), timedelta(hours=1)),
        (timedelta(days=3650), timedelta(days=3650), timedelta(days=30)),
    ],
    ids=["at once", "yesterday", "after the deadline", "in ten years"],
)
def test_no_issuer_sets_our_pace_alone(bench: Bench, ca: ScriptedCA, retry, deadline, due) -> None:
    from evercert.contracts.issuer import PendingAnswer

    answer = lambda request: PendingAnswer("handle", request.now + retry, request.now + deadline)  # noqa: E731
    bench.issuers.known["main"] = OpenIssuer(Stubborn(ca, answer), "stubborn")
    bench.want(spec())
    assert bench.run() == "pending"
    assert bench.record().due_at == bench.clock() + due


def test_a_wish_to_wait_for_years_is_cut_to_a_day(bench: Bench, ca: ScriptedCA) -> None:
    def answer(request):
        raise Unavailable("rate limited", retry_after=timedelta(days=3650))

    bench.issuers.known["main"] = OpenIssuer(Stubborn(ca, answer), "stubborn")
    bench.want(spec())
    bench.run()
    assert bench.record().retry_at == bench.clock() + timedelta(days=1)


def test_a_former_issuer_that_is_still_there_is_asked_to_cancel(bench: Bench, ca: ScriptedCA) -> None:
    ca.script = ["pending"]
    bench.want(spec())
    bench.run()
    bench.issuers.known["other"] = SELF_SIGNED
    bench.edit(spec(issuer="other"))
    assert bench.run() == "certificate.issued"
    assert len(ca.cancelled) == 1


def test_a_former_issuer_that_is_gone_is_said(bench: Bench, ca: ScriptedCA) -> None:
    ca.script = ["pending"]
    bench.want(spec())
    bench.run()
    del bench.issuers.known["main"]
    bench.issuers.known["other"] = SELF_SIGNED
    bench.edit(spec(issuer="other"))
    assert bench.run() == "certificate.issued"
    assert "issuer main was changed or deleted" in bench.announcer.announced[-1].data["gave_up"]


def test_a_mended_issuer_passes_the_back_off_of_its_absence(bench: Bench) -> None:
    bench.issuers.known.clear()
    bench.want(spec())
    bench.run()
    bench.clock.advance(seconds=30)
    bench.issuers.known["main"] = SELF_SIGNED
    assert bench.run() == "certificate.issued"


def test_a_destination_that_will_never_take_it_does_not_delay_the_others(bench: Bench) -> None:
    bench.want(spec(to=("never", "later", "here")))
    bench.destinations.open(spec(to=("never",)).destinations[0], "web").errors = [Rejected("no")]
    bench.destinations.open(spec(to=("later",)).destinations[0], "web").errors = [Unavailable("closed")]
    assert bench.run() == "certificate.issued"
    assert bench.record().retry_at - bench.clock() < timedelta(minutes=7)


def test_an_issuer_edited_during_the_run_is_taken_up_at_once(bench: Bench) -> None:
    bench.want(spec())

    class Meanwhile:
        def issue_with(self, request, private_key):
            bench.table.wake("web", bench.clock() + timedelta(hours=1), bench.clock())
            return SELF_SIGNED.issuer.issue_with(request, private_key)

    bench.issuers.known["main"] = OpenIssuer(Meanwhile(), "self-signed")
    bench.run()
    assert bench.record().due_at == bench.clock()


def test_a_certificate_that_cannot_be_read_is_a_misfit(bench: Bench, ca: ScriptedCA) -> None:
    """Two SAN extensions: a certificate that `cryptography` reads, but whose extensions it refuses."""
    from evercert.pki.certificate import misfits

    class Leaf:
        @property
        def extensions(self):
            raise ValueError("duplicate extension")

    class Broken:
        leaf = Leaf()

    assert misfits(Broken(), spec().attributes, b"", bench.clock()) == [
        "its extensions or its public key cannot be read"
    ]


# -- a certificate that comes late, and hands that spoil a record ------------------------------------------------------
def test_a_certificate_that_is_old_when_it_comes_is_not_renewed_at_once_and_again(bench: Bench) -> None:
    """An issuer that hands out what it issued long ago: past its own renewal time on the first day."""

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


def test_a_lowered_count_takes_no_revision_twice(bench: Bench, ca: ScriptedCA) -> None:
    bench.want(spec())
    bench.run()
    bench.table.items[items.pk("web"), "record"].pop("revision")
    bench.clock.advance(minutes=1)
    bench.table.request("web", bench.clock())
    assert bench.run() == "certificate.renewed"
    assert bench.record().facts.revision == 2
    held = bench.destinations.known["here"].bundle.chain
    assert held.serial_number == bench.record().facts.serial_number


def test_one_broken_destination_keeps_a_requested_certificate_from_nobody(bench: Bench, ca: ScriptedCA) -> None:
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
def test_a_spoiled_record_is_rejected_once_and_leaves_the_due_index(bench: Bench, attribute: str, value: dict) -> None:
    bench.want(spec())
    bench.table.items[items.pk("web"), "record"][attribute] = value
    first = bench.run()
    if attribute == "schema":  # nobody needs it to be a number
        assert first == "certificate.issued"
        return
    assert first == "spec.rejected"
    assert "due_at" not in bench.table.items[items.pk("web"), "record"]
    assert bench.queue.later == []


# -- several destinations, and what must not be forgotten ---------------------------------------------------------------
def broken(bench: Bench, name: str, *errors: Exception) -> None:
    bench.destinations.open(spec(to=(name,)).destinations[0], "web").errors = list(errors)


def test_an_added_destination_is_not_forgotten_with_a_reverted_edit(bench: Bench, ca: ScriptedCA) -> None:
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
    """Hands out certificates that are seventy days old."""

    def issue_with(self, request, private_key):
        return SELF_SIGNED.issuer.issue_with(replace(request, now=request.now - timedelta(days=70)), private_key)


def test_an_old_certificate_is_delivered_late_and_not_issued_again(bench: Bench) -> None:
    bench.issuers.known["main"] = OpenIssuer(Aged(), "aged")
    bench.want(spec())
    broken(bench, "here", Unavailable("closed"), Unavailable("closed"))
    for _ in range(2):
        assert bench.run() == "certificate.failed"
        bench.clock.now = bench.record().due_at
    assert bench.run() == "certificate.issued"
    assert bench.record().revision == 1


def test_a_late_delivery_does_not_put_the_renewal_off(bench: Bench) -> None:
    bench.want(spec(to=("a", "b"), lifecycle={"renew-before-expiry": "15d"}))
    broken(bench, "b", Unavailable("closed"))
    bench.run()
    renewal = bench.record().renew_at
    bench.clock.advance(days=70)
    assert bench.run() == "certificate.delivered"
    assert bench.record().renew_at == renewal


def test_removing_the_destination_that_failed_announces_nothing(bench: Bench) -> None:
    bench.want(spec(to=("a", "b")))
    broken(bench, "b", Unavailable("closed"))
    bench.run()
    bench.edit(spec(to=("a",)))
    assert bench.run() == "nothing-to-do"
    record = bench.record()
    assert (record.state, record.pending, record.last_error) == ("ready", None, None)
    assert record.due_at == record.check_at < record.renew_at
    assert announced(bench) == ["certificate.issued"]


def test_a_request_is_not_held_by_a_destination_that_refused_the_one_before(bench: Bench, ca: ScriptedCA) -> None:
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


def test_a_destination_that_refuses_does_not_let_the_others_expire(bench: Bench) -> None:
    """A rejection waits a day; a certificate of twelve hours does not."""
    bench.want(spec(to=("a", "b"), attributes={"common-name": "www.example.com", "ttl": "12h"}))
    broken(bench, "b", *[Rejected("never")] * 9)
    assert bench.run() == "certificate.issued"
    assert bench.record().due_at == bench.record().renew_at
    bench.clock.now = bench.record().due_at
    assert bench.run() == "certificate.renewed"
    assert bench.announcer.announced[-1].data["reason"] == "near-expiry"
    assert bench.destinations.known["a"].deliveries == 2
