"""Runs that end without an outcome: nothing is due, or something is due later."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from evercert.issuance import notices
from evercert.issuance.run_result import AT_REST, Attempt, Conclusion, LogOutcome, RunWithoutOutcome
from evercert.scheduling.schedule import check_due, earliest_end, next_due, renewal_time, warnings_due, warnings_sent


def wait_until(
    attempt: Attempt, log_outcome: LogOutcome, until: datetime, details: dict[str, Any] | None = None
) -> Conclusion | RunWithoutOutcome:
    """End the run until `until`; if an expiry warning is due, conclude with the warning instead."""
    record, now = attempt.record, attempt.now
    if record.facts is not None and warnings_due(record, now) > warnings_sent(record):
        return notices.warn_of_expiry(attempt, record.facts, until)
    changes = _reset_early_warnings(attempt) | ({"state": "paused"} if log_outcome == "paused" else {})
    due_at = next_due(record.model_copy(update=changes), now, until)
    return RunWithoutOutcome(log_outcome, changes, due_at, details or {})


def nothing_to_do(
    attempt: Attempt,
    details: dict[str, Any] | None = None,
    check_at: datetime | None = None,
    advised: dict[str, Any] | None = None,
) -> RunWithoutOutcome:
    """End the run with the record at rest; `check_at` is the next status check after one in this run.

    `advised` is the change of the record for a renewal window of the CA, which may make the certificate due now.
    """
    advised = advised or {}
    attempt = replace(attempt, record=attempt.record.model_copy(update=advised))
    renewal = renewal_time(attempt.record)
    changes = AT_REST | advised | {"renew_at": renewal} | _reset_early_warnings(attempt)
    if (end := earliest_end(attempt.record)) != attempt.record.not_after:
        changes["not_after"] = end  # a destination that lagged was removed
    if check_at is not None:
        changes["check_at"] = check_at
    after = attempt.record.model_copy(update=changes)
    is_due = advised and renewal is not None and renewal <= attempt.now
    retry = attempt.now if is_due or check_due(after, attempt.now) else None  # else it would be skipped
    log_outcome: LogOutcome = "nothing-to-do" if check_at is None else "checked"
    return RunWithoutOutcome(log_outcome, changes, next_due(after, attempt.now, retry), details or {})


def _reset_early_warnings(attempt: Attempt) -> dict[str, Any]:
    """Make warnings due again that were sent while the clock was ahead."""
    due = warnings_due(attempt.record, attempt.now)
    return {"warned": due} if due < attempt.record.warned else {}
