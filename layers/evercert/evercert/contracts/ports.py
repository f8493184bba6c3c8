"""The protocols through which an issuance reaches storage, queue, KMS, issuers and destinations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

from evercert.contracts.consumers import ConsumerDirectory
from evercert.contracts.destination import Destinations
from evercert.contracts.events import Outcome
from evercert.contracts.issuer import Issuers
from evercert.contracts.probe import Prober
from evercert.contracts.queue import Queue
from evercert.contracts.record import Claim, Delivery, Record
from evercert.contracts.record_schema import schema_of
from evercert.contracts.revisions import RevisionsToKeep, RevisionStore
from evercert.deadline import Clock, Deadline
from evercert.pki.keys import PrivateKey

Changes = Mapping[str, Any]  # attributes of the record that the issuer owns; None removes one


@dataclass(frozen=True)
class Unreadable:
    """A claimed item that does not parse as a record.

    `problem` says what does not parse, `announced` is the last announced problem. `revision` and `deliveries` are the
    parts that still parse: a repair must not lose an ARN. `stored_uid` is the text in place of the uid, valid or not.
    """

    name: str
    uid: str
    outcomes: int
    problem: str
    newer: bool = False
    announced: str | None = None
    revision: int = 0
    deliveries: Mapping[str, Delivery] = field(default_factory=dict)
    stored_uid: str | None = None


@dataclass(frozen=True)
class ClaimedRecord:
    """The values that a run read with its claim, as they are stored; they are the condition of every later write.

    `advised`: the record has a renewal window of the CA. `several_issuers`: its spec has more than one. `rolls_back`:
    it has a rollback, or its spec `keep-revisions`. `probed`: it has a probe. `behind`: it has late consumers.
    """

    name: str
    claim: Claim
    generation: Any
    requested_at: Any
    woken_at: Any
    advised: bool = False
    several_issuers: bool = False
    rolls_back: bool = False
    rollback: Any = None
    probed: bool = False
    behind: bool = False

    def schema(self, changes: Changes) -> int:
        """Return the schema of the record with these changes."""
        return schema_of(
            advised=self._keeps("advice", changes, self.advised),
            several_issuers=self.several_issuers,
            rolls_back=self.rolls_back,
            probed=self._keeps("probed", changes, self.probed) or self._keeps("behind", changes, self.behind),
        )

    @staticmethod
    def _keeps(name: str, changes: Changes, was: bool) -> bool:  # noqa: FBT001
        return changes[name] is not None if name in changes else was


class Unclaimed(StrEnum):
    """The reason why a certificate could not be claimed; none is an error."""

    BUSY = "busy"  # another run holds the claim; the due time triggers a retry
    GONE = "gone"  # deleted since the nudge was sent
    NEWER = "newer-schema"  # written by a newer evercert; not touched


class RecordStore(Protocol):
    """Records and outcomes, as the issuer function writes them. Each method raises Unavailable or Misconfigured."""

    def claim(self, name: str, claim: Claim, now: datetime) -> tuple[ClaimedRecord, Record | Unreadable] | Unclaimed:
        """Claim the exclusive right to issue, and set the due time to the end of the claim.

        Returns the stored values and the record, or why it cannot be claimed. Not idempotent: a second claim is BUSY.
        Each write but `stop` and `published` raises NoRoom if the record would become too large.
        """

    def look(self, name: str) -> Record | Unreadable | None:
        """Return the current record, claimed or not, or None if it is missing. Writes nothing."""

    def read_for_stop(self, name: str, claim: Claim) -> tuple[ClaimedRecord, Record | Unreadable] | None:
        """Return what `claim` would return; None if the record is missing. Writes nothing."""

    def update(self, held: ClaimedRecord, changes: Changes) -> None:
        """Write attributes under the claim; raise ClaimLost if this run no longer holds it. Idempotent."""

    def release(self, held: ClaimedRecord, changes: Changes, due_at: datetime | None, now: datetime) -> bool:
        """Write attributes and release the claim; raise ClaimLost if this run no longer holds it.

        If spec, request or issuer changed meanwhile, set the due time to `now` and return True. A rollback that was
        requested meanwhile is not removed.
        """

    def conclude(
        self,
        held: ClaimedRecord,
        changes: Changes,
        due_at: datetime | None,
        outcome: Outcome,
        *,
        kept: RevisionsToKeep | None = None,
    ) -> tuple[bool, Outcome]:
        """Release the claim, store an outcome and what is kept in one transaction; raise ClaimLost as `release` does.

        Returns what `release` returns, and the outcome with the number that it was given. Raises RevisionsNotKept, and
        writes nothing, if only `kept` cannot be written.
        """

    def stop(self, held: ClaimedRecord, outcome: Outcome, now: datetime) -> Outcome | None:
        """Store an outcome and let a record without room rest, due again only when an operator writes it.

        Return None if the record rests already, changed since it was read, or this claim neither holds it nor could
        claim it. Needs no room.
        """

    def outcome(self, name: str, key: str) -> Outcome | None:
        """Return an unpublished outcome; None if published or missing. Raises Misconfigured if it is invalid."""

    def published(self, outcome: Outcome, at: datetime) -> None:
        """Mark the outcome as published: remove it from the due index, expire it after 400 days. Idempotent."""


class Seal(Protocol):
    """Encrypts private keys between two runs so that only the issuer function can read them."""

    def close(self, private_key: PrivateKey, uid: str, revision: int) -> str:
        """Encrypt the key for this certificate and revision; raise Unavailable or Misconfigured."""

    def open(self, sealed: str, uid: str, revision: int) -> PrivateKey:
        """Decrypt a sealed key.

        Raises SealBroken if it was changed or sealed for another certificate or revision; Unavailable, Misconfigured.
        """


@dataclass(frozen=True)
class RateSlot:
    """The time at which a write may be sent, and the number of writes in the last 365 days."""

    at: datetime
    used: int


class RateLimiter(Protocol):
    """Assigns slots to all runs together: one write a second for each service."""

    def take(self, service: str, now: datetime) -> RateSlot:
        """Reserve, count and return the next free slot; an unused one is lost. Not idempotent; raises Unavailable."""

    def give_back(self, service: str, at: datetime) -> None:
        """Uncount the slot at this time, in which nothing was written. Not idempotent; raises Unavailable."""


@dataclass(frozen=True)
class BreakerState:
    """The circuit breaker of a service: failures in a row over all runs, and the end of the outage pause.

    A throttled service has a slower pace until `slow_until`: its calls are `apart` from each other.
    """

    service: str
    failures: int = 0
    open_until: datetime | None = None
    apart: timedelta = timedelta(0)
    slow_until: datetime | None = None


class BreakerStore(Protocol):
    """Stored circuit breakers; each write requires the state that was read. Methods raise Unavailable."""

    def read(self, service: str, *, latest: bool = False) -> BreakerState:
        """Return the state of a service's breaker; without a stored state it is closed and calls are allowed.

        Unless `latest`, the answer may lack a write of the last second.
        """

    def open(self, state: BreakerState, failures: int, until: datetime) -> bool:
        """Block calls to the service before `until`; return False if another run wrote first."""

    def close(self, state: BreakerState) -> None:
        """Reset the breaker: the service answers again. Idempotent; no effect if another run wrote first."""

    def slow_down(self, state: BreakerState, apart: timedelta, until: datetime) -> bool:
        """Keep calls `apart` from each other until `until`; return False if another run slowed it down first."""

    def take_turn(self, state: BreakerState, now: datetime, within: timedelta) -> datetime | None:
        """Reserve and return the next free turn of a slow service; None if none is free within this time."""


class Announcer(Protocol):
    """Publishes outcomes to the subscribers."""

    def announce(self, outcome: Outcome) -> None:
        """Publish the event; raise Unavailable or Misconfigured. Repeatable: the event id stays the same."""


@dataclass(frozen=True)
class Ports:
    """The external dependencies of an issuance."""

    records: RecordStore
    revisions: RevisionStore
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
    prober: Prober | None = None  # None if the stack has no validator for probes
    consumers: ConsumerDirectory | None = None  # None in a stack without acknowledgements
