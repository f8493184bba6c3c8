"""The contracts of an issuance: what it needs from the outside world, and nothing about how."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

from evercert.contracts.destination import Destinations
from evercert.contracts.events import Outcome
from evercert.contracts.issuer import Issuers
from evercert.contracts.queue import Queue
from evercert.contracts.record import Claim, Delivery, Record
from evercert.deadline import Clock, Deadline
from evercert.pki.keys import PrivateKey


@dataclass(frozen=True)
class Unreadable:
    """A claimed item that is no record: `problem` says what does not parse, `said` what was announced of it last.

    `revision` and `deliveries` are what still parses: a repair must not lose an ARN.
    """

    name: str
    uid: str
    outcomes: int
    problem: str
    newer: bool = False
    said: str | None = None
    revision: int = 0
    deliveries: Mapping[str, Delivery] = field(default_factory=dict)


@dataclass(frozen=True)
class ClaimedRecord:
    """What a run saw when it claimed, as it is stored; every later write is bound to it."""

    name: str
    claim: Claim
    generation: Any
    requested_at: Any
    woken_at: Any


class Unclaimed(StrEnum):
    """Why a certificate could not be claimed; none of them is an error."""

    BUSY = "busy"  # another run holds it, and its due time brings it back
    GONE = "gone"  # deleted since the nudge was sent
    NEWER = "newer-schema"  # written by a newer evercert, and left alone


Changes = Mapping[str, Any]  # attributes of the record that the issuer owns; None takes one away


class RecordStore(Protocol):
    """Records and outcomes, as the issuer writes them. Each method raises Unavailable or Misconfigured."""

    def claim(self, name: str, claim: Claim, now: datetime) -> tuple[ClaimedRecord, Record | Unreadable] | Unclaimed:
        """Takes the right to issue, and promises to come back when it ends."""

    def look(self, name: str) -> Record | Unreadable | None:
        """The record as it is, claimed or not; None: there is none."""

    def update(self, held: ClaimedRecord, changes: Changes) -> None:
        """Writes under the claim; raises ClaimLost when it is no longer ours."""

    def release(self, held: ClaimedRecord, changes: Changes, due_at: datetime | None, now: datetime) -> bool:
        """Writes and gives the claim back. If spec, request or issuer moved meanwhile: due `now`, and True."""

    def conclude(
        self, held: ClaimedRecord, changes: Changes, due_at: datetime | None, outcome: Outcome
    ) -> tuple[bool, Outcome]:
        """The same, together with the outcome: both or none; answers it as it was numbered."""

    def outcome(self, name: str, key: str) -> Outcome | None:
        """An outcome that is not published yet; None: it is, or there is none. Raises Misconfigured if it is none."""

    def published(self, outcome: Outcome, at: datetime) -> None:
        """Takes the outcome off the due index and lets it expire after 400 days."""


class Seal(Protocol):
    """Keeps a private key between two steps so that only the issuer can read it."""

    def close(self, private_key: PrivateKey, uid: str, revision: int) -> str:
        """The sealed key, as text."""

    def open(self, sealed: str, uid: str, revision: int) -> PrivateKey:
        """The inverse; raises Misconfigured when it was sealed for another certificate or revision, or changed."""


@dataclass(frozen=True)
class RateSlot:
    """When a write may go out, and how many there were in the last 365 days."""

    at: datetime
    used: int


class RateLimiter(Protocol):
    """Hands out turns, one a second for each service, to all runs together."""

    def take(self, service: str, now: datetime) -> RateSlot:
        """The next free turn; it is gone even if nobody uses it."""


@dataclass(frozen=True)
class BreakerState:
    """How a service does: so many failures in a row, of whatever run, and shut until then."""

    service: str
    failures: int = 0
    shut_until: datetime | None = None


class BreakerStore(Protocol):
    """The breakers, as they are stored; each write is bound to what was read."""

    def read(self, service: str) -> BreakerState:
        """A service that nobody complained of is open."""

    def shut(self, gate: BreakerState, failures: int, until: datetime) -> bool:
        """Nobody calls before `until`; False if somebody else wrote meanwhile."""

    def clear(self, gate: BreakerState) -> None:
        """The service answers again."""


class Announcer(Protocol):
    """Tells subscribers."""

    def announce(self, outcome: Outcome) -> None:
        """Publishes the event; may be repeated, its id stays the same."""


@dataclass(frozen=True)
class Ports:
    """Everything that one issuance needs from outside."""

    records: RecordStore
    queue: Queue
    seal: Seal
    issuers: Issuers
    destinations: Destinations
    announcer: Announcer
    rate_limiter: RateLimiter
    breakers: BreakerStore
    clock: Clock
    sleep: Callable[[timedelta], None]
    deadline: Deadline
