"""Destinations of a simulated year: what they hold and until when, ACM's quota, and the slots of its imports."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from evercert.contracts.destination import Delivered
from evercert.contracts.ports import RateSlot
from evercert.contracts.record import Delivery
from evercert.deadline import Clock
from evercert.documents.spec import Component
from evercert.errors import QuotaExceeded
from evercert.pki.certificate import Bundle

YEAR = timedelta(days=365)  # the window of ACM's quota
SLOT = timedelta(seconds=1)


@dataclass
class Place:
    """A destination that remembers what each certificate's place holds, until when, and when it was written."""

    service: str
    clock: Clock
    holds: dict[str, datetime] = field(default_factory=dict)  # certificate → end of what it holds
    writes: list[tuple[datetime, str]] = field(default_factory=list)
    least: timedelta = timedelta.max  # validity left at a replacement; negative: it had expired
    expired: set[str] = field(default_factory=set)

    def check(self, spec: Any) -> None:
        """Accept everything."""

    def examine(self, here: Delivery) -> None:
        """Find no drift."""

    def write(self, name: str, chain: Any) -> Delivered:
        now, before = self.clock(), self.holds.get(name)
        if before is not None:
            self.least = min(self.least, before - now)
            if before <= now:
                self.expired.add(name)
        self.holds[name] = chain.ends
        self.writes.append((now, name))
        return Delivered(f"{self.service} {name}", chain.serial_number)

    def end(self) -> None:
        """Count what is expired at the end of the simulation."""
        for name, ends in self.holds.items():
            if ends <= self.clock():
                self.expired.add(name)
                self.least = min(self.least, ends - self.clock())


@dataclass
class YearACM(Place):
    """ACM: refuses imports over the quota of the last 365 days, if it is `enforced`."""

    quota: int = 5_000
    enforced: bool = False
    refused: int = 0
    refused_from: datetime | None = None
    _recent: deque[datetime] = field(default_factory=deque)

    def write(self, name: str, chain: Any) -> Delivered:
        now = self.clock()
        while self._recent and self._recent[0] <= now - YEAR:
            self._recent.popleft()
        if self.enforced and len(self._recent) >= self.quota:
            self.refused += 1
            self.refused_from = self.refused_from or now
            raise QuotaExceeded("acm: import quota exceeded; request a higher one from AWS, or delete certificates")
        self._recent.append(now)
        return super().write(name, chain)


@dataclass(frozen=True)
class Opened:
    """A place as one certificate's destination."""

    place: Place
    name: str

    @property
    def service(self) -> str:
        return self.place.service

    def check(self, spec: Any) -> None:
        self.place.check(spec)

    def examine(self, here: Delivery) -> None:
        self.place.examine(here)

    def deliver(self, bundle: Bundle, here: Delivery) -> Delivered:
        return self.place.write(self.name, bundle.chain)


@dataclass(frozen=True)
class Paced(Opened):
    """The same, with ACM's rate."""

    @property
    def quota(self) -> int:
        return self.place.quota  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Places:
    """The destinations of the year: a secret and an import into ACM."""

    secret: Place
    acm: YearACM

    def open(self, component: Component, certificate: str) -> Opened:
        if component.settings["to"] == "acm":
            return Paced(self.acm, certificate)
        return Opened(self.secret, certificate)


@dataclass
class YearSlots:
    """Slots of one import a second, counted like `DynamoDBRateSlots`: by month."""

    free: datetime | None = None
    months: dict[int, int] = field(default_factory=dict)

    def take(self, service: str, now: datetime) -> RateSlot:
        at = now if self.free is None or self.free <= now else self.free
        self.free, month = at + SLOT, now.year * 12 + now.month
        self.months[month] = self.months.get(month, 0) + 1
        return RateSlot(at, sum(count for when, count in self.months.items() if month - when <= 12))

    def give_back(self, service: str, at: datetime) -> None:
        self.months[at.year * 12 + at.month] -= 1
