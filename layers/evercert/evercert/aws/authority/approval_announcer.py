"""SNS: announce approvals of certificate requests, on the topic of the stack's events."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from evercert.authority.contracts.records import RequestRecord
from evercert.authority.registration.approval_notices import State
from evercert.aws.authority.renewal_announcer import AUTHORITY
from evercert.aws.sns import SNSAnnouncer
from evercert.contracts.events import EventType, Outcome, Severity
from evercert.timestamps import to_text

_TYPES: dict[State, tuple[EventType, Severity, int]] = {  # and the number in the id of the event
    "requested": ("authority.approval-requested", "info", 1),
    "approved": ("authority.approval-granted", "info", 2),
    "rejected": ("authority.approval-refused", "warning", 3),
    "ended": ("authority.approval-refused", "warning", 3),
}


class SNSApprovalAnnouncer:
    """One event for each state of a request; a repeated one has the same id."""

    def __init__(self, announcer: SNSAnnouncer, clock: Callable[[], datetime]) -> None:
        self._announcer = announcer
        self._clock = clock

    def approval(self, request: RequestRecord, state: State, message: str) -> None:
        """Publish `authority.approval-requested`, `-granted` or `-refused`."""
        kind, severity, number = _TYPES[state]
        name = next(iter(request.leaf.subject.get("common_name", ())), "") or request.id
        terms = request.approval
        data = {
            "name": name,
            "issuer": AUTHORITY,
            "names": [str(one) for one in request.leaf.names],
            "request": request.id,
            "certificate_id": request.certificate_id if state == "approved" else None,
            "profile_id": request.profile,
            "identity": request.identity,
            "deadline": None if terms is None or state != "requested" else to_text(terms.until),
            "decisions": [
                {"by": one.by_name, "approved": one.approved, "reason": one.reason} for one in request.decisions
            ],
            "message": message,
        }
        outcome = Outcome(
            name=name,
            uid=request.id,
            revision=0,
            number=number,
            type=kind,
            at=self._clock(),
            issuer=AUTHORITY,
            severity=severity,
            data={key: value for key, value in data.items() if value not in (None, "", [])},
        )
        self._announcer.announce(outcome)
