"""The schedule: renewal times, retry delays, expiry warnings and severities."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

from evercert.contracts.events import Severity
from evercert.contracts.record import Facts, Record, RenewalAdvice
from evercert.deadline import CLOCK_TOLERANCE
from evercert.documents.lifecycle import RenewBefore

FIRST = datetime.min.replace(tzinfo=UTC)
LAST = datetime.max.replace(microsecond=0, tzinfo=UTC)
SHORT_LIFETIME = timedelta(days=10)
STEPS = tuple(timedelta(minutes=m) for m in (5, 15, 60, 180, 360, 720))
SHORTEST_STEP = timedelta(seconds=10)
TRIES_LEFT = 8
EMERGENCY = 20  # whatever the CA suggests, a certificate is renewed before the last twentieth of its lifetime
REJECTED_FOR = timedelta(days=1)
PROBE_GRACE = timedelta(days=1)  # in which a server may still serve the previous certificate
WARNINGS = (0.25, 0.6, 1.0)  # shares of the time from renewal to expiry; the last one is the expiry itself


def earliest_renewal(obtained_at: datetime, not_after: datetime) -> datetime:
    """Return the earliest renewal time: a third of the lifetime that remained when the certificate was obtained.

    A certificate that arrived late would otherwise be renewed at once, again and again.
    """
    return _whole(obtained_at + (not_after - obtained_at) / 3)


def renew_at(
    not_before: datetime, not_after: datetime, renew_before: RenewBefore | None, uid: str
) -> tuple[datetime, bool]:
    """Return the renewal time, and whether it was limited to a third of the lifetime.

    By default at two thirds of the lifetime (half, if it is under ten days), with a jitter of up to 5 % of the lifetime
    either way. The jitter is derived from the uid and therefore stable.
    """
    lifetime = not_after - not_before
    if renew_before is None or renew_before.never:
        share = 1 / 2 if lifetime < SHORT_LIFETIME else 2 / 3
        return _whole(not_before + lifetime * (share + 0.05 * _draw(uid, "renew"))), False
    earliest = _whole(not_before + lifetime / 3)
    # Not before the first moment that datetime can hold.
    wanted = _whole(not_after - min(renew_before.within(lifetime), not_after - FIRST))
    return max(wanted, earliest), wanted < earliest


def back_off(failures: int, now: datetime, not_after: datetime | None, uid: str) -> datetime:
    """Return when to retry after this many failures in a row (1 is the first).

    The delays are 5 min, 15 min, 1 h, 3 h, 6 h, 12 h, each ±20 %, shortened so that eight attempts fit before expiry.
    """
    step = STEPS[min(failures, len(STEPS)) - 1] * (1 + 0.2 * _draw(uid, f"failure {failures}"))
    if not_after is not None and not_after > now:
        step = min(step, max((not_after - now) / TRIES_LEFT, SHORTEST_STEP))
    return now + step


def warnings(renew: datetime, not_after: datetime) -> list[datetime]:
    """Return the warning times of a certificate that was not renewed: twice before its expiry, and at expiry."""
    left = max(not_after - renew, timedelta(0))
    return [_whole(not_after - left * (1 - share)) for share in WARNINGS]


def severity(now: datetime, renew: datetime | None, not_after: datetime | None) -> Severity:
    """Return the severity of a failure, by the elapsed share of the time from renewal to expiry."""
    if renew is None or not_after is None or now >= not_after:
        return "critical"
    used = (now - renew) / (not_after - renew) if not_after > renew else 1.0
    return "critical" if used >= WARNINGS[1] else "warning"


def severity_of(record: Record, now: datetime) -> Severity:
    """Return the severity of a failure, by the certificate in use that expires first.

    The planned renewal of an earlier certificate is not stored. It is taken to be as long before its expiry as that of
    the newest certificate.
    """
    facts, end = record.facts, earliest_end(record)
    if facts is None or end is None or now >= end:
        return "critical"
    return severity(now + (facts.not_after - end), record.renew_at, facts.not_after)


def earliest_end(record: Record) -> datetime | None:
    """Return the earliest expiry of the certificates in use: a destination that lags still has an earlier one."""
    facts, deliveries = record.facts, record.deliveries
    if facts is None or record.not_after is None:
        return None if facts is None else facts.not_after
    revisions = [deliveries[one.key].revision for one in record.spec.destinations if one.key in deliveries]
    lags = any(0 < revision < facts.revision for revision in revisions)
    return min(record.not_after, facts.not_after) if lags else facts.not_after


def spread(uid: str, what: str, window: timedelta) -> timedelta:
    """Return a share of the window that is stable for each certificate and differs between certificates."""
    return window * ((_draw(uid, what) + 1) / 2)


def renewal_time(record: Record) -> datetime | None:
    """Return when to renew the delivered certificate; None if there is no certificate or it is issued only once."""
    return renewal_of(record.facts, record) if record.facts is not None and record.spec.renews else None


def renewal_of(facts: Facts, record: Record) -> datetime:
    """Return when to renew a certificate with these facts, if its spec renews.

    A renewal window of the CA replaces the usual time, except that `renew-before-expiry` may only renew earlier.
    """
    before_expiry, advice = record.spec.lifecycle.renew_before_expiry, record.advice
    wanted, _ = renew_at(facts.not_before, facts.not_after, before_expiry, record.uid)
    usual = wanted if facts.obtained_at is None else max(wanted, earliest_renewal(facts.obtained_at, facts.not_after))
    if advice is None or advice.revision != facts.revision:
        return usual
    drawn = max(_drawn(advice, record.uid), facts.not_before)  # expiry warnings count from the renewal
    advised = min(drawn, facts.not_after - facts.lifetime / EMERGENCY)
    return advised if before_expiry is None or before_expiry.never else min(advised, usual)


def _drawn(advice: RenewalAdvice, uid: str) -> datetime:
    """Return a time in the window, always the same for one certificate and one window."""
    return _whole(advice.start + spread(uid, "renewal window", max(advice.end - advice.start, timedelta(0))))


def next_warning(record: Record) -> datetime | None:
    """Return the time of the next expiry warning, or None; each warning is sent once."""
    if record.facts is None:
        return None
    moments = warnings(renewal_of(record.facts, record), record.facts.not_after)
    sent = warnings_sent(record)
    return moments[sent] if sent < len(moments) else None


def warnings_sent(record: Record) -> int:
    """Return how many warnings were sent, or 0 if the stored count is impossible (manual edit)."""
    return record.warned if record.warned <= len(WARNINGS) else 0


def warnings_due(record: Record, now: datetime) -> int:
    """Return how many warnings are due by now; if more than were sent, one warning covers them all."""
    if record.facts is None:
        return 0
    return sum(moment <= now for moment in warnings(renewal_of(record.facts, record), record.facts.not_after))


def next_check(record: Record, now: datetime) -> datetime:
    """Return the time of the next status check, spread over a tenth of the interval by certificate."""
    interval = record.spec.lifecycle.status_check_interval
    return now + interval - spread(record.uid, f"check {now.date()}", interval / 10)


def probe_grace(facts: Facts) -> timedelta:
    """Return how long a server may serve the previous certificate: a day, or a twentieth of the lifetime if shorter."""
    return min(PROBE_GRACE, facts.lifetime / 20)


def check_after_delivery(record: Record, facts: Facts, now: datetime) -> datetime:
    """Return the time of the first status check of a certificate: at the latest when its server must serve it."""
    usual = next_check(record, now)
    return usual if record.spec.probe is None else min(usual, now + probe_grace(facts))


def check_due(record: Record, now: datetime) -> bool:
    """Whether a status check is due now; False without a delivered certificate.

    A check is also due if its time is further ahead than the interval: a wrong clock set it, or the interval was
    shortened. And it is due if the spec has another probe than the last check.
    """
    if record.facts is None:
        return False
    if record.check_at is None or _probe_changed(record):
        return True
    return not now < record.check_at <= now + record.spec.lifecycle.status_check_interval + CLOCK_TOLERANCE


def _probe_changed(record: Record) -> bool:
    probe, last = record.spec.probe, record.probed
    return probe is not None and (last is None or last.target != str(probe))


def next_due(record: Record, now: datetime, retry: datetime | None) -> datetime | None:
    """Return the earliest of retry, renewal, status check and warning; None if nothing can follow.

    A renewal or check time that has passed is ignored: it is being tried, or waits for `retry`.
    """
    later = [moment for moment in (renewal_time(record), record.check_at) if moment is not None and moment > now]
    return min([*later, *(moment for moment in (retry, next_warning(record)) if moment is not None)], default=None)


def _whole(moment: datetime) -> datetime:
    """Round up to a whole second: a stored time must not be earlier than the time computed again later.

    The last second of the year 9999 has no next one.
    """
    whole = moment.replace(microsecond=0)
    return whole if moment == whole or whole >= LAST else whole + timedelta(seconds=1)


def _draw(uid: str, what: str) -> float:
    """Return a pseudo-random number in [-1, 1) that is stable for a certificate and a purpose."""
    drawn = hashlib.sha256(f"{uid} {what}".encode()).digest()
    return int.from_bytes(drawn[:4]) / 2**31 - 1
