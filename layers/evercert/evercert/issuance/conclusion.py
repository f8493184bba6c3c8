"""Conclusions of a run: record changes, next due time and the outcome to announce."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from evercert.contracts.events import EventType, Outcome, Severity
from evercert.contracts.record import Delivery, Facts, Failure, Pending, Record, State
from evercert.errors import EvercertError, ExpiredUnread, Mismatch, Rejected, Unavailable
from evercert.issuance import probe_check
from evercert.issuance.answer_check import UnusableChain
from evercert.issuance.delivery_result import Result, next_slot
from evercert.issuance.event_data import (
    certificate_data,
    describe_replaced,
    list_undelivered,
    note_on_renewal,
    reason_of_request,
    request_data,
)
from evercert.issuance.private_keys import key_to_keep
from evercert.issuance.repetition import is_repeated
from evercert.issuance.run_result import AT_REST, MESSAGE_LIMIT, Attempt, Conclusion, RunWithoutOutcome
from evercert.scheduling.decision import is_not_yet_valid
from evercert.scheduling.schedule import (
    REJECTED_FOR,
    back_off,
    check_after_delivery,
    check_due,
    earliest_end,
    next_due,
    renewal_of,
    severity_of,
)
from evercert.timestamps import to_text

LONGEST_RETRY_AFTER = timedelta(days=1)
AFTER_OUTAGE = timedelta(seconds=1)  # stored times are truncated to milliseconds: the breaker would still be open
LONGEST_MISMATCH, MAX_DOUBLINGS = timedelta(days=30), 5


def conclude_delivery(attempt: Attempt, facts: Facts, result: Result) -> Conclusion:
    """Conclude a run in which at least one destination took the revision; `result` lists those that did not."""
    record, pending, now = attempt.record, attempt.pending, attempt.now
    if pending is None:
        raise ValueError("cannot conclude a delivery: no revision is pending")
    first = record.facts is None or record.facts.revision != facts.revision
    kind: EventType = "certificate.delivered"
    if first:
        kind = "certificate.issued" if record.facts is None else "certificate.renewed"
    if first and pending.restores is not None:
        kind = "certificate.rolled-back"
    renewal = renewal_of(facts, record) if record.spec.renews else None
    changes = _delivered_changes(attempt, pending, facts, result) | {"renew_at": renewal}
    data = certificate_data(record, facts, result.deliveries, attempt.issuer) | {
        "reason": pending.reason,
        "request": reason_of_request(record, pending),
        "restored": pending.restores,
        "renew_at": renewal and to_text(renewal),
        "previous": describe_replaced(record.facts) if first else None,
        "gave_up": pending.gave_up,
        "undelivered": list_undelivered(record, result),
        "next_attempt": changes["retry_at"] and to_text(changes["retry_at"]),
        "warnings": result.warnings,
        "note": note_on_renewal(record, facts, pending),
    }
    level: Severity = severity_of(record.model_copy(update=changes), now) if result.errors else "info"
    if level == "info" and kind == "certificate.rolled-back":
        level = "warning"
    # A request that came after the issuance is still to be served.
    unserved = record.requested_at is not None and record.requested_at != pending.requested_at
    retry = min(filter(None, (changes["retry_at"], next_slot(result.later))), default=None)
    retry = now if unserved else retry
    end = build_conclusion(attempt, kind, level, revision=facts.revision, data=data, changes=changes, retry=retry)
    return replace(end, metrics=result.metrics, nudge_at=next_slot(result.later))


def conclude_failure(
    attempt: Attempt, error: EvercertError, result: Result | None = None, *, from_status_check: bool = False
) -> Conclusion | RunWithoutOutcome:
    """Conclude a run in which no destination took the revision; a used-up quota is announced only once."""
    record, now, facts = attempt.record, attempt.now, attempt.record.facts
    pending = error.pending if isinstance(error, UnusableChain) else attempt.pending
    not_after, end_in_use = (None if facts is None else facts.not_after), earliest_end(record)
    retry = _retry_at(attempt, error, not_after)
    # A revision that a destination refused can still be delivered; one that the issuer refused is dropped.
    remaining = None if error.abandons and result is None else pending
    partly = facts is not None and remaining is not None and facts.revision == remaining.revision
    state: State = "stopped" if error.stops else "undelivered" if partly else "failing"
    if result is not None:
        retry = _schedule_retries(attempt, result, not_after)
    changes: dict[str, Any] = {"state": state, "pending": remaining, **_failure_changes(attempt, error, retry)}
    revision = pending.revision if pending is not None else record.revision
    data = request_data(record, attempt.issuer) | {
        "reason": pending.reason if pending is not None else None,
        "revision": revision,
        "kind": error.kind,
        "message": str(error)[:MESSAGE_LIMIT],
        "attempt": record.next_failures,
        "next_attempt": to_text(retry),
        "not_after": end_in_use and to_text(end_in_use),
        "undelivered": [] if result is None else list_undelivered(record, result),
        "warnings": [] if result is None else result.warnings,
    }
    if result is not None:
        changes["deliveries"] = result.deliveries
        retry = min(retry, next_slot(result.later) or retry)
    is_early = facts is not None and is_not_yet_valid(facts, now)
    level = "critical" if is_early else severity_of(record, now)
    kind: EventType = "certificate.failed"
    if check_due(record, now) and not from_status_check:
        retry = now  # check the status while the next attempt waits
    end = build_conclusion(attempt, kind, level, revision=revision, data=data, changes=changes, retry=retry)
    if result is None:
        return end
    end = replace(end, metrics=result.metrics)
    return end.unannounced() if is_repeated(attempt, error, result, level) else end


def conclude_pending(attempt: Attempt, pending: Pending) -> Conclusion:
    """Conclude a run whose issuer waits for a person; announced once for each thing it waits for."""
    record, not_after = attempt.record, earliest_end(attempt.record)
    data = request_data(record, attempt.issuer) | {
        "reason": pending.reason,
        "revision": pending.revision,
        "waits_for": pending.waits_for,
        "request": pending.handle,
        "next_attempt": pending.retry_at and to_text(pending.retry_at),
        "deadline": pending.deadline and to_text(pending.deadline),
        "not_after": not_after and to_text(not_after),
    }
    changes: dict[str, Any] = {"pending": pending, "state": "pending"}
    # Without a certificate nothing is late yet.
    level = "warning" if record.facts is None else severity_of(record, attempt.now)
    kind: EventType = "certificate.pending"
    revision, retry = pending.revision, pending.retry_at
    return build_conclusion(attempt, kind, level, revision=revision, data=data, changes=changes, retry=retry)


def first_retryable(errors: Mapping[str, EvercertError]) -> EvercertError:
    """Return the error that sets the retry time: a destination that refuses for good must not delay the others."""
    return min(errors.values(), key=lambda error: isinstance(error, Rejected))


def build_conclusion(
    attempt: Attempt,
    kind: EventType,
    level: Severity,
    *,
    revision: int,
    data: dict[str, Any],
    changes: dict[str, Any],
    retry: datetime | None,
) -> Conclusion:
    """Build the outcome, and the due time from the earliest timer of the changed record."""
    record = attempt.record
    outcome = Outcome(
        name=record.name,
        uid=record.uid,
        revision=revision,
        number=record.outcomes + 1,
        type=kind,
        at=attempt.now,
        issuer=attempt.issuer,
        severity=level,
        labels=record.spec.labels,
        data={key: value for key, value in data.items() if value is not None and value != []},
    )
    due_at = next_due(record.model_copy(update=changes), attempt.now, retry)
    return Conclusion(changes | {"outcomes": outcome.number}, due_at, outcome)


def _delivered_changes(attempt: Attempt, pending: Pending, facts: Facts, result: Result) -> dict[str, Any]:
    record = attempt.record
    changes: dict[str, Any] = {
        "facts": facts,
        "request_hash": pending.request_hash,
        "issuer_hash": pending.issuer_hash,
        "served": pending.requested_at,
        "deliveries": result.deliveries,
        "check_at": check_after_delivery(record, facts, attempt.now),
        "finding": None,
        **({} if record.rollback is None else {"rollback": None}),
        **({} if record.advice is None else {"advice": None}),
        **probe_check.delivered(record, pending),
        "kept_key": key_to_keep(record, pending),
        **AT_REST,
    }
    if record.facts is None or record.facts.revision != facts.revision:
        changes["warned"] = 0
    if result.errors:
        retry = _schedule_retries(attempt, result, facts.not_after)
        failure = _failure_changes(attempt, first_retryable(result.errors), retry)
        # The failure belongs to the request that this revision serves; it must not hold back a later request.
        failure["last_error"] = failure["last_error"].model_copy(update={"requested_at": pending.requested_at})
        changes |= failure
    elif any(result.deliveries.get(key, Delivery()).retry_at is not None for key in result.later):
        changes |= {"failures": record.failures, "last_error": record.last_error, "retry_at": record.retry_at}
    if result.errors or result.later:
        changes |= {"state": "undelivered", "pending": pending}
    after = record.model_copy(update={**changes, "not_after": earliest_end(record)})
    return {**changes, "not_after": earliest_end(after)}


def _schedule_retries(attempt: Attempt, result: Result, not_after: datetime | None) -> datetime:
    """Set the retry time of each destination that failed; return the earliest."""
    for key, error in result.errors.items():
        here = result.deliveries.get(key, Delivery())
        result.deliveries[key] = here.model_copy(update={"retry_at": _retry_at(attempt, error, not_after)})
    return min(moment for key in result.errors if (moment := result.deliveries[key].retry_at) is not None)


def _retry_at(attempt: Attempt, error: EvercertError, not_after: datetime | None) -> datetime:
    if isinstance(error, Mismatch):  # each attempt issues and revokes a certificate: ever fewer of them
        return attempt.now + min(REJECTED_FOR * (1 << min(attempt.record.failures, MAX_DOUBLINGS)), LONGEST_MISMATCH)
    if error.stops:
        return attempt.now + REJECTED_FOR
    if isinstance(error, ExpiredUnread) and not _expired_before(attempt.record):
        return attempt.now
    retry = back_off(attempt.record.next_failures, attempt.now, not_after, attempt.record.uid)
    if not isinstance(error, Unavailable):
        return retry
    if error.outage_until is not None and not attempt.record.failures:
        # The first failure in an outage must not cost more than the pause of the certificates that did not try.
        retry = min(retry, error.outage_until + AFTER_OUTAGE)
    return max(retry, attempt.now + min(error.retry_after or timedelta(0), LONGEST_RETRY_AFTER))


def _expired_before(record: Record) -> bool:
    """Whether the last failure may have been an expiry too: it came before this revision began.

    A failure of this revision was another one, and was waited for.
    """
    return record.failures > 0 and record.state == "pending"


def _failure_changes(attempt: Attempt, error: EvercertError, retry: datetime) -> dict[str, Any]:
    record = attempt.record
    failure = Failure(
        kind=error.kind,
        message=str(error)[:MESSAGE_LIMIT],
        at=attempt.now,
        generation=record.generation,
        requested_at=record.requested_at,
        issuer_hash=attempt.issuer_hash,
    )
    return {"failures": record.next_failures, "last_error": failure, "retry_at": retry}
