"""The checker: queue a nudge for each due entry, and postpone the entry in case the nudge is lost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from itertools import islice

from evercert.contracts.queue import CERTIFICATE, OUTCOME, RECORD, Due, DueIndex, Nudge, Queue
from evercert.deadline import Clock
from evercert.errors import Throttled
from evercert.scheduling.workers import Workers, in_turn

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
    throttled: int = 0  # calls that SQS or DynamoDB throttled; their entries remain due and are sent again

    def add(self, part: Tick) -> None:
        """Add the counts of a batch."""
        for name, count in asdict(part).items():
            if isinstance(count, int):
                setattr(self, name, getattr(self, name) + count)


def check(
    index: DueIndex,
    queue: Queue,
    *,
    clock: Clock,
    stop_at: datetime,
    redispatch: timedelta,
    workers: Workers = in_turn,
) -> Tick:
    """Send nudges for due entries until `stop_at`: the longest overdue first, in a backlog the soonest expiry first.

    An entry whose nudge was accepted becomes due again after `redispatch`, unless the issuer changes it first. Each
    batch is sent before its entries are postponed: after a crash in between, the entries are still due.
    """
    tick = Tick()

    def dispatch(batch: list[Due]) -> Tick:
        if clock() >= stop_at:
            return Tick(left=len(batch))
        return _dispatch(batch, index, queue, until=clock() + redispatch)

    for part in workers(dispatch, _batches(_in_order(index, clock(), tick))):
        tick.add(part)
    return tick


def _batches(due: Iterable[Due]) -> Iterator[list[Due]]:
    entries = iter(due)
    while batch := list(islice(entries, BATCH)):
        yield batch


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


def _dispatch(batch: list[Due], index: DueIndex, queue: Queue, *, until: datetime) -> Tick:
    tick = Tick()
    nudges = {due: nudge for due in batch if (nudge := nudge_for(due)) is not None}
    taken: set[Nudge] = set()
    try:
        taken = set(queue.send(list(nudges.values()))) if nudges else taken
    except Throttled:
        tick.throttled += 1
    for due in batch:
        nudge = nudges.get(due)
        if nudge is None:
            tick.foreign += 1  # unknown keys; postponed like the others, so that it does not block the queue
        elif nudge not in taken:
            tick.refused += 1
            continue
        else:
            tick.sent += 1
        try:
            if not index.put_off(due, until):
                tick.overtaken += 1
        except Throttled:
            tick.throttled += 1
    return tick


def nudge_for(due: Due) -> Nudge | None:
    """Return the nudge for this entry, or None if evercert did not write its keys."""
    partition, sort = due.key
    if not partition.startswith(CERTIFICATE):
        return None
    name = partition.removeprefix(CERTIFICATE)
    if sort == RECORD:
        return Nudge(name)
    return Nudge(name, outcome=sort) if sort.startswith(OUTCOME) else None
