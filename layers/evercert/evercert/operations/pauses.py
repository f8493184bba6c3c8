"""Effects of pauses: certificates that expire before a pause ends, and those that a resume starts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from evercert.contracts.record import Record
from evercert.contracts.spec_store import Pause, PauseTarget, pauses_of

MOST_WOKEN = 100  # certificates that a resume starts at once, soonest expiry first


@dataclass
class DelayedCertificates:
    """Certificates that a pause has delayed, soonest expiry first: those to start now, those later, the expired."""

    woken: list[str] = field(default_factory=list)
    later: int = 0
    expired: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, records: Iterable[Record], rest: Mapping[PauseTarget, Pause], now: datetime) -> DelayedCertificates:
        """Return the delayed ones of these records that no pause of `rest` holds."""
        found = [
            (record.facts.not_after if record.facts is not None else now, record.name)
            for record in records
            if record.state == "paused" and not pauses_of(record, rest)
        ]
        names = [name for _, name in sorted(found)]
        expired = [name for end, name in sorted(found) if end < now]
        return cls(names[:MOST_WOKEN], len(names[MOST_WOKEN:]), expired)


def expiring_before(records: Iterable[Record], end: datetime) -> list[str]:
    """Return the names of the certificates that expire before the pause ends."""
    return [record.name for record in records if record.facts is not None and record.facts.not_after < end]
