"""What is done for a certificate that nothing has to be done for: warn of its expiry, look after its status."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from evercert.contracts.issuer import OpenIssuer
from evercert.contracts.record import Facts, Finding
from evercert.errors import NotYet, Unavailable
from evercert.issuance import notices
from evercert.issuance.conclusion import AT_REST, Attempt, Conclusion, WayOut, Word, failed
from evercert.issuance.status_check import StatusCheck
from evercert.scheduling.decision import held_until
from evercert.scheduling.schedule import check_due, next_check, next_due, renewal_time, warnings_due

CHECK_AGAIN = timedelta(minutes=15)


@dataclass(frozen=True)
class Maintenance:
    """One step a run: a warning that is due, else the status check, else nothing."""

    status: StatusCheck

    def run(self, attempt: Attempt, opened: OpenIssuer) -> Conclusion | WayOut:
        """Raises nothing that a service answers."""
        record, now = attempt.record, attempt.now
        if record.facts is None:
            return well(attempt, {})
        if warnings_due(record, now) > record.warned:
            return notices.warned(attempt, record.facts, now if check_due(record, now) else None)
        if not check_due(record, now):
            return well(attempt, {})
        hold = held_until(record, attempt.issuer_hash, now)
        if hold is not None and now < hold:
            return wait(attempt, "waiting", hold)
        return self._check(attempt, record.facts, opened)

    def meanwhile(self, attempt: Attempt, opened: OpenIssuer, until: datetime) -> Conclusion | WayOut:
        """The same while something waits for its time: a broken destination must not hide what befalls the others."""
        record, now, facts = attempt.record, attempt.now, attempt.record.facts
        known = facts is None or record.finding is not None or warnings_due(record, now) > record.warned
        if facts is None or known or opened.paused or not check_due(record, now):
            return wait(attempt, "waiting", until)
        seen = self.status.run(record, facts, opened)
        if seen.news:
            return notices.found(attempt, facts, seen, until)
        if seen.lost:
            return _follow(attempt, facts)
        check_at = next_check(record, now)
        changes = {"check_at": min(check_at, now + CHECK_AGAIN) if seen.errors else check_at}
        return WayOut("waiting", changes, next_due(record.model_copy(update=changes), now, until))

    def _check(self, attempt: Attempt, facts: Facts, opened: OpenIssuer) -> Conclusion | WayOut:
        seen = self.status.run(attempt.record, facts, opened)
        if seen.news:
            return notices.found(attempt, facts, seen, None)
        if seen.lost:
            return _follow(attempt, facts)
        for error in seen.errors:
            if not isinstance(error, Unavailable | NotYet):
                return failed(attempt, error, looked=True)
        check_at = next_check(attempt.record, attempt.now)
        if not seen.errors:
            return well(attempt, {}, check_at)
        # Nobody is to blame, and the certificate is as it was; asked again before long.
        return well(attempt, {"message": str(seen.errors[0])}, min(check_at, attempt.now + CHECK_AGAIN))


def _follow(attempt: Attempt, facts: Facts) -> WayOut:
    """It was replaced elsewhere, as it was meant to be: nothing to announce before its successor is here."""
    changes = {"finding": Finding(reason="replaced", revision=facts.revision, found_at=attempt.now)}
    return WayOut("checked", changes, attempt.now, {"message": "it was replaced elsewhere"}, again_at=attempt.now)


def wait(attempt: Attempt, word: Word, until: datetime, facts: dict[str, Any] | None = None) -> Conclusion | WayOut:
    """Nothing to be done before `until`, but perhaps something to be said."""
    record, now = attempt.record, attempt.now
    if record.facts is not None and warnings_due(record, now) > record.warned:
        return notices.warned(attempt, record.facts, until)
    changes = _unwarned(attempt) | ({"state": "paused"} if word == "paused" else {})
    return WayOut(word, changes, next_due(record.model_copy(update=changes), now, until), facts or {})


def well(attempt: Attempt, facts: dict[str, Any], check_at: datetime | None = None) -> WayOut:
    """All is as it should be; `check_at`: the status was looked at, and will be again then."""
    changes = AT_REST | {"renew_at": renewal_time(attempt.record)} | _unwarned(attempt)
    if check_at is not None:
        changes["check_at"] = check_at
    after = attempt.record.model_copy(update=changes)
    retry = attempt.now if check_due(after, attempt.now) else None  # else a check that is due would be forgotten
    word: Word = "nothing-to-do" if check_at is None else "checked"
    return WayOut(word, changes, next_due(after, attempt.now, retry), facts)


def _unwarned(attempt: Attempt) -> dict[str, Any]:
    """Warnings that were sent by a clock that was ahead are due again."""
    due = warnings_due(attempt.record, attempt.now)
    return {"warned": due} if due < attempt.record.warned else {}
