"""A destination with a quota: what counts as a write, and what is announced while the quota is used up."""

from __future__ import annotations

from datetime import timedelta

import pytest

from evercert.contracts.destination import Delivered
from evercert.contracts.issuer import OpenIssuer
from evercert.contracts.record import Delivery
from evercert.errors import ClaimLost, EvercertError, Misconfigured, QuotaExceeded, Unavailable
from evercert.issuance.metrics import report_metrics
from evercert.issuance.outbox import RunReport
from evercert.pki.certificate import Bundle
from tests.doubles.fakes import START, Bench, as_long_as, spec
from tests.unit.issuance.helpers import announced
from tests.unit.issuance.test_delivery import SECOND, Shelf, later, queue

FULL = QuotaExceeded("shelf: quota exceeded")


class Refusing(Shelf):
    """A shelf that refuses with this error, if any."""

    error: EvercertError | None = None

    def deliver(self, bundle: Bundle, here: Delivery) -> Delivered:
        if self.error is not None:
            self.seen.append(here)
            raise self.error
        return super().deliver(bundle, here)


@pytest.fixture
def shelf(bench: Bench) -> Refusing:
    bench.destinations.known["here"] = shelf = Refusing(bench.clock, creates=False)
    return shelf


@pytest.fixture
def secret(bench: Bench, shelf: Refusing) -> None:
    """Issue a certificate for the shelf and a secret; the shelf refuses its renewal."""
    bench.want(spec(to=("here", "secret"), lifecycle={"status-check-interval": "90d"}))
    bench.run()
    shelf.error = FULL
    bench.clock.now = bench.record().renew_at
    assert bench.run() == "certificate.renewed"


def counted(bench: Bench) -> int:
    return bench.rate_limiter.used("shelf", bench.clock())


def again(bench: Bench) -> RunReport:
    """Run at the due time; return the report."""
    bench.clock.now = max(bench.record().due_at, bench.clock.now)
    return bench.issuance.run("web")


# -- what counts ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("error", [FULL, Misconfigured("denied"), Unavailable("down"), RuntimeError("bug")], ids=str)
def test_failed_write_does_not_count(bench: Bench, shelf: Refusing, error: EvercertError) -> None:
    shelf.error = error
    bench.want(spec())
    for _ in range(5):
        again(bench)
    assert len(shelf.seen) >= 2
    assert counted(bench) == 0
    shelf.error = None
    for _ in as_long_as(lambda: not shelf.things, most=9):
        again(bench)
    assert counted(bench) == 1


def test_metric_leaves_out_the_refused_write(bench: Bench, shelf: Refusing) -> None:
    queue(bench, 40)
    bench.clock.advance(days=1)
    shelf.error = FULL
    bench.want(spec())
    assert bench.issuance.run("web").details["imports_used_percent"] == 40


def test_write_with_a_lost_answer_counts_once(bench: Bench, shelf: Refusing) -> None:
    bench.want(spec())
    shelf.creates, shelf.lost = True, ["after"]
    assert bench.run() == "certificate.failed"
    for _ in as_long_as(lambda: bench.record().state != "ready"):
        later(bench)
    assert (len(shelf.things), counted(bench)) == (1, 1)


@pytest.mark.parametrize("waits", [False, True])
def test_throttled_write_counts_once(bench: Bench, shelf: Refusing, waits: bool) -> None:
    """The slot of the refused write has passed: the next write takes another one, and counts."""
    bench.want(spec())
    before_us = 30 if waits else 0
    queue(bench, before_us)
    shelf.throttles = 1
    for _ in as_long_as(lambda: not shelf.things, most=9):
        later(bench)
    assert bench.clock() < START + (before_us + 60) * SECOND
    assert len(bench.rate_limiter.taken["shelf"]) == before_us + 2
    assert counted(bench) == before_us + 1


@pytest.mark.parametrize("error", [Unavailable("table"), Misconfigured("no permission")], ids=["down", "denied"])
def test_failed_give_back_changes_no_outcome(bench: Bench, shelf: Refusing, error: EvercertError) -> None:
    def fail(*_: object) -> None:
        raise error

    bench.rate_limiter.give_back = fail  # type: ignore[method-assign]
    shelf.error = FULL
    bench.want(spec())
    assert bench.run() == "certificate.failed"
    assert bench.record().last_error.message == str(FULL)
    assert counted(bench) == 1


def test_run_without_its_claim_gives_nothing_back(bench: Bench, shelf: Refusing) -> None:
    """The run that took over may use the slot."""
    bench.want(spec())
    shelf.error = ClaimLost("claimed by another run")
    assert bench.run() == "overtaken"
    assert counted(bench) == 1


# -- what is announced ------------------------------------------------------------------------------------------------
def test_full_quota_is_announced_once(bench: Bench, shelf: Refusing) -> None:
    shelf.error = FULL
    bench.want(spec())
    assert [again(bench).outcome for _ in range(4)] == ["certificate.failed", "waiting", "waiting", "waiting"]
    assert (bench.record().failures, bench.record().state, len(shelf.seen)) == (4, "failing", 4)
    assert bench.record().due_at == bench.record().retry_at > bench.clock()
    shelf.error = None
    for _ in as_long_as(lambda: not shelf.things, most=9):
        again(bench)
    assert announced(bench) == ["certificate.failed", "certificate.issued"]


@pytest.mark.usefixtures("secret")
def test_full_quota_is_announced_as_the_severity_rises(bench: Bench, shelf: Refusing) -> None:
    record = bench.record()
    assert record.not_after is not None
    events = len(announced(bench))
    assert bench.announcer.announced[-1].data["undelivered"][0]["message"] == str(FULL)
    for _ in as_long_as(lambda: bench.clock() < record.not_after + timedelta(days=3)):
        again(bench)
    (failed,) = bench.announcer.announced[events:]
    assert (failed.type, failed.severity) == ("certificate.failed", "critical")
    assert failed.at - record.renew_at < timedelta(0)  # long before the renewal of the certificate in the secret
    assert len(shelf.seen) > 30


@pytest.mark.usefixtures("secret")
def test_repeated_refusal_still_reaches_log_and_alarms(bench: Bench) -> None:
    report = again(bench)
    assert report.outcome == "waiting"
    assert report.details["message"] == str(FULL)
    assert report.details["severity"] == "warning"
    metrics = {(name, kind.get("kind")) for name, _, _, kind in report_metrics(report)}
    assert metrics == {("IssuanceFailures", "misconfigured"), ("AcmImportsShare", None)}


@pytest.mark.usefixtures("secret")
def test_other_refusal_is_announced(bench: Bench, shelf: Refusing) -> None:
    assert again(bench).outcome == "waiting"
    shelf.error = QuotaExceeded("shelf: another quota exceeded")
    assert again(bench).outcome == "certificate.failed"
    shelf.error = Misconfigured("denied")
    assert [again(bench).outcome, again(bench).outcome] == ["certificate.failed", "certificate.failed"]
    shelf.error = FULL
    assert [again(bench).outcome, again(bench).outcome] == ["certificate.failed", "waiting"]


def test_refusal_of_another_destination_is_announced(bench: Bench, shelf: Refusing) -> None:
    bench.destinations.known["there"] = there = Refusing(bench.clock, service="there", creates=False)
    shelf.error = FULL
    bench.want(spec(to=("here", "there")))
    assert again(bench).outcome == "certificate.issued"
    assert again(bench).outcome == "waiting"
    there.error = QuotaExceeded("there: quota exceeded")
    bench.clock.now = bench.record().renew_at
    assert again(bench).outcome == "certificate.failed"
    assert len(bench.announcer.announced[-1].data["undelivered"]) == 2
    assert again(bench).outcome == "waiting"


def test_refusal_of_a_request_is_announced(bench: Bench, shelf: Refusing) -> None:
    shelf.error = FULL
    bench.want(spec())
    assert [again(bench).outcome for _ in range(2)] == ["certificate.failed", "waiting"]
    bench.clock.advance(seconds=1)
    bench.table.request("web", bench.clock())
    assert [bench.run(), again(bench).outcome] == ["certificate.failed", "waiting"]


def test_quota_of_an_issuer_is_announced_each_time(bench: Bench) -> None:
    bench.want(spec())
    bench.issuers.known["main"] = OpenIssuer(None, "identity")  # type: ignore[arg-type]
    bench.issuers.error = QuotaExceeded("the CA has used up its quota")
    assert [again(bench).outcome for _ in range(2)] == ["certificate.failed", "certificate.failed"]
