"""Conclusions of runs that issued and delivered nothing: expiry warnings, findings, unreadable records."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from evercert.contracts.events import EventType, Outcome, Severity
from evercert.contracts.ports import Unreadable
from evercert.contracts.record import Delivery, Facts, Failure, Finding, Record
from evercert.errors import NoRoom, Rejected, Unexpected
from evercert.issuance.conclusion import build_conclusion
from evercert.issuance.event_data import certificate_data, label
from evercert.issuance.run_result import MESSAGE_LIMIT, Attempt, Conclusion, RunWithoutOutcome
from evercert.issuance.staleness import Staleness
from evercert.issuance.status_check import Observation
from evercert.scheduling.schedule import REJECTED_FOR, WARNINGS, next_check, warnings_due
from evercert.schema import printable
from evercert.timestamps import to_text


def warn_of_expiry(attempt: Attempt, facts: Facts, until: datetime | None) -> Conclusion:
    """Announce that the certificate expires soon, or has expired; `until` is when the record is due otherwise.

    After an outage only the latest warning is sent; the missed ones are not.
    """
    attempt = replace(attempt, pending=None)  # the warning is about the certificate in use
    record = attempt.record
    number = warnings_due(record, attempt.now)
    expired = number == len(WARNINGS)
    kind: EventType = "certificate.expired" if expired else "certificate.expiring"
    level: Severity = "warning" if number == 1 else "critical"
    error = record.last_error
    data = certificate_data(record, facts, record.deliveries, attempt.issuer) | {
        "message": _why_not_renewed(record.spec.renews, None if error is None else error.message),
        "renew_at": record.renew_at and to_text(record.renew_at),
    }
    changes = {"warned": number}
    return build_conclusion(attempt, kind, level, revision=facts.revision, data=data, changes=changes, retry=until)


def report_findings(attempt: Attempt, facts: Facts, observed: Observation, until: datetime | None) -> Conclusion:
    """Announce a revocation or drift; a new certificate is due at once unless all drift was repaired.

    `until` is when the record is due otherwise.
    """
    attempt = replace(attempt, pending=None)  # the event is about the certificate in use
    record, now = attempt.record, attempt.now
    deliveries = dict(record.deliveries)
    deliveries |= {key: Delivery() for key, (_, drift) in observed.drifts.items() if drift.gone}
    changes: dict[str, Any] = {"deliveries": deliveries}
    if observed.lost:
        changes["finding"] = Finding(
            reason="drifted" if observed.status == "good" else observed.status, revision=facts.revision, found_at=now
        )
    else:
        changes["check_at"] = next_check(record, now)
    revoked = observed.status == "revoked"
    kind: EventType = "certificate.revoked" if revoked else "certificate.drifted"
    problems = [
        {
            "destination": label(component),
            "problem": drift.problem,
            "repaired": drift.repaired or "a new certificate is due",
        }
        for component, drift in observed.drifts.values()
    ]
    data = certificate_data(record, facts, record.deliveries, attempt.issuer) | {"drifted": problems}
    if revoked:
        data["message"] = f"revoked, according to issuer {attempt.issuer}; a new certificate is due"
    level: Severity = "critical" if observed.lost else "warning"
    retry = now if observed.lost else until
    return build_conclusion(attempt, kind, level, revision=facts.revision, data=data, changes=changes, retry=retry)


def report_stale(
    attempt: Attempt, facts: Facts, found: Staleness, check_at: datetime, until: datetime | None
) -> Conclusion:
    """Announce that the delivered certificate is not in use everywhere; `until` is when the record is due otherwise."""
    attempt = replace(attempt, pending=None)  # the event is about the certificate in use
    record = attempt.record
    data = certificate_data(record, facts, record.deliveries, attempt.issuer) | dict(found.data)
    changes = {**found.changes, "check_at": check_at}
    level = found.severity or "warning"
    kind: EventType = "certificate.stale"
    return build_conclusion(attempt, kind, level, revision=facts.revision, data=data, changes=changes, retry=until)


def reject_unreadable(item: Unreadable, now: datetime) -> Conclusion | RunWithoutOutcome:
    """Announce an item that does not parse, once; it is due again only when an operator writes it."""
    text = f"the record of {item.name} does not parse: {item.problem}; apply its document again"
    message = printable(text, MESSAGE_LIMIT)  # a manual edit may have put anything into the name and the item
    if item.announced == message:
        return RunWithoutOutcome("nothing-to-do", {}, None)
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
    # Generation 0 matches no record, so this failure never holds back the repaired one.
    failure = Failure(kind=Rejected.kind, message=message, at=now, generation=0)
    return Conclusion({"state": "stopped", "outcomes": outcome.number, "last_error": failure}, None, outcome)


def report_bug(record: Record, bug: Unexpected, now: datetime) -> Conclusion:
    """Announce that the record could not be processed, not even to conclude a failure; tried again after a day.

    It reads no more of the record than it must: any value of it may be the cause.
    """
    message = str(bug)[:MESSAGE_LIMIT]
    retry = now + REJECTED_FOR
    data = {"name": record.name, "issuer": record.spec.issuer, "revision": record.revision, "kind": bug.kind}
    outcome = Outcome(
        name=record.name,
        uid=record.uid,
        revision=record.revision,
        number=record.outcomes + 1,
        type="certificate.failed",
        at=now,
        issuer=record.spec.issuer,
        severity="critical",
        labels=record.spec.labels,
        data={**data, "message": message, "attempt": record.next_failures, "next_attempt": to_text(retry)},
    )
    failure = Failure(kind=bug.kind, message=message, at=now, generation=record.generation)
    changes = {"state": "failing", "outcomes": outcome.number, "last_error": failure}
    return Conclusion(changes, retry, outcome)


def stop_without_room(item: Record | Unreadable, now: datetime, lost: Outcome | None) -> Outcome:
    """Return the outcome of a run that could not write a record because it is too large.

    `lost` is the outcome that the run had, if any: the record does not hold its result.
    """
    unsaved = "" if lost is None else f"; the result of this run is not in it ({lost.type})"
    text = (
        f"the record of {item.name} cannot be written: it has no room left under the table's 400 KB{unsaved}; "
        "shorten its document and apply it again, or delete the certificate"
    )
    data: dict[str, Any] = {"name": item.name, "kind": NoRoom.kind, "message": printable(text, MESSAGE_LIMIT)}
    kind: EventType = "spec.rejected"
    issuer, revision = "unknown", 0
    labels: dict[str, str] = {}
    if isinstance(item, Record):
        kind, issuer, revision, labels = "certificate.failed", item.spec.issuer, item.revision, item.spec.labels
        data |= {"issuer": issuer, "revision": revision, "attempt": item.next_failures}
    return Outcome(
        name=item.name,
        uid=item.uid,
        revision=revision,
        number=item.outcomes + 1,
        type=kind,
        at=now,
        issuer=issuer,
        severity="critical",
        labels=labels,
        data=data,
    )


def _why_not_renewed(renews: bool, error: str | None) -> str:  # noqa: FBT001
    if error is not None:
        return f"not renewed: {error}"
    return "not renewed yet" if renews else "not renewed automatically: it is issued once"
