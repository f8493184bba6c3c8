"""Repetition of runs: the nudge that a run sends for its own certificate, and the floor under endless loops."""

from __future__ import annotations

from datetime import datetime, timedelta

from evercert.contracts.queue import Nudge, Queue
from evercert.errors import EvercertError

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
