"""The daily sweep: scan the table for entries that the due index has lost, and make them due."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from evercert.contracts.queue import CERTIFICATE, OUTCOME, RECORD, shard
from evercert.deadline import CLOCK_TOLERANCE, Clock
from evercert.timestamps import from_text

EVERY = timedelta(hours=23)  # shorter than a day, so that a daily schedule always runs
FARTHEST = timedelta(days=400)  # evercert postpones nothing for longer
MOST_PAGES = 2_000


@dataclass(frozen=True)
class Entry:
    """One scanned item; manual edits may have left any value in it."""

    key: tuple[str, str]
    due_shard: Any = None
    due_at: Any = None
    stamps: tuple[Any, ...] = ()  # times of writes, and the beginning of the certificate
    at_rest: bool = False  # the last writer removed the due time on purpose: nothing can follow


@dataclass(frozen=True)
class Progress:
    """The progress of the sweep: its position in the table, and when it last finished.

    `stored` is the attribute that was read, the condition of the next save. `spoiled`: it did not parse.
    """

    position: str | None = None
    finished_at: datetime | None = None
    stored: Mapping[str, Any] | None = field(default=None, compare=False)
    spoiled: bool = field(default=False, compare=False)


class LostPosition(Exception):
    """The table refuses the position of the sweep."""


class Pages(Protocol):
    """The table, read page by page from a stored position."""

    def progress(self) -> Progress:
        """Return the progress that was saved last."""

    def save(self, seen: Progress, reached: Progress) -> bool:
        """Save the progress; return False if another sweep saved first."""

    def page(self, position: str | None) -> tuple[Sequence[Entry], str | None]:
        """Return one page and the position of the next one, None at the end; raise LostPosition."""

    def make_due(self, entry: Entry, now: datetime) -> bool:
        """Make the entry due now; return False if the item changed since it was read."""


@dataclass
class Swept:
    """The counts of one sweep run; `restarted`: the stored position was unusable, so it began again."""

    seen: int = 0
    repaired: int = 0
    finished: bool = True
    restarted: bool = False


def sweep(pages: Pages, *, clock: Clock, stop_at: datetime) -> Swept:
    """Resume the sweep until `stop_at`; do nothing if the last one finished less than 23 hours ago."""
    progress = pages.progress()
    swept = Swept(restarted=progress.spoiled)
    last = progress.finished_at
    if progress.position is None and last is not None and timedelta(0) <= clock() - last < EVERY:
        return swept
    for _ in range(MOST_PAGES):
        if clock() >= stop_at:
            break
        try:
            entries, position = pages.page(progress.position)
        except LostPosition:
            swept.restarted = True
            entries, position = pages.page(None)
        swept.seen += len(entries)
        swept.repaired += sum(pages.make_due(entry, clock()) for entry in entries if is_lost(entry, clock()))
        reached = Progress(position, clock() if position is None else last)
        if not pages.save(progress, reached) or position is None:
            return swept
        progress = reached
    swept.finished = False
    return swept


def is_lost(entry: Entry, now: datetime) -> bool:
    """Whether the entry is a record or outcome with pending work that the due index will never return."""
    partition, sort = entry.key
    if not partition.startswith(CERTIFICATE) or not (sort == RECORD or sort.startswith(OUTCOME)):
        return False
    if entry.due_at is None and entry.due_shard is None:
        return not entry.at_rest
    if entry.due_shard != shard(partition.removeprefix(CERTIFICATE)):
        return True
    try:
        return from_text(entry.due_at) > now + FARTHEST or _was_ahead(entry, now)
    except (TypeError, ValueError):
        return True


def _was_ahead(entry: Entry, now: datetime) -> bool:
    """Whether a run wrote the entry while the clock was ahead: its due time is then too late by as much."""
    for stamp in entry.stamps:
        with suppress(TypeError, ValueError):
            if from_text(stamp) > now + CLOCK_TOLERANCE:
                return True
    return False
