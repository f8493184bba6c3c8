"""The end of a run: store its result, release the claim, announce the outcome."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from evercert.contracts.events import Outcome
from evercert.contracts.ports import ClaimedRecord, Ports, Unclaimed, Unreadable
from evercert.contracts.record import Claim, Record
from evercert.contracts.revisions import RevisionsNotKept
from evercert.errors import NoRoom
from evercert.issuance import notices
from evercert.issuance.outbox import RunReport, announce
from evercert.issuance.repetition import nudge_again
from evercert.issuance.revision_history import not_kept
from evercert.issuance.run_result import Conclusion, RunWithoutOutcome


@dataclass(frozen=True)
class RunEnd:
    """The last writes of a run; `repeats` counts the runs that followed each other at once until this one."""

    ports: Ports
    repeats: int = 0

    def store(self, held: ClaimedRecord, end: Conclusion | RunWithoutOutcome) -> RunReport:
        """Store the result; a record without room for it is stopped."""
        try:
            return self._conclude(held, end) if isinstance(end, Conclusion) else self._release(held, end)
        except NoRoom:
            found = self.ports.records.look(held.name)
            return self._stop(held, found, end.outcome if isinstance(end, Conclusion) else None)

    def stop_unclaimed(self, name: str, claim: Claim) -> RunReport:
        """Announce a record that is too large to be claimed, once, and let it rest."""
        read = self.ports.records.read_for_stop(name, claim)
        return RunReport(Unclaimed.GONE, name) if read is None else self._stop(*read, None)

    def _stop(self, held: ClaimedRecord, found: Record | Unreadable | None, lost: Outcome | None) -> RunReport:
        """Stop the record, unless an operator changed it since: then it is due, and perhaps has room."""
        if found is None:
            return RunReport(Unclaimed.GONE, held.name)
        now = self.ports.clock()
        outcome = self.ports.records.stop(held, notices.stop_without_room(found, now, lost), now)
        return RunReport(Unclaimed.BUSY, held.name) if outcome is None else self._announce(outcome, {})

    def _conclude(self, held: ClaimedRecord, end: Conclusion) -> RunReport:
        try:
            moved, outcome = self.ports.records.conclude(held, end.changes, end.due_at, end.outcome, kept=end.kept)
        except RevisionsNotKept as error:
            end = end.without_kept(not_kept(end.outcome.revision, str(error)))
            moved, outcome = self.ports.records.conclude(held, end.changes, end.due_at, end.outcome)
        due_now = moved or (end.due_at is not None and end.due_at <= outcome.at)
        self._nudge(held, outcome.at if due_now else end.nudge_at, moved=moved)
        return self._announce(outcome, end.metrics)

    def _announce(self, outcome: Outcome, metrics: dict[str, float]) -> RunReport:
        report = {"type": outcome.type, "severity": outcome.severity, **outcome.data, **metrics}
        problem = announce(outcome, self.ports.records, self.ports.announcer, self.ports.clock)
        return RunReport(outcome.type, outcome.name, report | ({} if problem is None else {"unannounced": problem}))

    def _release(self, held: ClaimedRecord, end: RunWithoutOutcome) -> RunReport:
        now = self.ports.clock()
        moved = self.ports.records.release(held, end.changes, end.due_at, now)
        self._nudge(held, now if moved else end.nudge_at, moved=moved)
        return RunReport(end.log_outcome, held.name, {"due_at": end.due_at, **end.details})

    def _nudge(self, held: ClaimedRecord, at: datetime | None, *, moved: bool) -> None:
        if at is not None:
            nudge_again(self.ports.queue, held.name, at, self.ports.clock(), repeats=self.repeats, moved=moved)
