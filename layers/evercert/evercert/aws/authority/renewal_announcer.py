"""SNS: announce automatic renewals that failed, on the topic of the stack's events."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from evercert.authority.contracts.records import CertificateRecord
from evercert.aws.sns import SNSAnnouncer
from evercert.contracts.events import Outcome
from evercert.timestamps import to_text

AUTHORITY = "authority"  # the issuer in the events


class SNSRenewalAnnouncer:
    """One event for each new reason."""

    def __init__(self, announcer: SNSAnnouncer, clock: Callable[[], datetime]) -> None:
        self._announcer = announcer
        self._clock = clock

    def failed(self, record: CertificateRecord, error: str, next_attempt: datetime | None) -> None:
        """Publish `authority.renewal-failed`; critical if there is no further attempt."""
        now = self._clock()
        name = next(iter(record.leaf.subject.get("common_name", ())), "") or record.id
        data = {
            "name": name,
            "issuer": AUTHORITY,
            "names": [str(one) for one in record.leaf.names],
            "certificate_id": record.id,
            "profile_id": record.profile,
            "serial_number": record.serial_number,
            "not_after": to_text(record.not_after),
            "message": error,
            "next_attempt": None if next_attempt is None else to_text(next_attempt),
        }
        outcome = Outcome(
            name=name,
            uid=record.id,
            revision=0,
            number=int(now.timestamp()),
            type="authority.renewal-failed",
            at=now,
            issuer=AUTHORITY,
            severity="critical" if next_attempt is None else "warning",
            data={key: value for key, value in data.items() if value is not None},
        )
        self._announcer.announce(outcome)
