"""When to renew, when to try again, and how urgent it is."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from evercert.contracts.events import Severity
from evercert.contracts.record import Facts, Record
from evercert.documents.lifecycle import RenewBefore

SHORT_LIFETIME = timedelta(days=10)
STEPS = tuple(timedelta(minutes=m) for m in (5, 15, 60, 180, 360, 720))
SHORTEST_STEP = timedelta(seconds=10)
TRIES_LEFT = 8
REJECTED_FOR = timedelta(days=1)
WARNINGS = (0.25, 0.6, 1.0)  # shares of the time between the renewal and the expiry; the last one is the expiry itself


def earliest_renewal(obtained_at: datetime, not_after: datetime) -> datetime:
    """A third of what was left when it came: a certificate that came late must not be renewed at once, and again."""
    return _whole(obtained_at + (not_after - obtained_at) / 3)


def renew_at(not_before: datetime, not_after: datetime, wish: RenewBefore | None, uid: str) -> tuple[datetime, bool]:
    """The moment to renew, and whether the wish had to be clamped to a third of the lifetime.

    Without a wish: at two thirds of the lifetime (half, if it is under ten days), moved by up to 5 % of the lifetime
    either way. The move is drawn from the uid, so that asking twice gives the same answer.
    """
    lifetime = not_after - not_before
    if wish is None or wish.never:
        share = 1 / 2 if lifetime < SHORT_LIFETIME else 2 / 3
        return _whole(not_before + lifetime * (share + 0.05 * _draw(uid, "renew"))), False
    earliest = _whole(not_before + lifetime / 3)
    wanted = _whole(not_after - wish.within(lifetime))
    return max(wanted, earliest), wanted < earliest


def back_off(failures: int, now: datetime, not_after: datetime | None, uid: str) -> datetime:
    """When to try again after this many failures in a row (1 is the first).

    5 min, 15 min, 1 h, 3 h, 6 h, 12 h, each ±20 %; shortened so that eight tries fit into what is left.
    """
    step = STEPS[min(failures, len(STEPS)) - 1] * (1 + 0.2 * _draw(uid, f"failure {failures}"))
    if not_after is not None and not_after > now:
        step = min(step, max((not_after - now) / TRIES_LEFT, SHORTEST_STEP))
    return now + step


def warnings(renew: datetime, not_after: datetime) -> list[datetime]:
    """When to warn of a certificate that should have been renewed: twice before its expiry, and at it."""
    left = max(not_after - renew, timedelta(0))
    return [_whole(not_after - left * (1 - share)) for share in WARNINGS]


def severity(now: datetime, renew: datetime | None, not_after: datetime | None) -> Severity:
    """How bad a failure is now: by the share used of the time between `renew_at` and expiry."""
    if renew is None or not_after is None or now >= not_after:
        return "critical"
    used = (now - renew) / (not_after - renew) if not_after > renew else 1.0
    return "critical" if used >= WARNINGS[1] else "warning"


def spread(uid: str, what: str, window: timedelta) -> timedelta:
    """A share of the window that differs from certificate to certificate, and stays the same for each."""
    return window * ((_draw(uid, what) + 1) / 2)


def renewal_time(record: Record) -> datetime | None:
    """When the delivered certificate is to be renewed; None when there is none, or it is issued once and no more."""
    return renewal_of(record.facts, record) if record.facts is not None and record.spec.renews else None


def renewal_of(facts: Facts, record: Record) -> datetime:
    """When a certificate with these facts is to be renewed, if it is renewed at all."""
    wanted, _ = renew_at(facts.not_before, facts.not_after, record.spec.lifecycle.renew_before_expiry, record.uid)
    return wanted if facts.obtained_at is None else max(wanted, earliest_renewal(facts.obtained_at, facts.not_after))


def next_warning(record: Record) -> datetime | None:
    """When to warn of the delivered certificate's expiry; each warning is sent once."""
    if record.facts is None:
        return None
    moments = warnings(renewal_of(record.facts, record), record.facts.not_after)
    return moments[record.warned] if record.warned < len(moments) else None


def warnings_due(record: Record, now: datetime) -> int:
    """How many warnings have been due by now; more than `record.warned`: one is to be sent, and stands for all."""
    if record.facts is None:
        return 0
    return sum(moment <= now for moment in warnings(renewal_of(record.facts, record), record.facts.not_after))


def next_check(record: Record, now: datetime) -> datetime:
    """When to ask issuer and destinations again; what was applied at once is spread over a tenth of the time."""
    interval = record.spec.lifecycle.status_check_interval
    return now + interval - spread(record.uid, f"check {now.date()}", interval / 10)


def check_due(record: Record, now: datetime) -> bool:
    """Whether the status is to be looked at now; of nothing, there is no status."""
    return record.facts is not None and (record.check_at is None or now >= record.check_at)


def next_due(record: Record, now: datetime, retry: datetime | None) -> datetime | None:
    """The earliest of its timers: the next try, renewal, status check, warning. None: nothing can follow.

    A renewal or a check whose time has come already is what is being tried, or waits for `retry`.
    """
    later = [moment for moment in (renewal_time(record), record.check_at) if moment is not None and moment > now]
    return min([*later, *(moment for moment in (retry, next_warning(record)) if moment is not None)], default=None)


def _whole(moment: datetime) -> datetime:
    """The next whole second: what is stored must not lie before what is computed again later."""
    return moment if moment.microsecond == 0 else moment.replace(microsecond=0) + timedelta(seconds=1)


def _draw(uid: str, what: str) -> float:
    """A number in [-1, 1) that looks random and is always the same for the same certificate and purpose."""
    drawn = hashlib.sha256(f"{uid} {what}".encode()).digest()
    return int.from_bytes(drawn[:4]) / 2**31 - 1
