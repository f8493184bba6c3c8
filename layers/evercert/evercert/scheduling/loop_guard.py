"""The loop guard: stop certificates that are reissued repeatedly without a request."""

from __future__ import annotations

from datetime import datetime, timedelta

from evercert.contracts.record import Pending, Reason, Record, Streak
from evercert.errors import Looping
from evercert.pki.certificate import Chain

UNASKED = frozenset(["missing", "not-yet-valid", "near-expiry", "drifted"])
MOST_UNASKED = 5
_DATED_BACK = timedelta(hours=1)  # public CAs backdate by up to an hour; an earlier start is no backdating


def streak(record: Record, pending: Pending, chain: Chain, now: datetime) -> Streak:
    """Return the streak of consecutive issuances without a request, including this one."""
    begins = chain.leaf.not_valid_before_utc
    # Issuers backdate certificates, which is most of the lifetime of a short one.
    span = chain.ends - max(begins, min(now, begins + _DATED_BACK))
    before = record.streak.times if pending.reason in UNASKED and _continues(record) and record.streak else ()
    return Streak(
        times=(*before, now)[-MOST_UNASKED:],
        lifetime=int(span.total_seconds()),
        generation=record.generation,
        requested_at=record.requested_at,
    )


def require_no_loop(record: Record, reason: Reason, now: datetime) -> None:
    """Raise Looping if the next issuance would be the sixth within one lifetime without a request."""
    if record.streak is None or reason not in UNASKED or not _continues(record):
        return
    times, lifetime = record.streak.times, timedelta(seconds=record.streak.lifetime)
    if len(times) == MOST_UNASKED and timedelta(0) <= now - times[0] < lifetime:
        raise Looping(
            f"issued {MOST_UNASKED} times within one lifetime, and due again ({reason}): "
            f"fix what loses the certificate, then run: evercert renew {record.name}"
        )


def _continues(record: Record) -> bool:
    """Whether the spec was not edited and no renewal was requested since the streak began."""
    streak = record.streak
    return streak is not None and (streak.generation, streak.requested_at) == (record.generation, record.requested_at)
