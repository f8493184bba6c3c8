"""What is announced of a certificate that nothing was done to: it expires, was revoked, drifted, waits."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from evercert.contracts.events import EventType, Outcome, Severity
from evercert.contracts.ports import Unreadable
from evercert.contracts.record import Delivery, Facts, Failure, Finding, Pending
from evercert.errors import Rejected
from evercert.issuance.conclusion import MESSAGE_LIMIT, Attempt, Conclusion, WayOut, conclude
from evercert.issuance.event_data import certificate_data, label
from evercert.issuance.status_check import Observation
from evercert.scheduling.schedule import WARNINGS, next_check, severity, warnings_due
from evercert.schema import printable
from evercert.timestamps import to_text


def warned(attempt: Attempt, facts: Facts, until: datetime | None) -> Conclusion:
    """The expiry comes nearer, or has come; `until` is what the record waits for otherwise.

    Warnings that were missed (the stack was down) are not made up for: the latest one stands for all.
    """
    record = attempt.record
    number = warnings_due(record, attempt.now)
    expired = number == len(WARNINGS)
    kind: EventType = "certificate.expired" if expired else "certificate.expiring"
    level: Severity = "warning" if number == 1 else "critical"
    error = record.last_error
    data = certificate_data(record, facts, record.deliveries) | {
        "message": _why_still_there(record.spec.renews, None if error is None else error.message),
        "renew_at": record.renew_at and to_text(record.renew_at),
    }
    changes = {"warned": number}
    return conclude(attempt, kind, level, revision=facts.revision, data=data, changes=changes, retry=until)


def found(attempt: Attempt, facts: Facts, seen: Observation, until: datetime | None) -> Conclusion:
    """A status check found what nobody had ordered; a new certificate is due at once unless all could be repaired.

    `until` is what the record waits for otherwise.
    """
    record, now = attempt.record, attempt.now
    deliveries = dict(record.deliveries)
    deliveries |= {key: Delivery() for key, (_, drift) in seen.drifts.items() if drift.gone}
    changes: dict[str, Any] = {"deliveries": deliveries}
    if seen.lost:
        changes["finding"] = Finding(
            reason="drifted" if seen.status == "good" else seen.status, revision=facts.revision, found_at=now
        )
    else:
        changes["check_at"] = next_check(record, now)
    revoked = seen.status == "revoked"
    kind: EventType = "certificate.revoked" if revoked else "certificate.drifted"
    problems = [
        {
            "destination": label(component),
            "problem": drift.problem,
            "repaired": drift.repaired or "a new certificate is due",
        }
        for component, drift in seen.drifts.values()
    ]
    data = certificate_data(record, facts, record.deliveries) | {"drifted": problems}
    if revoked:
        data["message"] = f"issuer {record.spec.issuer} says that it was revoked; a new certificate is due"
    level: Severity = "critical" if seen.lost else "warning"
    retry = now if seen.lost else until
    return conclude(attempt, kind, level, revision=facts.revision, data=data, changes=changes, retry=retry)


def waiting(attempt: Attempt, pending: Pending) -> Conclusion:
    """The issuer waits for a person; said once for each thing that it waits for."""
    record, facts = attempt.record, attempt.record.facts
    not_after = facts.not_after if facts is not None else None
    data: dict[str, Any] = {
        "name": record.name,
        "issuer": record.spec.issuer,
        "names": [str(name) for name in record.spec.attributes.identifiers],
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
    level = "warning" if facts is None else severity(attempt.now, record.renew_at, not_after)
    return conclude(
        attempt,
        "certificate.pending",
        level,
        revision=pending.revision,
        data=data,
        changes=changes,
        retry=pending.retry_at,
    )


def unreadable(item: Unreadable, now: datetime) -> Conclusion | WayOut:
    """The item is no record: said once, however often it is nudged; it is due again only when an operator writes it."""
    text = f"the item of {item.name} in the table does not parse: {item.problem}; apply its document again"
    message = printable(text, MESSAGE_LIMIT)  # the name and the item are as hands have made them
    if item.said == message:
        return WayOut("nothing-to-do", {}, None)
    outcome = Outcome(
        name=item.name,
        uid=item.uid,
        revision=0,
        number=item.outcomes + 1,
        type="spec.rejected",
        at=now,
        issuer="unknown",
        severity="critical",
        data={"name": item.name, "kind": Rejected.kind, "message": message},
    )
    # Of no generation: whatever the item becomes, this failure holds nothing back.
    said = Failure(kind=Rejected.kind, message=message, at=now, generation=0)
    return Conclusion({"state": "stopped", "outcomes": outcome.number, "last_error": said}, None, outcome)


def _why_still_there(renews: bool, error: str | None) -> str:  # noqa: FBT001
    if error is not None:
        return f"it was not renewed: {error}"
    return "it has not been renewed yet" if renews else "it is issued once: it is not renewed by itself"
