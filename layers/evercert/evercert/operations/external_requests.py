"""Requests of the authority at external issuers: check the limits again, ask the issuer, return the certificate."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from evercert.authority.api_errors import Refusal
from evercert.authority.contracts.external import ExternalCeilings, ExternalWork, Work
from evercert.authority.contracts.ports import Certificates
from evercert.authority.contracts.records import RequestRecord
from evercert.authority.registration.external_records import external_record
from evercert.contracts.issuer import Issued, Issuer, Issuers, OpenIssuer, PendingAnswer, SelfIssuer
from evercert.contracts.ports import BreakerState
from evercert.deadline import Deadline
from evercert.errors import (
    AnswerLost,
    EvercertError,
    GaveUp,
    Misconfigured,
    NotYet,
    OutOfTime,
    Rejected,
    Unavailable,
    Unexpected,
)  # fmt: skip
from evercert.issuance.circuit_breaker import Breaker
from evercert.operations.external_checks import judge, require_allowed, require_usable
from evercert.operations.external_orders import at_issuer, next_order, request_of
from evercert.operations.external_withdrawals import Withdrawals, revoke

LONGEST = timedelta(days=7)  # from the request to its end
FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=1), timedelta(hours=1)  # after failures
MOST_STEPS, STEPS_FOR = 20, timedelta(seconds=10)  # of one run
MOST_ORDERS = 5  # at the issuer, for one request
Outcome = Literal["issued", "pending", "failed", "ended", "unavailable"]


@dataclass(frozen=True)
class Result:
    """The outcome of one run for one request."""

    request: str
    outcome: Outcome
    message: str = ""


@dataclass
class _Steps:
    """The work as this run last stored it."""

    work: Work


@dataclass(frozen=True)
class ExternalFulfillment:
    """Take the next steps of a request; idempotent, and safe to run concurrently.

    A run holds its work for `lease`, which is longer than the function can run.
    """

    certificates: Certificates
    work: ExternalWork
    ceilings: ExternalCeilings
    issuers: Issuers
    breaker: Breaker
    deadline: Deadline
    lease: timedelta
    clock: Callable[[], datetime]
    sleep: Callable[[timedelta], None]

    def run(self, request_id: str) -> Result:
        """Continue a request; raise Unavailable or Misconfigured if the tables do not answer."""
        now = self.clock()
        work = self.work.claim(request_id, now, now + self.lease)
        if work is None:
            return Result(request_id, "ended")
        self.deadline.begin(now + self.lease, since=now)
        try:
            return self._run(work)
        finally:
            self.deadline.end()

    def _run(self, work: Work) -> Result:
        request = self.certificates.request(work.request)
        if request is None or not request.external:
            self.work.end(work.request)
            return Result(work.request, "ended")
        if request.status != "pending":  # such as cancelled by its client
            return self._close(request, work, Result(request.id, "ended"))
        steps = _Steps(work)
        try:
            return self._continue(request, steps)
        except (Rejected, Refusal) as error:
            return self._fail(request, steps.work, str(error))
        except (NotYet, OutOfTime) as error:
            return self._wait(request, steps.work, error)
        except Exception as error:  # noqa: BLE001 (its text could hold a secret)
            known = error if isinstance(error, EvercertError) else Unexpected.of(error)
            return self._later(request, steps.work, known)

    def _continue(self, request: RequestRecord, steps: _Steps) -> Result:
        if self.clock() >= _end(request):
            raise Rejected(f"issuer {request.external} issued no certificate within {LONGEST.days} days")
        require_allowed(request, self.ceilings.ceiling(request.external), self.certificates)
        opened = self.issuers.open(request.external)
        if opened.paused:
            raise Unavailable(f"issuer {request.external} is paused")
        issuer = opened.issuer
        if isinstance(issuer, SelfIssuer):
            raise Rejected(f"issuer {request.external} signs no CSRs: set another issuer in the profile")
        steps.work = at_issuer(opened, steps.work)
        admitted = self.breaker.admit(opened.service, request.id)
        retry_at = self.clock()
        last_start = retry_at + STEPS_FOR
        for left in reversed(range(MOST_STEPS)):
            answer = self._step(request, opened, issuer, admitted, steps)
            if isinstance(answer, Issued):
                return self._finish(request, opened, steps, answer)
            retry_at = answer.retry_at
            pauses = answer.pause is not None and answer.waits_for is None and left > 0
            if not pauses or answer.pause is None or self.clock() + answer.pause > last_start:
                break
            self.work.keep(steps.work)
            self.sleep(answer.pause)
        self._save(request, steps.work, retry_at)
        return Result(request.id, "pending", steps.work.message)

    def _step(
        self, request: RequestRecord, opened: OpenIssuer, issuer: Issuer, admitted: BreakerState, steps: _Steps
    ) -> Issued | PendingAnswer:
        """Ask the issuer once; `steps` has what the next step needs."""
        work, asked_before = steps.work, steps.work.asked and steps.work.handle is None
        if not work.asked:  # stored first: a crash must not hide that it was sent
            work = steps.work = replace(work, asked=True)
            self.work.keep(work)
        asking = request_of(request, opened, work, self.clock(), asked_before=asked_before)
        with self.breaker.watch(admitted):
            answer = issuer.issue(asking)
        if isinstance(answer, Issued):
            steps.work = replace(work, handle=answer.handle or work.handle)
            return answer
        deadline = work.deadline or answer.deadline
        if self.clock() >= deadline:
            raise GaveUp(f"issuer {request.external} did not complete the request before its deadline")
        message = _waiting(request, answer)
        steps.work = replace(work, handle=answer.handle, attempts=0, deadline=deadline, message=message)
        steps.work = replace(steps.work, validating=answer.waits_for is not None)
        return answer

    def _finish(self, request: RequestRecord, opened: OpenIssuer, steps: _Steps, issued: Issued) -> Result:
        """Store a certificate that matches the request and has a valid chain; revoke any other.

        Raise Rejected or Misconfigured.
        """
        now, leaf = self.clock(), issued.chain.leaf
        latest = self.certificates.request(request.id)
        verdict = judge(request, issued, self.ceilings.ceiling(request.external), now)
        misfits = verdict.misfits
        if latest is not None and latest.status in {"failed", "rejected"}:
            misfits = [f"the request was {latest.status}"]
        if misfits:
            steps.work = replace(steps.work, asked=False, handle=None)  # it has nothing else
            done = f"certificate {leaf.serial_number:x}, which is {revoke(opened, issued)}"
            message = f"issuer {request.external} issued another certificate than requested: {'; '.join(misfits)}"
            raise Rejected(f"{message} ({done})")
        require_usable(request, verdict)
        record = external_record(request, verdict.chain, issued.reference, now)
        self.certificates.finish(request, record)
        self.work.end(request.id)
        return Result(request.id, "issued")

    def _fail(self, request: RequestRecord, work: Work, error: str) -> Result:
        self.certificates.fail(replace(request, updated_at=self.clock()), error)
        return self._close(request, work, Result(request.id, "failed", error))

    def _close(self, request: RequestRecord, work: Work, result: Result) -> Result:
        """Withdraw what the issuer has of an ended request, then end the work; an outage delays both."""
        if request.status != "issued" and work.asked:
            try:
                self._withdrawals.withdraw(request, work)
            except (Unavailable, NotYet, OutOfTime) as error:
                if self.clock() < _end(request) + LONGEST:
                    later = replace(work, attempts=work.attempts + 1, message=str(error))
                    self._save(request, later, self.clock() + _pause(later.attempts))
                    return result
            except (EvercertError, Refusal) as error:
                result = replace(result, message=f"{result.message}; not withdrawn: {error}".removeprefix("; "))
        self.work.end(request.id)
        return result

    def _wait(self, request: RequestRecord, work: Work, error: NotYet | OutOfTime) -> Result:
        """Continue when the error says; nothing has failed."""
        until = error.until if isinstance(error, NotYet) else self.clock()
        self._save(request, replace(work, message=str(error)), until)
        return Result(request.id, "pending", str(error))

    def _later(self, request: RequestRecord, work: Work, error: EvercertError) -> Result:
        """Store the error and try again later; after a lost answer, repeat the request with the same token."""
        if error.abandons and not isinstance(error, AnswerLost):
            if work.revision >= MOST_ORDERS:
                return self._fail(request, work, f"gave up after {MOST_ORDERS} orders: {error}")
            self._withdrawals.abandon(request, work)
            work = next_order(work)
        work = replace(work, attempts=work.attempts + 1, message=str(error), validating=False)
        pause = max(_pause(work.attempts), getattr(error, "retry_after", None) or timedelta(0))
        self._save(request, work, self.clock() + pause)
        return Result(request.id, "unavailable", str(error))

    @property
    def _withdrawals(self) -> Withdrawals:
        return Withdrawals(self.issuers, self.breaker, self.clock)

    def _save(self, request: RequestRecord, work: Work, due_at: datetime) -> None:
        """Store when the work continues, and send the message for it; without one, the schedule continues it."""
        due_at = min(due_at, max(_end(request), self.clock() + LONGEST_PAUSE))
        self.work.save(work, due_at)
        with suppress(Unavailable, Misconfigured):
            self.work.wake_at(request.id, due_at, self.clock())


def _end(request: RequestRecord) -> datetime:
    return (request.approved_at or request.created_at) + LONGEST


def _pause(attempts: int) -> timedelta:
    doubled: int = 2 ** min(attempts - 1, 10)
    return min(FIRST_PAUSE * doubled, LONGEST_PAUSE)


def _waiting(request: RequestRecord, answer: PendingAnswer) -> str:
    return f"waiting for {answer.waits_for or f'issuer {request.external}'}"
