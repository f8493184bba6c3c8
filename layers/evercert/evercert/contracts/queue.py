"""The contracts between checker and issuer: what is due, and the queue that it goes on."""

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
    """Spreads an index over 16 partitions, by the certificate's name."""
    return f"{hashlib.sha256(name.encode()).digest()[0] % SHARDS:02d}"


@dataclass(frozen=True)
class Due:
    """One entry of the due index: a record, or (with `outcome`) an outcome that is not published yet."""

    key: tuple[str, str]
    shard: str
    due_at: str


@dataclass(frozen=True)
class Expiring:
    """One entry of the expiring index: a record whose certificate is delivered."""

    key: tuple[str, str]
    not_after: str


@dataclass(frozen=True)
class Nudge:
    """A hint that this certificate, or this outcome of it, wants attention; it may be lost, repeated or late."""

    certificate: str
    outcome: str | None = None


class DueIndex(Protocol):
    """What is due, cheaply."""

    def due(self, now: datetime) -> Iterator[Due]:
        """Everything whose time has come, the longest overdue first. Reads page by page, as far as it is asked."""

    def expiring(self, page: int) -> Iterator[Expiring]:
        """Every delivered certificate, the one that expires first first; `page` entries of a shard in one read."""

    def put_off(self, due: Due, until: datetime) -> bool:
        """Moves the due time on, only if it is still what was read; False if somebody was faster."""


class Queue(Protocol):
    """The way from the checker to the issuer."""

    def send(self, nudges: Sequence[Nudge]) -> list[Nudge]:
        """Sends at most ten; answers those that were taken."""

    def send_later(self, nudge: Nudge, delay: timedelta) -> None:
        """Sends one that arrives after about this delay, 15 minutes at the most."""
