"""Rules of a pause: whether it stops a decision, and when it is looked at again."""

from __future__ import annotations

from datetime import datetime, timedelta

from evercert.contracts.record import Record
from evercert.issuance.candidates import Candidates
from evercert.scheduling.decision import Idle, Restore, Resume, Start, Wait
from evercert.scheduling.schedule import spread

PAUSED_CHECK = timedelta(minutes=15)


def is_paused(
    record: Record, decision: Idle | Wait | Start | Resume | Restore, candidates: Candidates, now: datetime
) -> bool:
    """Whether the issuer that would be asked first is paused."""
    match decision:
        case Idle(None):  # a status check asks no other issuer
            opened = candidates.of_certificate(record)
            return opened is not None and opened.paused
        case Resume(pending) if not candidates.knows(pending):
            # A certificate of an issuer that is undefined by now is delivered, unless all others are paused.
            return all(opened.paused for opened in candidates.opened)
        case Resume(pending) if not candidates.starts_over(pending, now):
            return candidates.of_request(pending).paused
    return candidates.order()[0].paused


def next_check(record: Record, now: datetime) -> datetime:
    """Return when to check a paused certificate again; certificates are spread over the last third."""
    return now + PAUSED_CHECK - spread(record.uid, str(now), PAUSED_CHECK / 3)
