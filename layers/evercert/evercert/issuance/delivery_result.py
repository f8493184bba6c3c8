"""The result of one round of deliveries."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from evercert.contracts.record import Delivery
from evercert.errors import EvercertError, NotYet

QUOTA_WARNING = 0.8


@dataclass
class Result:
    """Deliveries after one round, by destination key, with the errors and the postponed destinations."""

    deliveries: dict[str, Delivery]
    began: datetime
    taken: int = 0
    errors: dict[str, EvercertError] = field(default_factory=dict)
    later: dict[str, NotYet] = field(default_factory=dict)
    used: dict[str, tuple[int, int]] = field(default_factory=dict)  # service → writes in 365 days, quota
    slots: dict[str, tuple[str, datetime]] = field(default_factory=dict)  # destination → service, time
    unvalidated: set[str] = field(default_factory=set)  # destinations whose settings did not validate
    problems: list[str] = field(default_factory=list)  # that did not prevent the delivery

    def uncount(self, service: str) -> None:
        """Subtract a write that was counted in this round, and not made."""
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


def next_slot(later: dict[str, NotYet]) -> datetime | None:
    """Return the time of the first destination that waits, or None."""
    return min((postponed.until for postponed in later.values()), default=None)
