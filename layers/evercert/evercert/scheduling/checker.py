"""The checker: queue a nudge for each due entry, and postpone the entry in case the nudge is lost."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from evercert.contracts.queue import CERTIFICATE, OUTCOME, RECORD, Due, DueIndex, Nudge, Queue
from evercert.deadline import Clock

BATCH = 10
FEW = 100  # fewer due entries than this are started within minutes, so their order does not matter
PAGE = 1_000  # of the index of expiries
MOST = 20_000  # entries of a backlog that one tick sorts; later ticks send the rest
Key = tuple[str, str]


@dataclass
class Tick:
    """The counts of one checker run; `left` counts entries that were read but left for the next tick."""

    sent: int = 0
    refused: int = 0
    overtaken: int = 0
    foreign: int = 0
    left: int = 0
    oldest_due: str | None = None


def check(index: DueIndex, queue: Queue, *, clock: Clock, stop_at: datetime, redispatch: timedelta) -> Tick:
    """Send nudges for due entries until `stop_at`: the longest overdue first, in a backlog the soonest expiry first.

    An entry whose nudge was accepted becomes due again after `redispatch`, unless the issuer changes it first.
    """
    tick = Tick()
    due = _in_order(index, clock(), tick)
    while batch := list(islice(due, BATCH)):
        if clock() >= stop_at:
            tick.left = len(batch) + sum(1 for _ in due)
            break
        _dispatch(batch, index, queue, tick=tick, until=clock() + redispatch)
    return tick


def _in_order(index: DueIndex, now: datetime, tick: Tick) -> Iterable[Due]:
    entries = index.due(now)
    due = list(islice(entries, FEW))
    if due:
        tick.oldest_due = due[0].due_at
    if len(due) < FEW:
        return iter(due)
    due += islice(entries, MOST - FEW)
    rank = _ranks(index, {entry.key for entry in due})
    # Entries missing from this part of the expiring index expire later, or have no certificate.
    return iter(sorted(due, key=lambda entry: rank.get(entry.key, MOST)))


def _ranks(index: DueIndex, wanted: set[Key]) -> dict[Key, int]:
    """Return the places of due entries in the order of expiry, read until all are found."""
    found: dict[Key, int] = {}
    for number, expiring in enumerate(islice(index.expiring(PAGE), MOST)):
        if expiring.key in wanted:
            found[expiring.key] = number
            if len(found) == len(wanted):
                break
    return found


def _dispatch(batch: list[Due], index: DueIndex, queue: Queue, *, tick: Tick, until: datetime) -> None:
    nudges = {due: nudge for due in batch if (nudge := nudge_for(due)) is not None}
    taken = set(queue.send(list(nudges.values()))) if nudges else set()
    for due in batch:
        nudge = nudges.get(due)
        if nudge is None:
            tick.foreign += 1  # unknown keys; postponed like the others, so that it does not block the queue
        elif nudge not in taken:
            tick.refused += 1
            continue
        else:
            tick.sent += 1
        if not index.put_off(due, until):
            tick.overtaken += 1


def nudge_for(due: Due) -> Nudge | None:
    """Return the nudge for this entry, or None if evercert did not write its keys."""
    partition, sort = due.key
    if not partition.startswith(CERTIFICATE):
        return None
    name = partition.removeprefix(CERTIFICATE)
    if sort == RECORD:
        return Nudge(name)
    return Nudge(name, outcome=sort) if sort.startswith(OUTCOME) else None
