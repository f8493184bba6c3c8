"""A fleet of certificates that lives through simulated time, driven by the checker and the issuance of evercert.

Its records are in memory, so that a year takes minutes. Five issuers take messages at a time; a run takes the time that it
sleeps, and the seconds that `costs` assumes.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from evercert.contracts.events import Outcome
from evercert.contracts.issuer import OpenIssuer
from evercert.contracts.ports import Changes, ClaimedRecord
from evercert.contracts.queue import Due, Expiring, Nudge
from evercert.contracts.record import Claim, Record
from evercert.documents.spec import Spec
from evercert.issuance.run import Issuance
from evercert.issuance.steps import Steps
from evercert.scheduling.checker import check
from evercert.timestamps import from_text, to_text
from tests.bench.costs import ISSUER_SECONDS
from tests.bench.year_doubles import DateSteps, YearCA
from tests.bench.year_places import Place, Places, YearACM, YearSlots
from tests.doubles.fakes import LEASE, START, Bench, spec
from tests.doubles.world import REDISPATCH

TICK = timedelta(minutes=5)
CHECKER_SECONDS = timedelta(seconds=48)
WORKERS = 5  # IssuerConcurrency by default
SHORT_RUN = timedelta(seconds=0.1)  # a run that issues and delivers nothing (assumed)
LONG_RUN = timedelta(seconds=ISSUER_SECONDS)
SHORT = {"put-off", "waiting", "paused", "checked", "nothing-to-do", "busy"}
NO_CHECKS = "90d"  # the longest interval of status checks: longer than any time between two renewals here
_EMPTY = {name: one.get_default(call_default_factory=True) for name, one in Record.model_fields.items()}


def uid_of(number: int) -> str:
    """Return the uid of one certificate of a fleet; its jitter is derived from it."""
    return str(uuid5(NAMESPACE_URL, f"year {number}"))


class Records:
    """Record store and due index of the fleet: the records themselves, without items of a table."""

    def __init__(self) -> None:
        self.records: dict[str, Record] = {}
        self._due: list[tuple[datetime, str]] = []

    def add(self, record: Record, due_at: datetime) -> None:
        self.records[record.name] = record
        self._set(record.name, {"due_at": due_at})

    def next_due(self) -> datetime | None:
        while self._due and self.records[self._due[0][1]].due_at != self._due[0][0]:
            heapq.heappop(self._due)  # the record has moved since
        return self._due[0][0] if self._due else None

    # -- the issuer's side ------------------------------------------------------------------------------------------
    def claim(self, name: str, claim: Claim, now: datetime) -> tuple[ClaimedRecord, Record]:
        record = self.records[name]
        self._set(name, {"claim": claim, "due_at": claim.until})
        advised = record.advice is not None
        return ClaimedRecord(name, claim, record.generation, None, None, advised=advised), record

    def update(self, held: ClaimedRecord, changes: Changes) -> None:
        self._set(held.name, changes)

    def release(self, held: ClaimedRecord, changes: Changes, due_at: datetime | None, now: datetime) -> bool:
        self._set(held.name, {**changes, "claim": None, "due_at": due_at})
        return False

    def conclude(
        self,
        held: ClaimedRecord,
        changes: Changes,
        due_at: datetime | None,
        outcome: Outcome,
        *,
        kept: object = None,
    ) -> tuple[bool, Outcome]:
        self.release(held, changes, due_at, outcome.at)
        return False, outcome

    def published(self, outcome: Outcome, at: datetime) -> None:
        """Store nothing: every outcome is announced at once."""

    # -- the checker's side -----------------------------------------------------------------------------------------
    def due(self, now: datetime) -> Iterator[Due]:
        found = sorted((at, name) for at, name in set(self._due) if at <= now and self.records[name].due_at == at)
        return iter([Due((f"certificate#{name}", "record"), "00", to_text(at)) for at, name in found])

    def expiring(self, page: int) -> Iterator[Expiring]:
        held = [(record.facts.not_after, name) for name, record in self.records.items() if record.facts is not None]
        return iter([Expiring((f"certificate#{name}", "record"), to_text(end)) for end, name in sorted(held)])

    def put_off(self, due: Due, until: datetime) -> bool:
        self._set(due.key[0].removeprefix("certificate#"), {"due_at": until})
        return True

    def _set(self, name: str, changes: Changes) -> None:
        values = {one: _EMPTY[one] if value is None else value for one, value in changes.items()}
        if "due_at" in changes and changes["due_at"] is not None:
            values["due_at"] = from_text(to_text(changes["due_at"]))  # as stored
            heapq.heappush(self._due, (values["due_at"], name))
        self.records[name] = self.records[name].model_copy(update=values)


@dataclass
class Messages:
    """The queue: nudges with the time at which they arrive."""

    clock: Any
    waiting: list[tuple[datetime, int, Nudge]] = field(default_factory=list)
    sent: int = 0

    def send(self, nudges: Sequence[Nudge]) -> list[Nudge]:
        for nudge in nudges:
            self.send_later(nudge, timedelta(0))
        return list(nudges)

    def send_later(self, nudge: Nudge, delay: timedelta) -> None:
        self.sent += 1
        heapq.heappush(self.waiting, (self.clock() + delay, self.sent, nudge))


class Fleet:
    """Certificates of one CA, each in a secret and in ACM."""

    def __init__(
        self,
        ca: YearCA,
        *,
        quota: int = 5_000,
        enforced: bool = False,
        interval: str = NO_CHECKS,
        signed: bool = False,  # with keys and certificates instead of dates
    ) -> None:
        bench = Bench()
        self.clock, self.ca, self.interval = bench.clock, ca, interval
        self.secret = Place("secrets-manager", self.clock)
        self.acm = YearACM("acm", self.clock, quota=quota, enforced=enforced)
        self.records, self.messages, self.slots = Records(), Messages(self.clock), YearSlots()
        bench.issuers.known["main"] = OpenIssuer(ca, "identity", name="main")
        self.issuance = Issuance(
            replace(
                bench.ports,
                records=self.records,
                queue=self.messages,
                destinations=Places(self.secret, self.acm),
                rate_limiter=self.slots,
                announcer=self,
                prober=None,
                consumers=None,
            ),
            LEASE,
            Steps if signed else DateSteps,
        )
        self.runs: Counter[str] = Counter()
        self.events: Counter[str] = Counter()
        self.first: dict[str, datetime] = {}  # the first time of each event, and of the quota's alarm
        self._free = [START] * WORKERS
        self._ticked = START - TICK

    def announce(self, outcome: Outcome) -> None:
        self.events[outcome.type] += 1
        self.first.setdefault(outcome.type, outcome.at)
        if any("imports in 365 days" in text for text in outcome.data.get("warnings", [])):
            self.first.setdefault("quota", outcome.at)

    def apply(self, delays: Sequence[timedelta]) -> None:
        """Add certificates, each this long after the start."""
        for number, delay in enumerate(delays):
            name = f"c{number:04d}"
            record = Record(name=name, uid=uid_of(number), spec=self._spec(name), generation=1)
            self.records.add(record, START + delay)

    def _spec(self, name: str) -> Spec:
        lifecycle = {"status-check-interval": self.interval, "keep-revisions": 0}
        key = {"algorithm": "EC_prime256v1"}
        return spec(name, to=("secret", "acm"), lifecycle=lifecycle, **{"private-key": key})

    def live(self, until: datetime) -> None:
        """Let time pass: ticks of the checker, and runs of the issuer on each message."""
        while True:
            tick, message = self._next_tick(), self._next_message()
            if min(tick, message) > until:
                break
            if message <= tick:
                self._run(message)
            else:
                self._tick(tick)
        self.clock.now = until
        for place in (self.secret, self.acm):
            place.end()

    def _next_tick(self) -> datetime:
        due = self.records.next_due()
        if due is None:
            return datetime.max.replace(tzinfo=UTC)
        ticks = max(-(-(due - START) // TICK), (self._ticked - START) // TICK + 1)
        return START + ticks * TICK

    def _next_message(self) -> datetime:
        if not self.messages.waiting:
            return datetime.max.replace(tzinfo=UTC)
        return max(self.messages.waiting[0][0], self._free[0])

    def _tick(self, now: datetime) -> None:
        self.clock.now = self._ticked = now
        stop_at = now + CHECKER_SECONDS
        check(self.records, self.messages, clock=self.clock, stop_at=stop_at, redispatch=REDISPATCH)

    def _run(self, now: datetime) -> None:
        _, _, nudge = heapq.heappop(self.messages.waiting)
        self.clock.now = now
        outcome = self.issuance.run(nudge.certificate, nudge.repeats).outcome
        self.runs[outcome] += 1
        heapq.heapreplace(self._free, self.clock.now + (SHORT_RUN if outcome in SHORT else LONG_RUN))
