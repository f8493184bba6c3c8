"""The result of one round of deliveries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from evercert.contracts.record import Delivery, Record
from evercert.errors import EvercertError, NotYet

QUOTA_WARNING = 0.8


@dataclass
class Result:
    """Deliveries after one round, by destination key, with the errors and the postponed destinations."""

    deliveries: dict[str, Delivery]
    began: datetime
    taken: int = 0
    unstored: bool = False  # whether the end of the run still has to store a delivery
    errors: dict[str, EvercertError] = field(default_factory=dict)
    later: dict[str, NotYet] = field(default_factory=dict)
    used: dict[str, tuple[int, int]] = field(default_factory=dict)  # service → writes in 365 days, quota
    slots: dict[str, tuple[str, datetime]] = field(default_factory=dict)  # destination → service, time
    unvalidated: set[str] = field(default_factory=set)  # destinations whose settings did not validate
    problems: list[str] = field(default_factory=list)  # that did not prevent the delivery

    def settle(self, before: Mapping[str, Delivery], revision: int) -> None:
        """Remove the doubt of this round where a delivery failed; keep that of an earlier run, in `before`."""
        for key, here in self.deliveries.items():
            if here.in_doubt and here.revision != revision and not before.get(key, Delivery()).in_doubt:
                self.deliveries[key] = here.model_copy(update={"intended_at": None})

    def is_new(self, record: Record, revision: int) -> bool:
        """Whether a destination took the revision in this run, or in one that crashed before its conclusion."""
        unannounced = record.facts is None or record.facts.revision != revision
        return self.taken > 0 or (unannounced and any(here.revision == revision for here in self.deliveries.values()))

    def uncount(self, service: str) -> None:
        """Subtract a write that was counted in this round, but not made."""
        if service in self.used:
            used, quota = self.used[service]
            self.used[service] = used - 1, quota

    @property
    def warnings(self) -> list[str]:
        """Warnings about quotas that are nearly used up, and other problems."""
        quotas = [
            f"{service}: {used} of {quota} imports in 365 days are used"
            for service, (used, quota) in self.used.items()
            if used >= quota * QUOTA_WARNING
        ]
        return quotas + self.problems

    @property
    def metrics(self) -> dict[str, float]:
        """Metrics of the round: the share of the fullest quota."""
        shares = [100 * used / quota for used, quota in self.used.values()]
        return {"imports_used_percent": max(shares)} if shares else {}


def intended_deliveries(record: Record, now: datetime) -> dict[str, Delivery] | None:
    """Return the deliveries of a record, in doubt where a new revision will replace another; None if nowhere.

    They are stored before a round, which may then store its deliveries at its end. Until then, no run treats a
    revision as unused that a destination may have.
    """
    found = {
        key: here.model_copy(update={"intended_at": here.intended_at or now}) if here.revision else here
        for key, here in record.deliveries.items()
    }
    return found if any(here.in_doubt for here in found.values()) else None


def next_slot(later: dict[str, NotYet]) -> datetime | None:
    """Return the time of the first destination that waits, or None."""
    return min((postponed.until for postponed in later.values()), default=None)
