"""What is announced of a certificate that nothing was done to: it expires, it was revoked, it drifted."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from evercert.conclusion import Attempt, Conclusion, conclude
from evercert.events import EventType
from evercert.instants import to_text
from evercert.observing import Observation
from evercert.record import Delivery, Facts, Finding
from evercert.renewal import WARNINGS, Severity
from evercert.reporting import certificate_data, label
from evercert.timers import next_check, warnings_due


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
            reason="revoked" if seen.revoked else "drifted", revision=facts.revision, found_at=now
        )
    else:
        changes["check_at"] = next_check(record, now)
    kind: EventType = "certificate.revoked" if seen.revoked else "certificate.drifted"
    problems = [
        {
            "destination": label(component),
            "problem": drift.problem,
            "repaired": drift.repaired or "a new certificate is due",
        }
        for component, drift in seen.drifts.values()
    ]
    data = certificate_data(record, facts, record.deliveries) | {"drifted": problems}
    if seen.revoked:
        data["message"] = f"issuer {record.spec.issuer} says that it was revoked; a new certificate is due"
    level: Severity = "critical" if seen.lost else "warning"
    retry = now if seen.lost else until
    return conclude(attempt, kind, level, revision=facts.revision, data=data, changes=changes, retry=retry)


def _why_still_there(renews: bool, error: str | None) -> str:  # noqa: FBT001
    if error is not None:
        return f"it was not renewed: {error}"
    return "it has not been renewed yet" if renews else "it is issued once: it is not renewed by itself"
