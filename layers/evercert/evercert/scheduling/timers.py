"""When a record is to be looked at next."""

from __future__ import annotations

from datetime import datetime

from evercert.contracts.record import Facts, Record
from evercert.scheduling.schedule import earliest_renewal, renew_at, spread, warnings


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
