"""The only scan: finds what no index holds, and makes it due, so that the issuer looks at it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from evercert.contracts.queue import CERTIFICATE, OUTCOME, RECORD, shard
from evercert.deadline import Clock
from evercert.timestamps import from_text

EVERY = timedelta(hours=23)  # once a day, whatever the hour
FARTHEST = timedelta(days=400)  # nothing of ours is put off longer than that
MOST_PAGES = 2_000


@dataclass(frozen=True)
class Entry:
    """What the scan sees of one item, as hands may have left it."""

    key: tuple[str, str]
    due_shard: Any = None
    due_at: Any = None
    at_rest: bool = False  # nothing can follow: said by whoever took its due time away


@dataclass(frozen=True)
class Progress:
    """Where the sweep stands: `position` within the table, and when it was last through."""

    position: str | None = None
    finished_at: datetime | None = None


class Pages(Protocol):
    """The table, page by page, from a position that is kept."""

    def progress(self) -> Progress:
        """As it was saved last."""

    def save(self, seen: Progress, reached: Progress) -> bool:
        """False: another sweep is at it."""

    def page(self, position: str | None) -> tuple[Sequence[Entry], str | None]:
        """One page, and where the next one begins."""

    def make_due(self, entry: Entry, now: datetime) -> bool:
        """False: somebody wrote the item since."""


@dataclass
class Swept:
    """What one run of the sweep did."""

    seen: int = 0
    mended: int = 0
    finished: bool = True


def sweep(pages: Pages, *, clock: Clock, stop_at: datetime) -> Swept:
    """Goes on where the last one stopped, until `stop_at`; does nothing if one was through less than a day ago."""
    swept, progress = Swept(), pages.progress()
    last = progress.finished_at
    if progress.position is None and last is not None and timedelta(0) <= clock() - last < EVERY:
        return swept
    for _ in range(MOST_PAGES):
        if clock() >= stop_at:
            break
        entries, position = pages.page(progress.position)
        swept.seen += len(entries)
        swept.mended += sum(pages.make_due(entry, clock()) for entry in entries if is_lost(entry, clock()))
        reached = Progress(position, clock() if position is None else last)
        if not pages.save(progress, reached) or position is None:
            return swept
        progress = reached
    swept.finished = False
    return swept


def is_lost(entry: Entry, now: datetime) -> bool:
    """Whether it is ours, something can follow, and the due index will never say so."""
    partition, sort = entry.key
    if not partition.startswith(CERTIFICATE) or not (sort == RECORD or sort.startswith(OUTCOME)):
        return False
    if entry.due_at is None and entry.due_shard is None:
        return not entry.at_rest
    if entry.due_shard != shard(partition.removeprefix(CERTIFICATE)):
        return True
    try:
        return from_text(entry.due_at) > now + FARTHEST
    except (TypeError, ValueError):
        return True
