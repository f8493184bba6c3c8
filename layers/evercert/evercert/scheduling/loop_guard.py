"""What is issued again and again without anybody asking for it is stopped."""

from __future__ import annotations

from datetime import datetime, timedelta

from evercert.contracts.record import Pending, Reason, Record, Streak
from evercert.errors import Looping
from evercert.pki.certificate import Chain

UNASKED = frozenset(["missing", "near-expiry", "drifted"])
MOST_UNASKED = 5
_DATED_BACK = timedelta(hours=1)  # at most, as public CAs do; what began earlier was not made just now


def streak(record: Record, pending: Pending, chain: Chain, now: datetime) -> Streak:
    """The issuances in a row that nobody asked for, this one included."""
    begins = chain.leaf.not_valid_before_utc
    # Issuers date certificates back, and of a short one that is most of what it says.
    span = chain.leaf.not_valid_after_utc - max(begins, min(now, begins + _DATED_BACK))
    before = record.streak.times if pending.reason in UNASKED and _goes_on(record) and record.streak else ()
    return Streak(
        times=(*before, now)[-MOST_UNASKED:],
        lifetime=int(span.total_seconds()),
        generation=record.generation,
        requested_at=record.requested_at,
    )


def require_no_loop(record: Record, reason: Reason, now: datetime) -> None:
    """Raises Looping when the next issuance would be the sixth within one lifetime that nobody asked for."""
    if record.streak is None or reason not in UNASKED or not _goes_on(record):
        return
    times, lifetime = record.streak.times, timedelta(seconds=record.streak.lifetime)
    if len(times) == MOST_UNASKED and timedelta(0) <= now - times[0] < lifetime:
        raise Looping(
            f"it was issued {MOST_UNASKED} times within one lifetime, and is to be issued again ({reason}): "
            f"mend what loses it, then run: evercert renew {record.name}"
        )


def _goes_on(record: Record) -> bool:
    """Neither an edit nor a request has come since."""
    streak = record.streak
    return streak is not None and (streak.generation, streak.requested_at) == (record.generation, record.requested_at)
