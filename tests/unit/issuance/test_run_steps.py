"""Runs that ask an issuer several times: each step is stored before the next, and the run is bounded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from evercert.contracts.issuer import Issued, OpenIssuer, PendingAnswer, Request
from evercert.errors import ClaimLost, NotYet, Unavailable
from evercert.issuance.issuer_requests import MOST_STEPS, STEPS_FOR
from evercert.issuance.obtain import SHORTEST_POLL
from tests.doubles.fakes import LEASE, START, Bench, spec
from tests.doubles.scripted_ca import POLL, ScriptedCA, ScriptedIssuer
from tests.doubles.world import Killed
from tests.unit.issuance.helpers import announced

NONE, SECOND = timedelta(0), timedelta(seconds=1)
MILLISECOND = timedelta(milliseconds=1)
SOON = timedelta(minutes=3)


@dataclass
class Stepping:
    """An issuer with one answer for each pause, then the certificate; the handle counts the steps taken."""

    inner: ScriptedIssuer
    pauses: list[timedelta | None] = field(default_factory=list)
    handles: list[str | None] = field(default_factory=list)
    started: list[datetime] = field(default_factory=list)
    waits_for: dict[int, str] = field(default_factory=dict)  # by step
    begin: Callable[[], Any] = lambda: None  # called at the start of each step

    def issue(self, request: Request) -> Issued | PendingAnswer:
        self.handles.append(request.handle)
        self.started.append(request.now)
        if len(self.handles) > 100:
            raise AssertionError("endless steps")
        self.begin()
        done = 0 if request.handle is None else int(request.handle.removeprefix("step-"))
        if done == len(self.pauses):
            return self.inner.issue(request)
        pause, deadline = self.pauses[done], request.now + timedelta(hours=1)
        retry_at = request.now + (POLL if pause is None else pause)
        return PendingAnswer(f"step-{done + 1}", retry_at, deadline, self.waits_for.get(done + 1), pause)


@pytest.fixture
def issuer(bench: Bench, ca: ScriptedCA) -> Stepping:
    """Make an issuer with steps before the scripted CA the issuer `main`, and want a certificate of it."""
    scripted = bench.issuers.known["main"].issuer
    assert isinstance(scripted, ScriptedIssuer)
    stepping = Stepping(scripted)
    bench.issuers.known["main"] = OpenIssuer(stepping, "stepping")
    bench.want(spec())
    return stepping


def handles(steps: int) -> list[str | None]:
    """Return the handles of a request with these steps, from the first one on."""
    return [None, *(f"step-{number}" for number in range(1, steps + 1))]


def kill(bench: Bench, at: int, *, stored: bool) -> None:
    """Die at an update of the record, after or before it is stored."""
    update, seen = bench.table.update, []

    def die(held: Any, changes: Any) -> None:
        seen.append(changes)
        if stored or len(seen) != at:
            update(held, changes)
        if len(seen) == at:
            raise Killed

    bench.table.update = die
    with pytest.raises(Killed):
        bench.run()
    bench.table.update = update


# -- steps of one run -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("pause", [NONE, MILLISECOND, SECOND, 2 * SECOND, -SECOND], ids=str)
def test_short_pause_continues_in_the_same_run(
    bench: Bench, issuer: Stepping, ca: ScriptedCA, pause: timedelta
) -> None:
    issuer.pauses = [pause] * 3
    assert bench.run() == "certificate.issued"
    assert issuer.handles == handles(3)
    assert len(ca.issued) == 1
    assert bench.clock() == START + 3 * max(pause, NONE)
    assert bench.queue.later == []


def test_each_step_is_stored_before_the_next(bench: Bench, issuer: Stepping) -> None:
    seen = []
    issuer.pauses = [NONE, SECOND, NONE]
    issuer.begin = lambda: seen.append((bench.record().pending.handle, bench.record().state))
    assert bench.run() == "certificate.issued"
    assert seen == [(handle, "pending") for handle in handles(3)]


def test_each_step_is_stored_before_the_pause(bench: Bench, issuer: Stepping) -> None:
    issuer.pauses = [2 * SECOND]
    kill(bench, 2, stored=True)
    pending = bench.record().pending
    assert (pending.handle, pending.retry_at) == ("step-1", START + SHORTEST_POLL)
    assert bench.clock() == START


@pytest.mark.parametrize("pause", [None, 2 * SECOND + MILLISECOND, timedelta(minutes=1)], ids=str)
def test_longer_pause_ends_the_run(bench: Bench, issuer: Stepping, pause: timedelta | None) -> None:
    issuer.pauses = [NONE, pause, NONE]
    assert bench.run() == "pending"
    record = bench.record()
    retry_at = START + max(SHORTEST_POLL, POLL if pause is None else pause)
    assert (record.pending.handle, record.pending.retry_at, record.due_at) == ("step-2", retry_at, retry_at)
    assert (record.state, record.claim, bench.clock()) == ("pending", None, START)
    bench.clock.now = retry_at
    assert bench.run() == "certificate.issued"
    assert issuer.handles == handles(3)


def test_pending_answer_without_a_pause_is_asked_later(bench: Bench, issuer: Stepping) -> None:
    assert PendingAnswer("handle", START, START).pause is None
    issuer.pauses = [None]
    assert bench.run() == "pending"
    assert issuer.handles == [None]


def test_first_deadline_covers_all_steps(bench: Bench, issuer: Stepping) -> None:
    issuer.pauses = [2 * SECOND, 2 * SECOND, None]
    assert bench.run() == "pending"
    assert bench.record().pending.deadline == START + timedelta(hours=1)


# -- bounds -----------------------------------------------------------------------------------------------------------
def test_run_takes_a_limited_number_of_steps(bench: Bench, issuer: Stepping) -> None:
    issuer.pauses = [NONE] * 50
    assert bench.run() == "pending"
    assert issuer.handles == handles(MOST_STEPS - 1)
    record = bench.record()
    retry_at = START + SHORTEST_POLL
    assert (record.pending.handle, record.due_at) == (f"step-{MOST_STEPS}", retry_at)
    assert record.pending.retry_at == retry_at


def test_next_run_continues_after_the_last_step(bench: Bench, issuer: Stepping) -> None:
    issuer.pauses = [NONE] * 50
    runs = 0
    while bench.record().facts is None and runs < 10:
        bench.run()
        runs += 1
        bench.clock.now = max(bench.clock.now, bench.record().due_at)
    assert issuer.handles == handles(50)
    assert runs == 3


def test_no_step_starts_after_ten_seconds(bench: Bench, issuer: Stepping) -> None:
    issuer.pauses = [2 * SECOND] * 30
    assert bench.run() == "pending"
    assert issuer.started == [START + 2 * number * SECOND for number in range(6)]
    assert timedelta(seconds=10) == STEPS_FOR
    assert bench.clock() == START + STEPS_FOR  # a run that ends does not sleep first


def test_slow_steps_count_as_time(bench: Bench, issuer: Stepping) -> None:
    issuer.pauses = [NONE] * 30
    issuer.begin = lambda: bench.clock.advance(seconds=4)
    assert bench.run() == "pending"
    assert issuer.started == [START, START + 4 * SECOND, START + 8 * SECOND]
    assert bench.record().pending.handle == "step-3"


def test_time_begins_again_in_the_next_run(bench: Bench, issuer: Stepping) -> None:
    issuer.pauses = [2 * SECOND] * 8
    assert bench.run() == "pending"
    bench.clock.now = bench.record().due_at
    assert bench.run() == "certificate.issued"
    assert issuer.handles == handles(8)


# -- failures ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("at", range(1, 6), ids=lambda at: f"update {at}")
def test_crash_after_a_stored_step_repeats_no_step(bench: Bench, issuer: Stepping, ca: ScriptedCA, at: int) -> None:
    """The updates are those of the key, of three steps, and of the chain."""
    issuer.pauses = [NONE, SECOND, NONE]
    kill(bench, at, stored=True)
    assert issuer.handles == handles(3)[: at - 1]
    bench.clock.now = START + LEASE + SECOND
    assert bench.run() == "certificate.issued"
    assert issuer.handles == handles(3)
    assert (len(ca.issued), bench.record().revision) == (1, 1)


@pytest.mark.parametrize("at", range(2, 6), ids=lambda at: f"update {at}")
def test_crash_before_a_step_is_stored_repeats_one(bench: Bench, issuer: Stepping, ca: ScriptedCA, at: int) -> None:
    issuer.pauses = [NONE, SECOND, NONE]
    kill(bench, at, stored=False)
    bench.clock.now = START + LEASE + SECOND
    assert bench.run() == "certificate.issued"
    asked = handles(3)
    assert issuer.handles == [*asked[: at - 1], *asked[at - 2 :]]
    assert (len(ca.issued), bench.record().revision) == (1, 1)


def test_failed_step_keeps_the_last_handle(bench: Bench, issuer: Stepping) -> None:
    issuer.pauses = [NONE, NONE, NONE]

    def fail() -> None:
        if len(issuer.handles) == 3:
            raise Unavailable("busy")

    issuer.begin = fail
    assert bench.run() == "certificate.failed"
    record = bench.record()
    assert (record.pending.handle, record.failures) == ("step-2", 1)
    bench.clock.now = record.due_at
    assert bench.run() == "certificate.issued"
    assert issuer.handles == [*handles(2), *handles(3)[2:]]


def test_lost_claim_ends_the_steps(bench: Bench, issuer: Stepping) -> None:
    issuer.pauses = [NONE, NONE]
    update = bench.table.update

    def lose(held: Any, changes: Any) -> None:
        if changes["pending"].handle == "step-1":
            raise ClaimLost("claimed by another run")
        update(held, changes)

    bench.table.update = lose
    assert bench.run() == "overtaken"
    assert issuer.handles == [None]


# -- manual steps -----------------------------------------------------------------------------------------------------
def test_manual_step_is_announced_before_the_next_step(bench: Bench, issuer: Stepping) -> None:
    issuer.pauses = [NONE, NONE, NONE]
    issuer.waits_for = {2: "an approval"}
    assert bench.run() == "certificate.pending"
    assert bench.announcer.announced[-1].data["waits_for"] == "an approval"
    assert issuer.handles == handles(1)
    bench.clock.advance(minutes=3)
    assert bench.run() == "certificate.issued"
    assert issuer.handles == handles(3)


def test_crash_in_the_steps_loses_no_announcement(bench: Bench, issuer: Stepping) -> None:
    """A stored step that waits for an approval counts as announced in later runs."""
    issuer.pauses = [NONE, NONE, None]
    issuer.waits_for = {2: "an approval", 3: "an approval"}
    release = bench.table.conclude

    def die(*_: Any, **__: Any) -> Any:
        raise Killed

    bench.table.conclude = die
    with pytest.raises(Killed):
        bench.run()
    bench.table.conclude = release
    bench.clock.now = START + LEASE + SOON
    bench.run()
    assert announced(bench)[0] == "certificate.pending"


# -- a limit of the CA ------------------------------------------------------------------------------------------------
def test_limited_request_is_not_sent_before_its_time(bench: Bench, issuer: Stepping) -> None:
    """A nudge, a tick or a status check that comes earlier must not order again: that prolongs a rate limit."""
    issuer.pauses = [NONE, NONE]
    until = START + timedelta(minutes=40)

    def limit() -> None:
        if len(issuer.handles) == 2:
            raise NotYet("too many orders", until)

    issuer.begin = limit
    assert bench.run() == "put-off"
    record = bench.record()
    assert (record.pending.handle, record.pending.retry_at, record.due_at) == ("step-1", until, until)
    for minutes in (1, 20, 39):
        bench.clock.now = START + timedelta(minutes=minutes)
        assert bench.run() == "waiting"
    assert len(issuer.handles) == 2
    bench.clock.now = until
    assert bench.run() == "certificate.issued"
    assert issuer.handles == [None, "step-1", "step-1", "step-2"]
