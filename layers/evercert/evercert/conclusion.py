"""How a run ends: what the record says afterwards, when to come back, and what is announced."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from evercert.decision import renewal_of, renewal_time
from evercert.errors import EvercertError, Rejected, Unavailable
from evercert.events import EventType, Outcome
from evercert.instants import to_text
from evercert.ports import Unreadable
from evercert.record import Delivery, Facts, Failure, Pending, Record, State
from evercert.renewal import REJECTED_FOR, Severity, back_off, renew_at, severity
from evercert.spec import Component

MESSAGE_LIMIT = 1_000
LONGEST_RETRY_AFTER = timedelta(days=1)


@dataclass(frozen=True)
class Conclusion:
    """Everything that the last write of a run needs."""

    changes: dict[str, Any]
    due_at: datetime | None
    outcome: Outcome


@dataclass(frozen=True)
class Attempt:
    """What a run knew when it ended."""

    record: Record
    now: datetime
    pending: Pending | None = None
    issuer_hash: str | None = None


def delivered(
    attempt: Attempt, facts: Facts, deliveries: Mapping[str, Delivery], errors: Mapping[str, EvercertError]
) -> Conclusion:
    """At least one destination took the revision in this run; `errors` has those that did not, by key."""
    record, pending, now = attempt.record, attempt.pending, attempt.now
    if pending is None:
        raise ValueError("nothing was delivered without a revision under way")
    first = record.facts is None or record.facts.revision != facts.revision
    kind: EventType = "certificate.delivered"
    if first:
        kind = "certificate.issued" if record.facts is None else "certificate.renewed"
    wish = record.spec.lifecycle.renew_before_expiry
    renewal, clamped = renewal_of(facts, record), renew_at(facts.not_before, facts.not_after, wish, record.uid)[1]
    changes: dict[str, Any] = {
        "facts": facts,
        "request_hash": pending.request_hash,
        "issuer_hash": pending.issuer_hash,
        "served": pending.requested_at,
        "deliveries": deliveries,
        "renew_at": renewal,
    }
    if errors:
        error = leading(errors)
        retry = _retry_at(attempt, error, facts.not_after)
        failure = _failure(attempt, error, retry)
        # What failed is the wish that this revision was for; a request that came after it is not held by it.
        failure["last_error"] = failure["last_error"].model_copy(update={"requested_at": pending.requested_at})
        changes |= {"state": "undelivered", **failure}
    else:
        retry = None
        changes |= {"state": "ready", "pending": None, "failures": 0, "last_error": None, "retry_at": None}
    data = _certificate_data(record, facts, deliveries) | {
        "reason": pending.reason,
        "renew_at": to_text(renewal),
        "previous": _previous(record.facts) if first else None,
        "gave_up": pending.gave_up,
        "undelivered": _undelivered(record, errors),
        "next_attempt": retry and to_text(retry),
    }
    if clamped:
        data["note"] = "renew-before-expiry asks for more than two thirds of the lifetime; renewed after one third"
    level: Severity = severity(now, renewal, facts.not_after) if errors else "info"
    outcome = _outcome(attempt, kind, level, facts.revision, data)
    # A request that came after this one was issued wants another.
    unserved = record.requested_at is not None and record.requested_at != pending.requested_at
    due_at = now if unserved else min(retry or renewal, renewal)
    return Conclusion(changes | {"outcomes": outcome.number}, due_at, outcome)


def failed(attempt: Attempt, error: EvercertError, errors: Mapping[str, EvercertError] | None = None) -> Conclusion:
    """Nothing new was delivered anywhere."""
    record, pending, now = attempt.record, attempt.pending, attempt.now
    facts = record.facts
    not_after = facts.not_after if facts is not None else None
    retry = _retry_at(attempt, error, not_after)
    # What a destination refuses stays under way: it can still be delivered. What the issuer refuses is over.
    kept = None if error.abandons and not errors else pending
    partly = facts is not None and kept is not None and facts.revision == kept.revision
    state: State = "stopped" if isinstance(error, Rejected) else "undelivered" if partly else "failing"
    changes: dict[str, Any] = {
        "state": state,
        "pending": kept,
        **_failure(attempt, error, retry),
    }
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
        "undelivered": _undelivered(record, errors or {}),
    }
    level = severity(now, record.renew_at, not_after)
    outcome = _outcome(attempt, "certificate.failed", level, revision, data)
    renewal = renewal_time(record)
    due_at = min(retry, renewal) if renewal is not None and renewal > now else retry
    return Conclusion(changes | {"outcomes": outcome.number}, due_at, outcome)


def leading(errors: Mapping[str, EvercertError]) -> EvercertError:
    """The error that decides when to come back: one destination that will never take it must not delay the others."""
    return min(errors.values(), key=lambda error: isinstance(error, Rejected))


def unreadable(item: Unreadable, now: datetime) -> Conclusion:
    """The item is no record: said once; it is due again only when an operator writes it."""
    message = f"the item of {item.name} in the table does not parse: {item.problem}; apply its document again"
    outcome = Outcome(
        name=item.name,
        uid=item.uid,
        revision=0,
        number=item.outcomes + 1,
        type="spec.rejected",
        at=now,
        issuer="unknown",
        severity="critical",
        data={"name": item.name, "kind": Rejected.kind, "message": message[:MESSAGE_LIMIT]},
    )
    return Conclusion({"state": "stopped", "outcomes": outcome.number}, None, outcome)


def _outcome(attempt: Attempt, kind: EventType, level: Severity, revision: int, data: dict[str, Any]) -> Outcome:
    record = attempt.record
    return Outcome(
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


def _retry_at(attempt: Attempt, error: EvercertError, not_after: datetime | None) -> datetime:
    if isinstance(error, Rejected):
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


def _certificate_data(record: Record, facts: Facts, deliveries: Mapping[str, Delivery]) -> dict[str, Any]:
    held = [d for d in map(deliveries.get, (c.key for c in record.spec.destinations)) if d is not None]
    return {
        "name": record.name,
        "common_name": facts.common_name,
        "names": list(facts.names),
        "issuer": record.spec.issuer,
        "revision": facts.revision,
        "serial_number": facts.serial_number,
        "not_before": to_text(facts.not_before),
        "not_after": to_text(facts.not_after),
        "fingerprint_sha256": facts.fingerprint_sha256,
        "locations": [{"location": d.location, "version": d.version} for d in held if d.revision == facts.revision],
    }


def _previous(facts: Facts | None) -> dict[str, Any] | None:
    if facts is None:
        return None
    return {
        "revision": facts.revision,
        "serial_number": facts.serial_number,
        "not_after": to_text(facts.not_after),
        "fingerprint_sha256": facts.fingerprint_sha256,
    }


def _undelivered(record: Record, errors: Mapping[str, EvercertError]) -> list[dict[str, str]]:
    return [
        {"destination": _label(component), "kind": errors[component.key].kind, "message": str(errors[component.key])}
        for component in record.spec.destinations
        if component.key in errors
    ]


def _label(component: Component) -> str:
    settings = " ".join(f"{key}={value}" for key, value in sorted(component.settings.items()))
    return f"{component.type} {settings}".strip()
