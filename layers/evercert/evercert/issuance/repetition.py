"""Repetition of runs: nudges for the same certificate, a limit for immediate runs, failures announced before."""

from __future__ import annotations

from datetime import datetime, timedelta

from evercert.contracts.events import Severity
from evercert.contracts.queue import Nudge, Queue
from evercert.contracts.record import Delivery
from evercert.errors import EvercertError, QuotaExceeded
from evercert.issuance.delivery_result import Result
from evercert.issuance.run_result import MESSAGE_LIMIT, Attempt
from evercert.scheduling.decision import is_held
from evercert.scheduling.schedule import severity_of

LONGEST_NUDGE = timedelta(minutes=15)
MOST_AT_ONCE = 5  # runs that follow each other at once: a warning, a check, a finding, a new certificate, its delivery


def nudge_again(queue: Queue, name: str, at: datetime, now: datetime, *, repeats: int, moved: bool) -> None:
    """Send a nudge for a time before the next tick; if it is lost, the due time remains.

    The queue limits the delay; a run that is nudged too early sends the next nudge. `repeats` counts the runs that
    followed each other at once until this one. A second change in a row during a run (`moved`) waits for the next tick,
    and so does whatever else repeats too often: no stored value can keep a certificate running without a pause.
    """
    delay = min(max(at - now, timedelta(0)), LONGEST_NUDGE)
    repeats = repeats + 1 if delay == timedelta(0) else 0
    if repeats > (1 if moved else MOST_AT_ONCE):
        return  # the record is due: another nudge would add to that of each tick
    try:
        queue.send_later(Nudge(name, repeats=min(repeats, MOST_AT_ONCE)), delay)
    except EvercertError:
        return  # the due time is stored: the checker finds it


def is_repeated(attempt: Attempt, error: EvercertError, result: Result, level: Severity) -> bool:
    """Whether an earlier run announced, with this severity, that a quota stops the same destinations.

    A quota may remain used up for months, in which each certificate fails twice a day.
    """
    record, last = attempt.record, attempt.record.last_error
    failed_before = all(
        isinstance(one, QuotaExceeded) and record.deliveries.get(key, Delivery()).retry_at is not None
        for key, one in result.errors.items()
    )
    if last is None or not failed_before or not is_held(record, attempt.issuer_hash, attempt.now):
        return False
    return last.message == str(error)[:MESSAGE_LIMIT] and severity_of(record, last.at) == level
