"""One run for one certificate, from claim to announcement."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import uuid4

from evercert.contracts.issuer import OpenIssuer, SelfIssuer
from evercert.contracts.ports import BreakerState, ClaimedRecord, Ports, Unclaimed, Unreadable
from evercert.contracts.record import Claim, Facts, Pending, Record
from evercert.errors import (
    ClaimLost,
    EvercertError,
    Misconfigured,
    NoRoom,
    NotYet,
    OutOfTime,
    Rejected,
    Slowed,
    Unavailable,
    Unexpected,
)
from evercert.issuance import conclusion, notices
from evercert.issuance.delivery import LONGEST_SLEEP
from evercert.issuance.delivery_result import Result, next_slot
from evercert.issuance.not_due import nothing_to_do, wait_until
from evercert.issuance.outbox import RunReport
from evercert.issuance.repetition import LONGEST_NUDGE
from evercert.issuance.run_end import RunEnd
from evercert.issuance.run_result import Attempt, Conclusion, RunWithoutOutcome
from evercert.issuance.steps import Steps
from evercert.pki.certificate import Chain
from evercert.scheduling.decision import Idle, Resume, Start, Wait, decide, held_until, is_held
from evercert.scheduling.loop_guard import require_no_loop, streak
from evercert.scheduling.schedule import next_due, spread

PAUSED_CHECK = timedelta(minutes=15)
MOST_STEPS, STEPS_FOR = 20, timedelta(seconds=10)  # of one request in one run; each step is stored before the next


class Issuance:
    """Handles one queue message; safe to run twice, concurrently, and after a crash at any point."""

    def __init__(self, ports: Ports, lease: timedelta) -> None:
        self._ports = ports
        self._lease = lease
        self._steps = Steps(ports)

    def run(self, name: str, repeats: int = 0) -> RunReport:
        """Take the certificate as far as possible now; raises only the errors of the record store.

        `repeats` counts the runs that followed each other at once until this one.
        """
        now, end = self._ports.clock(), RunEnd(self._ports, repeats)
        claim = Claim(id=str(uuid4()), until=now + self._lease)
        try:
            claimed = self._ports.records.claim(name, claim, now)
        except NoRoom:
            return end.stop_unclaimed(name, claim)
        if isinstance(claimed, Unclaimed):
            return RunReport(claimed, name)
        held, found = claimed
        self._ports.deadline.begin(claim.until, since=now)
        try:
            return end.store(held, self._result(held, found))
        except ClaimLost as error:
            return RunReport("overtaken", name, {"message": str(error)})
        except OutOfTime as error:
            return RunReport("out-of-time", name, {"message": str(error)})
        finally:
            self._ports.deadline.end()

    def _result(self, held: ClaimedRecord, found: Record | Unreadable) -> Conclusion | RunWithoutOutcome:
        if isinstance(found, Unreadable):
            return notices.reject_unreadable(found, self._ports.clock())
        return _Run(self._ports, self._steps, held, found).finish()


@dataclass
class _Run:
    """A run of one claimed certificate and its progress."""

    ports: Ports
    steps: Steps
    held: ClaimedRecord
    record: Record
    pending: Pending | None = None
    issuer_hash: str | None = None

    def finish(self) -> Conclusion | RunWithoutOutcome:
        """Run to the end; every error but ClaimLost and OutOfTime becomes a conclusion."""
        failure: EvercertError
        self.pending = self.record.pending
        try:
            return self._decide()
        except (ClaimLost, OutOfTime):
            raise
        except NotYet as later:
            return self._put_off(later)
        except EvercertError as error:
            failure = error
        except Exception as error:  # noqa: BLE001 (a bug is recorded and announced like any other failure)
            failure = Unexpected.of(error)
        try:
            return self._conclude_failure(failure)
        except Exception as error:  # noqa: BLE001 (a value in the record breaks the conclusion too)
            return notices.report_bug(self.record, Unexpected.of(error), self.ports.clock())

    def _put_off(self, later: NotYet) -> Conclusion | RunWithoutOutcome:
        """End the run until `later.until`; a request in progress is not sent again before, whatever nudges come."""
        end = wait_until(self._attempt(), "put-off", later.until, {"message": str(later)})
        if self.pending is not None and self.pending.chain is None and isinstance(end, RunWithoutOutcome):
            waiting = self.pending.model_copy(update={"retry_at": later.until})
            end = replace(end, changes={**end.changes, "pending": waiting})
        soon = isinstance(later, Slowed) and later.until <= self.ports.clock() + LONGEST_NUDGE
        return replace(end, nudge_at=later.until) if soon else end

    def _decide(self) -> Conclusion | RunWithoutOutcome:
        now = self.ports.clock()
        try:
            opened = self.ports.issuers.open(self.record.spec.issuer)
        except (Rejected, Unavailable, Misconfigured):
            hold = held_until(self.record, None, now)
            if hold is not None and now < hold:
                return wait_until(self._attempt(), "waiting", hold)  # announced already
            raise
        self.issuer_hash = opened.identity_hash
        decision = decide(self.record, opened.identity_hash, now)
        after_pause = now + PAUSED_CHECK - spread(self.record.uid, str(now), PAUSED_CHECK / 3)
        if isinstance(decision, Wait):
            until = min(decision.until, after_pause) if opened.paused else decision.until
            return self.steps.maintenance.run_while_waiting(self._attempt(), opened, until)
        if opened.paused:
            return wait_until(self._attempt(), "paused", after_pause)
        return self._act(decision, opened, now)

    def _act(
        self, decision: Idle | Start | Resume, opened: OpenIssuer, now: datetime
    ) -> Conclusion | RunWithoutOutcome:
        match decision:
            case Idle(None):
                return self.steps.maintenance.run(self._attempt(), opened)
            case Idle(superseded):  # this also ends a failure whose cause was reverted, such as an edit
                return nothing_to_do(self._attempt(), {"gave_up": self._abandon(superseded, opened, None)})
            case Start(reason, superseded):
                require_no_loop(self.record, reason, now)
                self.steps.deliveries.preflight(self.record, reason)
                state = self._admit(opened)
                gave_up = self._abandon(superseded, opened, self._watch(state))
                self.pending = None
                self.pending = self.steps.obtainer.prepare(
                    self.held, self.record, opened, reason, gave_up, watched=self._watch(state)
                )
                return self._obtain(self.pending, opened, state, again=False)
            case Resume(pending, chain) if chain is not None:
                self.pending = pending
                return self._deliver(pending, chain)
            case Resume(pending):
                # Not issued yet, so this revision serves the latest request.
                self.pending = pending.model_copy(update={"requested_at": self.record.requested_at})
                return self._obtain(self.pending, opened, self._admit(opened), again=True)

    def _abandon(
        self, pending: Pending | None, opened: OpenIssuer, admitted: AbstractContextManager[None] | None
    ) -> str | None:
        return None if pending is None else self.steps.obtainer.abandon(self.record, pending, opened, admitted)

    def _admit(self, opened: OpenIssuer) -> BreakerState | None:
        """Raise NotYet while the issuer's breaker is open; self-signed issuers have no breaker."""
        if isinstance(opened.issuer, SelfIssuer):
            return None
        service = f"issuer {self.record.spec.issuer} {opened.identity_hash[:8]}"  # an edit makes it another service
        return self.steps.breaker.admit(service, self.record.uid)

    def _watch(self, state: BreakerState | None) -> AbstractContextManager[None]:
        return nullcontext() if state is None else self.steps.breaker.watch(state)

    def _obtain(
        self, requested: Pending, opened: OpenIssuer, state: BreakerState | None, *, again: bool
    ) -> Conclusion | RunWithoutOutcome:
        pending, chain = self._ask(requested, opened, state, again=again)
        if chain is None:
            now, nudge_at = self.ports.clock(), pending.retry_at
            if nudge_at is not None and nudge_at > now + LONGEST_NUDGE:
                nudge_at = None  # the tick is exact enough
            if pending.waits_for is not None and pending.waits_for != requested.waits_for:
                return replace(conclusion.conclude_pending(self._attempt(), pending), nudge_at=nudge_at)
            changes = {"pending": pending, "state": "pending"}
            return RunWithoutOutcome(
                "pending", changes, next_due(self.record, now, pending.retry_at), nudge_at=nudge_at
            )
        issuances = streak(self.record, pending, chain, self.ports.clock())
        self.ports.records.update(self.held, {"pending": pending, "streak": issuances})
        self.pending = pending
        ahead = chain.begins - self.ports.clock()
        if timedelta(0) < ahead <= LONGEST_SLEEP:  # the CA's clock, without backdating
            self.ports.sleep(ahead)
        elif ahead > timedelta(0):
            return replace(wait_until(self._attempt(), "waiting", chain.begins), nudge_at=chain.begins)
        return self._deliver(pending, chain)

    def _ask(
        self, pending: Pending, opened: OpenIssuer, state: BreakerState | None, *, again: bool
    ) -> tuple[Pending, Chain | None]:
        """Ask for the certificate step by step, until one step needs a pause that is too long for a run."""
        last_start = self.ports.clock() + STEPS_FOR
        for left in reversed(range(MOST_STEPS)):
            pending, answer = self.steps.obtainer.request(self.record, pending, opened, self._watch(state), again=again)
            if isinstance(answer, Chain):
                return pending, answer
            if left == 0 or answer is None or answer > LONGEST_SLEEP or pending.waits_for is not None:
                break  # the end of the run stores and announces a manual step
            if self.ports.clock() + answer > last_start:
                break
            self.ports.records.update(self.held, {"pending": pending, "state": "pending"})
            self.pending = pending
            if state is not None and state.open_until is not None:  # the step has closed the breaker
                state = replace(state, failures=0, open_until=None)
            if answer > timedelta(0):
                self.ports.sleep(answer)
        return pending, None

    def _deliver(self, pending: Pending, chain: Chain) -> Conclusion | RunWithoutOutcome:
        patient = is_held(self.record, self.issuer_hash, self.ports.clock())
        result = self.steps.deliveries.run(self.held, self.record, pending, chain, patient=patient)
        if self._has_new_delivery(result, pending):
            facts = Facts.of(chain, pending.revision, pending.obtained_at, pending.reference)
            return conclusion.conclude_delivery(self._attempt(), facts, result)
        if result.errors:
            return conclusion.conclude_failure(self._attempt(), conclusion.first_retryable(result.errors), result)
        if (slot := next_slot(result.later)) is not None:
            details = {"message": "; ".join(map(str, result.later.values()))}
            return replace(wait_until(self._attempt(), "waiting", slot, details), nudge_at=slot)
        return nothing_to_do(self._attempt())  # the destination that failed was removed

    def _has_new_delivery(self, result: Result, pending: Pending) -> bool:
        """Whether a destination took the revision in this run, or in one that crashed before its conclusion."""
        facts = self.record.facts
        unannounced = facts is None or facts.revision != pending.revision
        return result.taken > 0 or (
            unannounced and any(d.revision == pending.revision for d in result.deliveries.values())
        )

    def _conclude_failure(self, error: EvercertError) -> Conclusion:
        return conclusion.conclude_failure(self._attempt(), error)

    def _attempt(self) -> Attempt:
        return Attempt(self.record, self.ports.clock(), self.pending, self.issuer_hash)
