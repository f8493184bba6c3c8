"""The protocols between checker and issuer: the due index and the queue."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

SHARDS = 16
CERTIFICATE = "certificate#"
RECORD = "record"
OUTCOME = "outcome#"


def shard(name: str) -> str:
    """Return the index partition of a certificate, one of 16, derived from its name."""
    return f"{hashlib.sha256(name.encode()).digest()[0] % SHARDS:02d}"


@dataclass(frozen=True)
class Due:
    """An entry of the due index: the key of a record or of an unpublished outcome."""

    key: tuple[str, str]
    shard: str
    due_at: str


@dataclass(frozen=True)
class Expiring:
    """An entry of the expiring index: the key of a record with a delivered certificate."""

    key: tuple[str, str]
    not_after: str


@dataclass(frozen=True)
class Nudge:
    """A message to process this certificate, or to publish this outcome; it may be lost, repeated or late.

    `repeats` counts the runs of this certificate that followed each other at once, so that an endless loop is paused.
    """

    certificate: str
    outcome: str | None = None
    repeats: int = 0


class DueIndex(Protocol):
    """Due entries, read from indexes. Each method raises Unavailable or Misconfigured."""

    def due(self, now: datetime) -> Iterator[Due]:
        """Iterate over due entries, the longest overdue first; pages are read lazily."""

    def expiring(self, page: int) -> Iterator[Expiring]:
        """Iterate over delivered certificates by expiry, soonest first; each read returns `page` entries of a shard."""

    def put_off(self, due: Due, until: datetime) -> bool:
        """Postpone the entry to `until`; return False if its due time has changed since it was read."""


class Queue(Protocol):
    """The queue from the checker to the issuer. Each method raises Unavailable or Misconfigured."""

    def send(self, nudges: Sequence[Nudge]) -> list[Nudge]:
        """Send at most ten nudges; return those that the queue accepted. Repeatable: nudges are hints."""

    def send_later(self, nudge: Nudge, delay: timedelta) -> None:
        """Send a nudge that arrives after about this delay, at most 15 minutes."""
