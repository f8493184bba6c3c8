"""Times of automatic renewals and of retries."""

from __future__ import annotations

from datetime import datetime, timedelta

LONGEST_PAUSE = timedelta(days=1)
SHORTEST_PAUSE = timedelta(minutes=5)
PAUSE_DIVISOR = 8  # a pause is this fraction of the remaining time


def renewal_time(not_before: datetime, not_after: datetime, days: int) -> datetime:
    """Return the time of the automatic renewal: `days` before the end.

    Use a third of the lifetime instead if `days` exceed two thirds of it. So short-lived certificates are renewed, and
    none right after issue.
    """
    lifetime, before = not_after - not_before, timedelta(days=days)
    return not_after - (before if before <= lifetime * 2 / 3 else lifetime / 3)


def next_attempt(now: datetime, not_after: datetime) -> datetime | None:
    """Return when a failed renewal is tried again; None once the certificate has expired."""
    left = not_after - now
    if left <= timedelta(0):
        return None
    return now + max(min(left / PAUSE_DIVISOR, LONGEST_PAUSE), SHORTEST_PAUSE)
