"""Several issuers for one certificate: limits, pauses, and little time until the certificate in use expires."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from evercert.contracts.issuer import OpenIssuer, Request
from evercert.errors import (
    AnswerLost,
    EvercertError,
    Mismatch,
    Rejected,
    Slowed,
    Unavailable,
    Unsuited,
)
from evercert.issuance import obtain
from evercert.issuance.candidates import APPROVAL_LASTS, PATIENCE, Candidates
from tests.doubles import scripted_ca
from tests.doubles.fakes import START, Bench, FakeDestination
from tests.doubles.scripted_ca import ScriptedCA
from tests.unit.issuance.helpers import announced
from tests.unit.issuance.several_issuers import DAY, HOUR, MINUTE, Turns, due, limit, listed, renewed


@dataclass
class Limited(Turns):
    """An issuer that names a new limit at each call, once its answers are used up."""

    bench: Bench | None = None
    wait: timedelta = MINUTE

    def issue(self, request: Request) -> object:  # type: ignore[override]
        if not self.answers and self.bench is not None:
            self.asked.append(request.handle)
            raise limit(self.bench, self.wait)
        return super().issue(request)


def limited(bench: Bench, place: int, turns: Turns, wait: timedelta) -> Limited:
    """Put an issuer with limits in this place of the list."""
    name = ("first", "second")[place]
    found = Limited(turns.inner, turns.answers, bench=bench, wait=wait)
    bench.issuers.known[name] = replace(bench.issuers.known[name], issuer=found)
    return found


def open_breaker(bench: Bench, name: str, span: timedelta) -> None:
    service = f"issuer {name} hash-{1 if name == 'first' else 2}"
    bench.breakers.open(bench.breakers.read(service), 1, bench.clock() + span)


def run_for(bench: Bench, span: timedelta) -> list[str]:
    end, outcomes = bench.clock() + span, []
    while bench.clock() < end:
        outcomes.append(due(bench))
    return outcomes


# -- limits -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("error", [Mismatch("for another name"), Unavailable("503"), Unsuited("never")])
def test_short_limits_of_a_later_issuer_hide_no_failures(
    bench: Bench, issuers: tuple[Turns, Turns], error: EvercertError
) -> None:
    issuers[0].usual = error
    limited(bench, 1, issuers[1], 5 * MINUTE)
    run_for(bench, DAY)
    assert 3 <= announced(bench).count("certificate.failed") <= 9
    assert len(issuers[0].asked) <= 9


def test_refusal_beside_an_outage_backs_off(bench: Bench, issuers: tuple[Turns, Turns]) -> None:
    """The first one fails for other certificates, so that its breaker is open at each run."""
    first, second = issuers
    second.usual = Rejected("caa: CAA forbids it")
    end = bench.clock() + DAY
    while bench.clock() < end:
        bench.clock.now = max(bench.clock(), bench.record().due_at)
        open_breaker(bench, "first", 10 * MINUTE)
        bench.run()
    assert 3 <= announced(bench).count("certificate.failed") == len(second.asked) <= 9
    assert first.asked == []


def test_short_limits_of_the_first_issuer_end(bench: Bench, issuers: tuple[Turns, Turns]) -> None:
    limited(bench, 0, issuers[0], 4 * MINUTE)
    assert run_for(bench, 2 * PATIENCE).count("certificate.issued") == 1
    assert bench.record().issuer_hash == "hash-2"


def test_long_limit_of_the_service_asks_the_next(bench: Bench, issuers: tuple[Turns, Turns]) -> None:
    issuers[0].usual = Slowed("429: too many requests", bench.clock() + 6 * HOUR)
    assert bench.run() == "certificate.issued"
    assert bench.record().issuer_hash == "hash-2"


def test_limit_of_a_poll_does_not_extend_the_hour(bench: Bench, issuers: tuple[Turns, Turns]) -> None:
    assert bench.run() == "certificate.issued"
    issuers[0].answers = ["accepted"]
    limited(bench, 0, issuers[0], 30 * DAY)
    assert renewed(bench) == "pending"
    begin = bench.clock()
    while bench.record().issuer_hash != "hash-2":
        due(bench)
        assert bench.clock() <= begin + 2 * HOUR
    assert "certificate.expired" not in announced(bench)


# -- pauses and requests that were given up ---------------------------------------------------------------------------
def test_pause_after_a_lost_answer_asks_the_next(bench: Bench, issuers: tuple[Turns, Turns]) -> None:
    first, second = issuers
    assert bench.run() == "certificate.issued"
    first.answers = [AnswerLost("no answer to the request")]
    assert renewed(bench) == "certificate.failed"
    bench.issuers.known["first"] = replace(bench.issuers.known["first"], paused=True)
    assert "certificate.renewed" in [due(bench) for _ in range(3)]
    assert (bench.record().issuer_hash, len(second.asked)) == ("hash-2", 1)


def test_refused_revision_is_not_resumed_after_a_delay(bench: Bench, issuers: tuple[Turns, Turns]) -> None:
    issuers[1].answers = [Unsuited("never")]
    open_breaker(bench, "first", 30 * timedelta(seconds=1))
    bench.run()
    assert bench.record().pending is None
    assert due(bench) == "certificate.issued"
    assert (bench.record().issuer_hash, len(issuers[1].asked)) == ("hash-1", 1)


def test_accepted_request_is_cancelled_if_the_next_is_down(bench: Bench, issuers: tuple[Turns, Turns]) -> None:
    first, _ = issuers
    first.answers = ["accepted", Unavailable("503"), Unavailable("503")]
    assert [due(bench), due(bench)] == ["pending", "certificate.failed"]
    bench.clock.now = bench.record().due_at
    open_breaker(bench, "second", 5 * MINUTE)
    assert bench.run() == "certificate.failed"
    assert "revision 1 (missing): " in bench.announcer.announced[-1].data["message"]
    assert bench.record().pending is None


def test_lost_answer_counts_as_accepted_in_the_next_run(
    bench: Bench, issuers: tuple[Turns, Turns], ca: ScriptedCA
) -> None:
    """The breaker was opened by other certificates."""
    issuers[0].answers = [AnswerLost("no answer to the request")]
    assert bench.run() == "certificate.failed"
    bench.clock.now = bench.record().due_at
    open_breaker(bench, "first", MINUTE)
    assert [bench.run(), due(bench)] == ["put-off", "certificate.issued"]
    assert (bench.record().issuer_hash, issuers[1].asked) == ("hash-1", [])


def test_errors_of_the_stack_are_not_counted(
    bench: Bench, issuers: tuple[Turns, Turns], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = issuers
    first.answers = ["accepted"]
    assert bench.run() == "pending"

    def fails(*_: object, **__: object) -> None:
        raise Unavailable("KMS did not answer")

    with monkeypatch.context() as broken:
        broken.setattr(obtain, "build_request", fails)
        assert due(bench) == "certificate.failed"
    pending = bench.record().pending
    assert pending is not None and pending.failures is None
    first.answers = [Unavailable("503"), "accepted"]
    assert [due(bench), due(bench), due(bench)] == ["certificate.failed", "pending", "certificate.issued"]
    assert second.asked == []


# -- little time ------------------------------------------------------------------------------------------------------
@pytest.fixture
def short_lived(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scripted_ca, "LIFETIME", DAY)


@pytest.mark.usefixtures("short_lived")
@pytest.mark.parametrize("usual", ["accepted", "an approval"])
def test_requests_leave_time_for_other_issuers(bench: Bench, issuers: tuple[Turns, Turns], usual: str) -> None:
    first, second = issuers
    assert bench.run() == "certificate.issued"
    first.answers, second.usual = [Unavailable("503")], usual
    assert renewed(bench) in {"pending", "certificate.pending"}
    expiry = bench.record().facts.not_after
    while announced(bench)[-1] != "certificate.renewed":
        assert bench.clock() < expiry
        due(bench)
    assert bench.record().issuer_hash == "hash-1"


def test_slow_issuer_before_a_broken_one_issues_at_last(bench: Bench, issuers: tuple[Turns, Turns]) -> None:
    """It needs 70 minutes for each request."""
    first, second = issuers
    second.usual = Unavailable("503")
    begun: list[object] = []

    def issue(request: Request) -> object:
        if request.handle is None:
            begun.append(request.now)
        done = request.handle is not None and request.now - begun[-1] >= 70 * MINUTE  # type: ignore[operator]
        first.answers = ["issued" if done else "accepted"]
        return Turns.issue(first, request)

    bench.issuers.known["first"] = OpenIssuer(Scripted(issue, first), "hash-1")  # type: ignore[arg-type]
    while bench.record().state != "ready" and bench.clock() < START + 3 * DAY:
        due(bench)
    assert (bench.record().state, bench.record().issuer_hash) == ("ready", "hash-1")


@dataclass
class Scripted:
    """An issuer whose answers a function gives."""

    answer: object
    inner: Turns
    cancelled: list[str] = field(default_factory=list)

    def issue(self, request: Request) -> object:
        return self.answer(request)  # type: ignore[operator]

    def cancel(self, handle: str) -> None:
        self.cancelled.append(handle)


def test_time_of_a_request_grows_with_failures(bench: Bench, issuers: tuple[Turns, Turns]) -> None:
    candidates = Candidates.open(bench.issuers, listed())
    record, first = bench.record(), candidates.opened[0]
    found = [candidates.request_lasts(first, record.model_copy(update={"failures": n}), START) for n in (0, 1, 5, 90)]
    assert [one and one.issuer for one in found] == [HOUR, 2 * HOUR, DAY, DAY]
    assert found[0] is not None and found[0].person == APPROVAL_LASTS


# -- what events and deliveries say of the issuer ---------------------------------------------------------------------
def test_chain_of_an_undefined_issuer_is_delivered(bench: Bench, issuers: tuple[Turns, Turns]) -> None:
    there = FakeDestination("there", errors=[Unavailable("503")])
    bench.destinations.known["there"] = there
    bench.edit(listed(to=("here", "there")))
    assert bench.run() == "certificate.issued"
    del bench.issuers.known["first"]
    bench.clock.now = bench.record().due_at
    bench.run()
    assert (bench.record().revision, bench.record().issuer_hash) == (1, "hash-1")
    assert issuers[1].asked == []


def test_warning_names_the_issuer_of_the_certificate(bench: Bench, issuers: tuple[Turns, Turns]) -> None:
    assert bench.run() == "certificate.issued"
    issuers[0].usual, issuers[1].usual = Unavailable("503"), "an approval"
    while "certificate.expiring" not in announced(bench):
        due(bench)
    event = next(one for one in bench.announcer.announced if one.type == "certificate.expiring")
    assert (event.issuer, event.data["issuer"]) == ("first", "first")


def test_status_of_a_certificate_of_an_undefined_issuer(bench: Bench, issuers: tuple[Turns, Turns]) -> None:
    assert bench.run() == "certificate.issued"
    del bench.issuers.known["first"]
    candidates = Candidates.open(bench.issuers, listed())
    assert candidates.of_certificate(bench.record()) is None
    assert candidates.name_of_certificate(bench.record()) == "first"
