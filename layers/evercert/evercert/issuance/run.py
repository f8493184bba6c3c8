"""One run for one certificate, from claim to announcement."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import uuid4

from evercert.contracts.ports import ClaimedRecord, Ports, Unclaimed, Unreadable
from evercert.contracts.record import Claim, Facts, Pending, Reason, Record
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
from evercert.issuance.candidates import PATIENCE, Candidates, is_overdue
from evercert.issuance.delivery import LONGEST_SLEEP
from evercert.issuance.delivery_result import intended_deliveries, next_slot
from evercert.issuance.issuer_requests import IssuerRequests, RunProgress
from evercert.issuance.not_due import nothing_to_do, wait_until
from evercert.issuance.obtain import first_changes
from evercert.issuance.outbox import RunReport
from evercert.issuance.pause_rule import is_paused, next_check
from evercert.issuance.repetition import LONGEST_NUDGE
from evercert.issuance.restoration import RollbackRefused
from evercert.issuance.rollback_end import conclude_refusal, end_rollback
from evercert.issuance.run_end import RunEnd
from evercert.issuance.run_memory import remembering
from evercert.issuance.run_result import Attempt, Conclusion, RunWithoutOutcome
from evercert.issuance.steps import Steps
from evercert.pki.certificate import Chain
from evercert.scheduling.decision import Idle, Restore, Resume, Start, Wait, decide, held_until, is_held
from evercert.scheduling.loop_guard import require_no_loop, streak
from evercert.scheduling.schedule import next_due


class Issuance:
    """Handles one queue message; safe to run twice, concurrently, and after a crash at any point."""

    def __init__(self, ports: Ports, lease: timedelta, steps: Callable[[Ports], Steps] = Steps) -> None:
        self._ports = ports
        self._lease = lease
        self._steps = steps  # builds the steps of one run, whose ports have its memory

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
        ports = remembering(self._ports, found)
        return _Run(ports, self._steps(ports), RunProgress(held, found, found.pending)).finish()


@dataclass
class _Run:
    """A run of one claimed certificate and its progress."""

    ports: Ports
    steps: Steps
    progress: RunProgress
    candidates: Candidates | None = None

    def finish(self) -> Conclusion | RunWithoutOutcome:
        """Run to the end; every error but ClaimLost and OutOfTime becomes a conclusion."""
        failure: EvercertError
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
            return notices.report_bug(self.progress.record, Unexpected.of(error), self.ports.clock())

    def _put_off(self, later: NotYet) -> Conclusion | RunWithoutOutcome:
        """End the run until `later.until`; a request in progress is not sent again before, whatever nudges come."""
        changes, until = self._delayed(later)
        end = wait_until(self._attempt(), "put-off", until, {"message": str(later)})
        if isinstance(end, RunWithoutOutcome):
            end = replace(end, changes={**end.changes, **changes})
        soon = isinstance(later, Slowed) and later.until <= self.ports.clock() + LONGEST_NUDGE
        return replace(end, nudge_at=later.until) if soon else end

    def _delayed(self, later: NotYet) -> tuple[dict[str, Pending | None], datetime]:
        """Return the change of the revision in progress, and when the record is due again.

        After a round of several issuers, the revision is given up. One of them has only so much time.
        """
        pending, now = self.progress.pending, self.ports.clock()
        if pending is None or later.abandons:
            stored = pending is not None or self.progress.record.pending is not None
            return {"pending": None} if stored else {}, later.until
        if pending.chain is not None:
            return {}, later.until
        until, deadline = later.until, pending.deadline
        if self.candidates is not None and self.candidates.several and not is_overdue(pending, now):
            deadline = deadline or now + PATIENCE
            until = min(until, deadline)
        return {"pending": pending.model_copy(update={"retry_at": until, "deadline": deadline})}, until

    def _decide(self) -> Conclusion | RunWithoutOutcome:
        now, record = self.ports.clock(), self.progress.record
        try:
            self.candidates = Candidates.open(self.ports.issuers, record.spec)
        except (Rejected, Unavailable, Misconfigured):
            hold = held_until(record, None, now)
            if hold is not None and now < hold:
                return wait_until(self._attempt(), "waiting", hold)  # announced already
            raise
        unknown = bool(self.candidates.problems)
        decision = decide(record, self.candidates.first_hash, now, self.candidates.hashes, unknown=unknown)
        after_pause = next_check(record, now)
        paused = is_paused(record, decision, self.candidates, now)
        if isinstance(decision, Wait):
            until = min(decision.until, after_pause) if paused else decision.until
            opened = self.candidates.of_certificate(record)
            return self.steps.maintenance.run_while_waiting(self._attempt(), opened, until)
        if paused:
            return wait_until(self._attempt(), "paused", after_pause)
        return self._act(decision, self.candidates, now)

    def _act(
        self, decision: Idle | Start | Resume | Restore, candidates: Candidates, now: datetime
    ) -> Conclusion | RunWithoutOutcome:
        record = self.progress.record
        match decision:
            case Idle(given_up):
                if given_up is None:
                    return self.steps.maintenance.run(self._attempt(), candidates.of_certificate(record))
                # This also ends a failure whose cause was reverted, such as an edit.
                done = self.steps.abandonment.abandon(record, given_up, candidates.opened[0], None)
                return nothing_to_do(self._attempt(), {"gave_up": done})
            case Start(reason):
                require_no_loop(record, reason, now)
                self.steps.preflight.run(record, reason)
                return self._obtain(candidates, reason)
            case Resume(pending, chain) if chain is not None:
                return self._deliver(pending, chain)
            case Resume(pending):
                return self._obtain(candidates, pending.reason, pending)
            case Restore(rollback):
                return self._restore(candidates, decision, rollback.to)

    def _restore(self, candidates: Candidates, decision: Restore, revision: int) -> Conclusion | RunWithoutOutcome:
        record = self.progress.record
        if record.facts is not None and record.facts.revision == revision:
            return end_rollback(self._attempt(), f"revision {revision} is in use already")
        try:
            self.steps.preflight.run(record, "rolled-back")
            pending, chain = self.steps.restoration.prepare(self.progress.held, record, candidates, decision)
        except (RollbackRefused, Rejected) as refused:
            return conclude_refusal(self._attempt(), decision.rollback, str(refused))
        self.progress.record = record.model_copy(update={"revision": pending.revision})
        return self._deliver(pending, chain)

    def _obtain(
        self, candidates: Candidates, reason: Reason, resumed: Pending | None = None
    ) -> Conclusion | RunWithoutOutcome:
        requests = IssuerRequests(self.ports, self.steps, self.progress, candidates)
        requested, pending, chain = requests.request(reason, resumed)
        if chain is None:
            now, nudge_at = self.ports.clock(), pending.retry_at
            if nudge_at is not None and nudge_at > now + LONGEST_NUDGE:
                nudge_at = None  # the tick is exact enough
            if pending.waits_for is not None and pending.waits_for != requested.waits_for:
                return replace(conclusion.conclude_pending(self._attempt(), pending), nudge_at=nudge_at)
            changes = {"pending": pending, "state": "pending"}
            due_at = next_due(self.progress.record, now, pending.retry_at)
            return RunWithoutOutcome("pending", changes, due_at, nudge_at=nudge_at)
        issuances = streak(self.progress.record, pending, chain, self.ports.clock())
        progress, intended = self.progress, intended_deliveries(self.progress.record, self.ports.clock())
        doubts = {} if intended is None else {"deliveries": intended}
        changes = {**first_changes(progress.record, pending), "streak": issuances, **doubts}
        self.ports.records.update(progress.held, changes)
        progress.pending, progress.intended = pending, intended
        ahead = chain.begins - self.ports.clock()
        if timedelta(0) < ahead <= LONGEST_SLEEP:  # the CA's clock, without backdating
            self.ports.sleep(ahead)
        elif ahead > timedelta(0):
            return replace(wait_until(self._attempt(), "waiting", chain.begins), nudge_at=chain.begins)
        return self._deliver(pending, chain)

    def _deliver(self, pending: Pending, chain: Chain) -> Conclusion | RunWithoutOutcome:
        self.progress.pending, record = pending, self.progress.record
        patient = is_held(record, self._attempt().issuer_hash, self.ports.clock())
        deliveries, intended = self.steps.deliveries, self.progress.intended
        result = deliveries.run(self.progress.held, record, pending, chain, patient=patient, intended=intended)
        if result.is_new(record, pending.revision):
            kept = self.steps.history.add(record, pending, result.problems)
            facts = Facts.of(chain, pending.revision, pending.obtained_at, pending.reference)
            return replace(conclusion.conclude_delivery(self._attempt(), facts, result), kept=kept)
        if result.errors:
            return conclusion.conclude_failure(self._attempt(), conclusion.first_retryable(result.errors), result)
        if (slot := next_slot(result.later)) is not None:
            details = {"message": "; ".join(map(str, result.later.values()))}
            return replace(wait_until(self._attempt(), "waiting", slot, details), nudge_at=slot)
        return nothing_to_do(self._attempt())  # the destination that failed was removed

    def _conclude_failure(self, error: EvercertError) -> Conclusion | RunWithoutOutcome:
        return conclusion.conclude_failure(self._attempt(), error)

    def _attempt(self) -> Attempt:
        progress, candidates = self.progress, self.candidates
        now, record = self.ports.clock(), progress.record
        if candidates is None:
            return Attempt(record, now, progress.pending)
        issuer = candidates.name_of_certificate(record)
        return Attempt(record, now, progress.pending, candidates.first_hash, issuer)
