"""How a run ends: what the record says afterwards, when to come back, and what is announced."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from cryptography import x509

from evercert.contracts.events import EventType, Outcome, Severity
from evercert.contracts.record import Delivery, Facts, Failure, KeptKey, Pending, Record, State
from evercert.errors import EvercertError, Rejected, Unavailable
from evercert.issuance.delivery import Result, next_turn
from evercert.issuance.event_data import certificate_data, previous, undelivered
from evercert.pki.algorithms import algorithm_of
from evercert.scheduling.schedule import (
    REJECTED_FOR,
    back_off,
    check_due,
    next_check,
    next_due,
    renew_at,
    renewal_of,
    severity,
)
from evercert.timestamps import to_text

MESSAGE_LIMIT = 1_000
LONGEST_RETRY_AFTER = timedelta(days=1)
AT_REST = {"state": "ready", "pending": None, "failures": 0, "last_error": None, "retry_at": None}


@dataclass(frozen=True)
class Conclusion:
    """Everything that the last write of a run needs."""

    changes: dict[str, Any]
    due_at: datetime | None
    outcome: Outcome
    measured: dict[str, float] = field(default_factory=dict)
    again_at: datetime | None = None  # before the next tick: somebody's turn comes


Word = Literal["nothing-to-do", "checked", "waiting", "put-off", "paused", "pending"]


@dataclass(frozen=True)
class WayOut:
    """A run that ends without an outcome: what to write, and when to come back."""

    word: Word
    changes: dict[str, Any]
    due_at: datetime | None
    facts: dict[str, Any] = field(default_factory=dict)
    again_at: datetime | None = None  # before the next tick: the issuer is done, or somebody's turn comes


@dataclass(frozen=True)
class Attempt:
    """What a run knew when it ended."""

    record: Record
    now: datetime
    pending: Pending | None = None
    issuer_hash: str | None = None


def delivered(attempt: Attempt, facts: Facts, result: Result) -> Conclusion:
    """At least one destination took the revision in this run; `result` has those that did not."""
    record, pending, now = attempt.record, attempt.pending, attempt.now
    if pending is None:
        raise ValueError("nothing was delivered without a revision under way")
    first = record.facts is None or record.facts.revision != facts.revision
    kind: EventType = "certificate.delivered"
    if first:
        kind = "certificate.issued" if record.facts is None else "certificate.renewed"
    renewal = renewal_of(facts, record) if record.spec.renews else None
    changes = _delivered_changes(attempt, pending, facts, result) | {"renew_at": renewal}
    data = certificate_data(record, facts, result.deliveries) | {
        "reason": pending.reason,
        "request": record.request_reason if pending.reason == "requested" else None,
        "renew_at": renewal and to_text(renewal),
        "previous": previous(record.facts) if first else None,
        "gave_up": pending.gave_up,
        "undelivered": undelivered(record, result),
        "next_attempt": changes["retry_at"] and to_text(changes["retry_at"]),
        "warnings": result.warnings,
        "note": _clamped(record, facts),
    }
    level: Severity = severity(now, renewal, facts.not_after) if result.errors else "info"
    # A request that came after this one was issued wants another.
    unserved = record.requested_at is not None and record.requested_at != pending.requested_at
    retry = min(filter(None, (changes["retry_at"], next_turn(result.later))), default=None)
    retry = now if unserved else retry
    end = conclude(attempt, kind, level, revision=facts.revision, data=data, changes=changes, retry=retry)
    return replace(end, measured=result.measured, again_at=next_turn(result.later))


def failed(attempt: Attempt, error: EvercertError, result: Result | None = None, *, looked: bool = False) -> Conclusion:
    """Nothing new was delivered anywhere; `looked`: what failed is the status check itself."""
    record, pending, now = attempt.record, attempt.pending, attempt.now
    facts = record.facts
    not_after = facts.not_after if facts is not None else None
    retry = _retry_at(attempt, error, not_after)
    # What a destination refuses stays under way: it can still be delivered. What the issuer refuses is over.
    kept = None if error.abandons and result is None else pending
    partly = facts is not None and kept is not None and facts.revision == kept.revision
    state: State = "stopped" if error.stops else "undelivered" if partly else "failing"
    if result is not None:
        retry = _put_off(attempt, result, not_after)
    changes: dict[str, Any] = {"state": state, "pending": kept, **_failure(attempt, error, retry)}
    revision = pending.revision if pending is not None else record.revision
    data: dict[str, Any] = {
        "name": record.name,
        "issuer": record.spec.issuer,
        "names": [str(name) for name in record.spec.attributes.identifiers],
        "reason": pending.reason if pending is not None else None,
        "revision": revision,
        "kind": error.kind,
        "message": str(error)[:MESSAGE_LIMIT],
        "attempt": record.failures + 1,
        "next_attempt": to_text(retry),
        "not_after": not_after and to_text(not_after),
        "undelivered": [] if result is None else undelivered(record, result),
        "warnings": [] if result is None else result.warnings,
    }
    if result is not None:
        changes["deliveries"] = result.deliveries
        retry = min(retry, next_turn(result.later) or retry)
    level = severity(now, record.renew_at, not_after)
    kind: EventType = "certificate.failed"
    if check_due(record, now) and not looked:
        retry = now  # the status is looked at while the next try waits
    end = conclude(attempt, kind, level, revision=revision, data=data, changes=changes, retry=retry)
    return end if result is None else replace(end, measured=result.measured)


def leading(errors: Mapping[str, EvercertError]) -> EvercertError:
    """The error that decides when to come back: one destination that will never take it must not delay the others."""
    return min(errors.values(), key=lambda error: isinstance(error, Rejected))


def conclude(
    attempt: Attempt,
    kind: EventType,
    level: Severity,
    *,
    revision: int,
    data: dict[str, Any],
    changes: dict[str, Any],
    retry: datetime | None,
) -> Conclusion:
    """The outcome, and the earliest of the timers that the record has after the changes."""
    record = attempt.record
    outcome = Outcome(
        name=record.name,
        uid=record.uid,
        revision=revision,
        number=record.outcomes + 1,
        type=kind,
        at=attempt.now,
        issuer=record.spec.issuer,
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
        "check_at": next_check(record, attempt.now),
        "finding": None,
        "kept_key": _kept(record, pending),
        **AT_REST,
    }
    if record.facts is None or record.facts.revision != facts.revision:
        changes["warned"] = 0
    if result.errors:
        failure = _failure(attempt, leading(result.errors), _put_off(attempt, result, facts.not_after))
        # What failed is the wish that this revision was for; a request that came after it is not held by it.
        failure["last_error"] = failure["last_error"].model_copy(update={"requested_at": pending.requested_at})
        changes |= failure
    elif any(result.deliveries.get(key, Delivery()).retry_at is not None for key in result.later):
        changes |= {"failures": record.failures, "last_error": record.last_error, "retry_at": record.retry_at}
    if result.errors or result.later:
        changes |= {"state": "undelivered", "pending": pending}
    return changes


def _kept(record: Record, pending: Pending) -> KeptKey | None:
    if record.spec.private_key.rotate != "never" or pending.sealed_key is None or pending.csr is None:
        return None
    algorithm = algorithm_of(x509.load_pem_x509_csr(pending.csr.encode()).public_key())
    return KeptKey(sealed_key=pending.sealed_key, revision=pending.revision, algorithm=str(algorithm))


def _put_off(attempt: Attempt, result: Result, not_after: datetime | None) -> datetime:
    """Each destination that failed has a time of its own to be tried again; answers the first of them."""
    for key, error in result.errors.items():
        here = result.deliveries.get(key, Delivery())
        result.deliveries[key] = here.model_copy(update={"retry_at": _retry_at(attempt, error, not_after)})
    return min(moment for key in result.errors if (moment := result.deliveries[key].retry_at) is not None)


def _clamped(record: Record, facts: Facts) -> str | None:
    wish = record.spec.lifecycle.renew_before_expiry
    if not renew_at(facts.not_before, facts.not_after, wish, record.uid)[1]:
        return None
    return "renew-before-expiry asks for more than two thirds of the lifetime; renewed after one third"


def _retry_at(attempt: Attempt, error: EvercertError, not_after: datetime | None) -> datetime:
    if error.stops:
        return attempt.now + REJECTED_FOR
    retry = back_off(attempt.record.failures + 1, attempt.now, not_after, attempt.record.uid)
    if isinstance(error, Unavailable) and error.retry_after is not None:
        return max(retry, attempt.now + min(error.retry_after, LONGEST_RETRY_AFTER))
    return retry


def _failure(attempt: Attempt, error: EvercertError, retry: datetime) -> dict[str, Any]:
    record = attempt.record
    failure = Failure(
        kind=error.kind,
        message=str(error)[:MESSAGE_LIMIT],
        at=attempt.now,
        generation=record.generation,
        requested_at=record.requested_at,
        issuer_hash=attempt.issuer_hash,
    )
    return {"failures": record.failures + 1, "last_error": failure, "retry_at": retry}
