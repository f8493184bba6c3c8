"""Expiry warnings and status checks for certificates that are not due."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from evercert.contracts.issuer import Advice, OpenIssuer
from evercert.contracts.record import Facts, Finding, RenewalAdvice
from evercert.errors import NotYet, Unavailable
from evercert.issuance import notices
from evercert.issuance.conclusion import conclude_failure
from evercert.issuance.consumer_check import ConsumerCheck
from evercert.issuance.not_due import nothing_to_do, wait_until
from evercert.issuance.probe_check import ProbeCheck
from evercert.issuance.run_result import Attempt, Conclusion, RunWithoutOutcome
from evercert.issuance.staleness import Staleness, merge
from evercert.issuance.status_check import Observation, StatusCheck
from evercert.scheduling.decision import held_until
from evercert.scheduling.schedule import check_due, next_check, next_due, warnings_due, warnings_sent

CHECK_AGAIN = timedelta(minutes=15)
SHORTEST_CHECK = timedelta(minutes=1)


@dataclass(frozen=True)
class Maintenance:
    """One step per run: a warning that is due, else the status check, else nothing."""

    status: StatusCheck
    probe: ProbeCheck
    consumers: ConsumerCheck

    def run(self, attempt: Attempt, opened: OpenIssuer | None) -> Conclusion | RunWithoutOutcome:
        """Maintain a certificate that is not due; errors of services are concluded, not raised.

        `opened` is its issuer, None if that cannot be opened.
        """
        record, now = attempt.record, attempt.now
        if record.facts is None:
            return nothing_to_do(attempt)
        if warnings_due(record, now) > warnings_sent(record):
            return notices.warn_of_expiry(attempt, record.facts, now if check_due(record, now) else None)
        if not check_due(record, now):
            return nothing_to_do(attempt)
        hold = held_until(record, attempt.issuer_hash, now)
        if hold is not None and now < hold:
            return wait_until(attempt, "waiting", hold)
        return self._check(attempt, record.facts, opened)

    def run_while_waiting(
        self, attempt: Attempt, opened: OpenIssuer | None, until: datetime
    ) -> Conclusion | RunWithoutOutcome:
        """Maintain a certificate that waits until `until`: a broken destination must not hide drift of another."""
        record, now, facts = attempt.record, attempt.now, attempt.record.facts
        warning_due = warnings_due(record, now) > warnings_sent(record)
        paused = opened is not None and opened.paused
        if facts is None or paused or record.finding is not None or warning_due or not check_due(record, now):
            return wait_until(attempt, "waiting", until)
        return self._check(attempt, facts, opened, until)

    def _check(
        self, attempt: Attempt, facts: Facts, opened: OpenIssuer | None, until: datetime | None = None
    ) -> Conclusion | RunWithoutOutcome:
        record, now = attempt.record, attempt.now
        observed = self.status.run(record, facts, opened)
        if observed.news:
            return notices.report_findings(attempt, facts, observed, until)
        if observed.lost:
            return _await_successor(attempt, facts)
        found = merge(check.run(record, facts, observed.errors) for check in (self.probe, self.consumers))
        check_at = _next_check(attempt, observed, found)
        if found.severity is not None:
            return notices.report_stale(attempt, facts, found, check_at, until)
        advised = _advised(facts, observed.advice) | dict(found.changes)
        details = dict(found.details)
        if until is not None:
            changes = advised | {"check_at": check_at}
            return RunWithoutOutcome(
                "waiting", changes, next_due(record.model_copy(update=changes), now, until), details
            )
        for error in observed.errors:
            if not isinstance(error, Unavailable | NotYet):
                end = conclude_failure(attempt, error, from_status_check=True)
                return replace(end, changes={**end.changes, **found.changes})
        # An outage is no failure of the certificate: only check again sooner.
        if observed.errors:
            details["message"] = str(observed.errors[0])
        return nothing_to_do(attempt, details, check_at, advised)


def _next_check(attempt: Attempt, observed: Observation, found: Staleness) -> datetime:
    """Return the time of the next status check: earlier if something is to be asked again."""
    times = [next_check(attempt.record, attempt.now)]
    if found.recheck_at is not None:
        times.append(found.recheck_at)
    if observed.errors:
        times.append(attempt.now + CHECK_AGAIN)
    if observed.advice is not None:
        times.append(max(observed.advice.again_at, attempt.now + SHORTEST_CHECK))
    return min(times)


def _advised(facts: Facts, advice: Advice | None) -> dict[str, Any]:
    """Return the change of the record for a renewal window of the CA."""
    if advice is None or advice.window is None:
        return {}
    window = advice.window
    return {
        "advice": RenewalAdvice(
            revision=facts.revision, start=window.start, end=window.end, explanation=window.explanation
        )
    }


def _await_successor(attempt: Attempt, facts: Facts) -> RunWithoutOutcome:
    """Record that a followed certificate was replaced elsewhere; its successor is announced once it is here."""
    changes = {"finding": Finding(reason="replaced", revision=facts.revision, found_at=attempt.now)}
    details = {"message": "replaced elsewhere"}
    return RunWithoutOutcome("checked", changes, attempt.now, details, nudge_at=attempt.now)
