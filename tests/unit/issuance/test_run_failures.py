"""Runs that fail: errors, back-off, issuers that refuse to revoke or cancel."""

from __future__ import annotations

from datetime import timedelta

import pytest

from evercert.aws.dynamodb import items
from evercert.contracts.issuer import OpenIssuer, PendingAnswer
from evercert.contracts.part import LAST_COUNT
from evercert.errors import Misconfigured, Rejected, Throttled, Unavailable
from evercert.issuance.circuit_breaker import LONGEST_TURN
from tests.doubles.fakes import Bench, spec
from tests.doubles.scripted_ca import ScriptedCA, ScriptedIssuer
from tests.unit.issuance.helpers import SELF_SIGNED, announced


# -- errors and back-off ----------------------------------------------------------------------------------------------
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
def test_failure_is_stored_announced_and_retried(
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
def test_mismatch_is_revoked_and_old_certificate_remains(bench: Bench, ca: ScriptedCA, step: str) -> None:
    bench.want(spec())
    bench.run()
    held = bench.destinations.known["here"].bundle
    ca.script = [step]
    bench.clock.now = bench.record().renew_at
    assert bench.run() == "certificate.failed"
    assert len(ca.revoked) == 1
    assert bench.destinations.known["here"].bundle is held
    assert bench.record().facts.serial_number == held.chain.serial_number


def test_back_off_holds_repeated_message(bench: Bench, ca: ScriptedCA) -> None:
    ca.script = ["unavailable"]
    bench.want(spec())
    bench.run()
    bench.clock.advance(seconds=30)
    assert bench.run() == "waiting"
    assert len(ca.asked) == 1
    assert bench.record().due_at == bench.record().retry_at


@pytest.mark.parametrize("passing", ["request", "edit", "issuer"])
def test_changes_pass_the_back_off(bench: Bench, ca: ScriptedCA, passing: str) -> None:
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


def test_failed_request_passes_back_off_once(bench: Bench, ca: ScriptedCA) -> None:
    ca.script = ["unavailable", "unavailable"]
    bench.want(spec())
    bench.run()
    bench.clock.advance(seconds=30)
    bench.table.request("web", bench.clock())
    assert bench.run() == "certificate.failed"
    assert bench.run() == "waiting"
    assert len(ca.asked) == 2


def test_undefined_issuer_is_announced_once(bench: Bench) -> None:
    bench.issuers.known.clear()
    bench.want(spec())
    assert bench.run() == "certificate.failed"
    assert bench.run() == "waiting"
    assert announced(bench) == ["certificate.failed"]


def test_retry_after_of_issuer_is_kept(bench: Bench) -> None:
    class Busy:
        def issue(self, request):
            raise Unavailable("rate limited", retry_after=timedelta(hours=7))

    bench.issuers.known["main"] = OpenIssuer(Busy(), "busy")
    bench.want(spec())
    bench.run()
    assert bench.record().retry_at == bench.clock() + timedelta(hours=7)


def test_throttled_issuer_is_asked_again_soon(bench: Bench) -> None:
    class Credentials:
        def issue(self, request):
            raise Throttled("cannot read the credential: too many requests")

    bench.issuers.known["main"] = OpenIssuer(Credentials(), "throttled")
    bench.want(spec())
    assert bench.run() == "put-off"
    assert announced(bench) == []
    ((nudge, delay),) = bench.queue.later
    assert (nudge.certificate, delay) == ("web", LONGEST_TURN)


def test_bug_is_announced_without_its_text(bench: Bench) -> None:
    class Buggy:
        def issue(self, request):
            raise RuntimeError("token=hunter2")

    bench.issuers.known["main"] = OpenIssuer(Buggy(), "buggy")
    bench.want(spec())
    assert bench.run() == "certificate.failed"
    message = bench.record().last_error.message
    assert "RuntimeError at test_run_failures.py" in message
    assert "hunter2" not in message


# -- issuers that refuse to revoke or cancel, and wrong clocks --------------------------------------------------------
class Stubborn:
    """An issuer with scripted answers that refuses to revoke and cancel."""

    def __init__(self, ca: ScriptedCA, answer=None) -> None:
        self.inner = ScriptedIssuer(ScriptedIssuer.Settings(address="https://ca.example"))
        self.answer = answer

    def issue(self, request):
        return self.inner.issue(request) if self.answer is None else self.answer(request)

    def revoke(self, chain, reference):
        raise Misconfigured("no right to revoke")

    def cancel(self, handle):
        raise Unavailable("no answer")


def test_failed_cancellation_delays_nothing(bench: Bench, ca: ScriptedCA) -> None:
    ca.script = ["pending"]
    bench.issuers.known["main"] = OpenIssuer(Stubborn(ca), "stubborn")
    bench.want(spec())
    bench.run()
    bench.edit(spec(attributes={"common-name": "other.example.com", "ttl": "90d"}))
    assert bench.run() == "certificate.issued"
    assert "revoking or cancelling failed: no answer" in bench.announcer.announced[-1].data["gave_up"]


def test_failed_revocation_hides_no_mismatch(bench: Bench, ca: ScriptedCA) -> None:
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
def test_poll_interval_is_bounded(bench: Bench, ca: ScriptedCA, retry, deadline, due) -> None:
    answer = lambda request: PendingAnswer("handle", request.now + retry, request.now + deadline)  # noqa: E731
    bench.issuers.known["main"] = OpenIssuer(Stubborn(ca, answer), "stubborn")
    bench.want(spec())
    assert bench.run() == "pending"
    assert bench.record().due_at == bench.clock() + due


def test_retry_after_is_limited_to_a_day(bench: Bench, ca: ScriptedCA) -> None:
    def answer(request):
        raise Unavailable("rate limited", retry_after=timedelta(days=3650))

    bench.issuers.known["main"] = OpenIssuer(Stubborn(ca, answer), "stubborn")
    bench.want(spec())
    bench.run()
    assert bench.record().retry_at == bench.clock() + timedelta(days=1)


def test_former_issuer_cancels(bench: Bench, ca: ScriptedCA) -> None:
    ca.script = ["pending"]
    bench.want(spec())
    bench.run()
    bench.issuers.known["other"] = SELF_SIGNED
    bench.edit(spec(issuer="other"))
    assert bench.run() == "certificate.issued"
    assert len(ca.cancelled) == 1


def test_deleted_former_issuer_is_announced(bench: Bench, ca: ScriptedCA) -> None:
    ca.script = ["pending"]
    bench.want(spec())
    bench.run()
    del bench.issuers.known["main"]
    bench.issuers.known["other"] = SELF_SIGNED
    bench.edit(spec(issuer="other"))
    assert bench.run() == "certificate.issued"
    assert "issuer main was changed or deleted" in bench.announcer.announced[-1].data["gave_up"]


def test_defined_issuer_passes_the_back_off(bench: Bench) -> None:
    bench.issuers.known.clear()
    bench.want(spec())
    bench.run()
    bench.clock.advance(seconds=30)
    bench.issuers.known["main"] = SELF_SIGNED
    assert bench.run() == "certificate.issued"


def test_rejecting_destination_delays_no_other(bench: Bench) -> None:
    bench.want(spec(to=("never", "later", "here")))
    bench.destinations.open(spec(to=("never",)).destinations[0], "web").errors = [Rejected("no")]
    bench.destinations.open(spec(to=("later",)).destinations[0], "web").errors = [Unavailable("closed")]
    assert bench.run() == "certificate.issued"
    assert bench.record().retry_at - bench.clock() < timedelta(minutes=7)


def test_issuer_edit_during_run_is_due_at_once(bench: Bench) -> None:
    bench.want(spec())

    class Meanwhile:
        def issue_with(self, request, private_key):
            bench.table.wake("web", bench.clock() + timedelta(hours=1), bench.clock())
            return SELF_SIGNED.issuer.issue_with(request, private_key)

    bench.issuers.known["main"] = OpenIssuer(Meanwhile(), "self-signed")
    bench.run()
    assert bench.record().due_at == bench.clock()


def test_bug_in_a_conclusion_is_announced_once_a_day(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A value that breaks the run may break the conclusion of its failure too."""

    def broken(*_: object, **__: object) -> None:
        raise OverflowError("s3cret")

    bench.want(spec())
    monkeypatch.setattr("evercert.issuance.run.decide", broken)
    monkeypatch.setattr("evercert.issuance.conclusion.conclude_failure", broken)
    assert bench.run() == "certificate.failed"
    assert bench.queue.later == []
    record = bench.record()
    assert (record.state, record.claim, record.due_at) == ("failing", None, bench.clock() + timedelta(days=1))
    (outcome,) = bench.announcer.announced
    assert (outcome.severity, outcome.data["kind"], outcome.data["attempt"]) == ("critical", "unexpected", 1)
    assert "OverflowError" in outcome.data["message"]
    assert "s3cret" not in outcome.data["message"]
    monkeypatch.undo()
    assert bench.run() == "certificate.issued"


def test_last_count_of_failures_is_kept(bench: Bench, ca: ScriptedCA) -> None:
    """A manual edit set the count; one more would make the record unreadable."""
    bench.want(spec())
    bench.table.items[items.pk("web"), items.SK]["failures"] = {"N": str(LAST_COUNT)}
    ca.script = ["unavailable"]
    assert bench.run() == "certificate.failed"
    assert bench.record().failures == LAST_COUNT
    assert bench.announcer.announced[-1].data["attempt"] == LAST_COUNT
