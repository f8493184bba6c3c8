"""Outcomes of runs, and their form as CloudEvents and as mail."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal
from uuid import UUID, uuid5

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints

from evercert.contracts.event_size import fitted, fitted_labels
from evercert.schema import Instant, printable
from evercert.timestamps import to_text

Severity = Literal["info", "warning", "critical"]
EventType = Literal[
    "certificate.issued",
    "certificate.renewed",
    "certificate.delivered",
    "certificate.rolled-back",
    "certificate.failed",
    "certificate.expiring",
    "certificate.expired",
    "certificate.revoked",
    "certificate.drifted",
    "certificate.stale",
    "certificate.pending",
    "spec.rejected",
    "authority.renewal-failed",
    "authority.approval-requested",
    "authority.approval-granted",
    "authority.approval-refused",
]
MOST_LABELS = 20  # of a spec; a stored outcome may have been edited
LONGEST_VALUE = 4_000  # of one line of a mail
SUBJECT_LIMIT = 99  # SNS: fewer than 100 ASCII characters, no line break
_HEADLINES: dict[EventType, str] = {
    "certificate.issued": "issued",
    "certificate.renewed": "renewed",
    "certificate.delivered": "delivered late",
    "certificate.rolled-back": "was ROLLED BACK",
    "certificate.failed": "FAILED",
    "certificate.expiring": "EXPIRES SOON",
    "certificate.expired": "EXPIRED",
    "certificate.revoked": "was REVOKED",
    "certificate.drifted": "drifted",
    "certificate.stale": "is NOT in use everywhere",
    "certificate.pending": "waits for approval",
    "spec.rejected": "spec REJECTED",
    "authority.renewal-failed": "automatic renewal FAILED",
    "authority.approval-requested": "needs your approval",
    "authority.approval-granted": "was approved",
    "authority.approval-refused": "was NOT approved",
}


class Outcome(BaseModel):
    """The outcome of one run: a line of the history, and the event to publish."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    name: str
    uid: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
    revision: int
    number: int
    type: EventType
    at: Instant
    issuer: str
    severity: Severity
    labels: dict[str, str] = {}
    data: Annotated[dict[str, Any], AfterValidator(fitted)]

    @property
    def key(self) -> str:
        """The sort key of the outcome's item; the event id is derived from it."""
        return f"outcome#{self.uid}#{self.revision:08d}#{self.number:08d}"

    @property
    def event_id(self) -> str:
        """The event id: equal for every publication of this outcome, so that subscribers can drop duplicates."""
        return str(uuid5(UUID(self.uid), self.key))

    def cloud_event(self, source: str) -> dict[str, Any]:
        """Return the outcome as a CloudEvent 1.0 in JSON format."""
        return {
            "specversion": "1.0",
            "id": self.event_id,
            "source": source,
            "type": self.type,
            "subject": self.name,
            "time": to_text(self.at),
            "datacontenttype": "application/json",
            "data": self.data,
        }

    def attributes(self) -> dict[str, str | list[str]]:
        """Return the message attributes for filter policies.

        SNS drops messages with more than ten attributes for SQS subscriptions with raw delivery.
        """
        return {
            "type": self.type,
            "certificate": printable(self.name) or "?",  # SNS takes no control characters
            "issuer": printable(self.issuer) or "?",
            "severity": self.severity,
            "labels": fitted_labels(
                printable(f"{key}={value}") for key, value in sorted(self.labels.items())[:MOST_LABELS]
            ),
        }

    @property
    def subject(self) -> str:
        """The subject line of a mail."""
        headline = _HEADLINES[self.type]
        name = printable(self.name).encode("ascii", "replace").decode()
        room = SUBJECT_LIMIT - len(f"evercert:  {headline}")
        return f"evercert: {name if len(name) <= room else f'{name[: room - 3]}...'} {headline}"

    def text(self) -> str:
        """Return the body of the mail, with one fact per line."""
        lines = [f"Certificate {printable(self.name)}: {_HEADLINES[self.type]}.", ""]
        for key, value in self.data.items():
            if value not in (None, [], {}):
                lines.append(f"{printable(key).replace('_', ' ')}: {_readable(value)}")
        return "\n".join(lines) + "\n"


def _readable(value: object) -> str:
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return printable(", ".join(value), LONGEST_VALUE)
    return printable(value if isinstance(value, str) else json.dumps(value, sort_keys=True), LONGEST_VALUE)
