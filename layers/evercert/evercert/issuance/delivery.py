"""From a saved chain to every destination that does not have it yet."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509

from evercert.contracts.destination import Creator, Destination, Destinations, Paced, Preflight
from evercert.contracts.ports import ClaimedRecord, RateLimiter, RecordStore, Seal
from evercert.contracts.record import Delivery, Pending, Reason, Record
from evercert.deadline import Clock
from evercert.errors import (
    ClaimLost,
    EvercertError,
    Gone,
    Misconfigured,
    NotYet,
    OutOfTime,
    Rejected,
    SealBroken,
    Unavailable,
    Unexpected,
)
from evercert.issuance.circuit_breaker import Breaker
from evercert.pki.certificate import Bundle, Chain
from evercert.pki.keys import public_bytes
from evercert.registry import Component

LONGEST_SLEEP = timedelta(seconds=2)
TURN_KEPT = timedelta(minutes=1)  # a turn that was missed by more than this is taken anew
FARTHEST_TURN = timedelta(hours=6)
INTENT_SETTLES = timedelta(minutes=5)  # after that, what an interrupted first delivery made can be found
QUOTA_WARNING = 0.8
# nobody's wish, but needed
KEPT_UP: frozenset[Reason] = frozenset(["missing", "near-expiry", "revoked", "replaced", "drifted"])


@dataclass
class Result:
    """Where the revision is after a round of deliveries, what went wrong elsewhere, and whose turn comes later."""

    deliveries: dict[str, Delivery]
    taken: int = 0
    errors: dict[str, EvercertError] = field(default_factory=dict)
    later: dict[str, NotYet] = field(default_factory=dict)
    used: dict[str, tuple[int, int]] = field(default_factory=dict)  # service → writes of 365 days, and the quota
    unopened: set[str] = field(default_factory=set)  # what their settings are, nobody knows

    @property
    def warnings(self) -> list[str]:
        """What will stand in the way before long."""
        return [
            f"{used} of the {quota} imports that {service} takes in 365 days are used"
            for service, (used, quota) in self.used.items()
            if used >= quota * QUOTA_WARNING
        ]

    @property
    def measured(self) -> dict[str, float]:
        """The fullest quota that was met, for a metric."""
        shares = [100 * used / quota for used, quota in self.used.values()]
        return {"imports_used_percent": max(shares)} if shares else {}


@dataclass(frozen=True)
class Deliveries:
    """Hands one bundle to each destination; one that fails, or has to wait, does not stop the others."""

    inventory: RecordStore
    seal: Seal
    destinations: Destinations
    pace: RateLimiter
    breaker: Breaker
    clock: Clock
    sleep: Callable[[timedelta], None]

    def check(self, record: Record, reason: Reason) -> None:
        """Asks every destination whether it could take what is wanted, before anything is issued; raises why not.

        A wish that one of them can never fulfil is refused whole. What has to be renewed is renewed for those that can
        take it; and one that cannot be asked now is no reason to keep the others waiting.
        """
        refusals: list[EvercertError] = []
        for component in record.spec.destinations:
            try:
                self._preflight(record, component)
            except (ClaimLost, OutOfTime):
                raise
            except (Unavailable, NotYet):
                continue
            except Exception as error:  # noqa: BLE001 (a bug in one destination must not keep the others waiting)
                refusals.append(error if isinstance(error, EvercertError) else Unexpected.of(error))
        wishes = [error for error in refusals if isinstance(error, Rejected)]
        if wishes and reason not in KEPT_UP:
            raise wishes[0]
        if len(refusals) == len(record.spec.destinations):
            raise refusals[0]

    def _preflight(self, record: Record, component: Component) -> None:
        destination = self.destinations.open(component, record.name)
        destination.check(record.spec)
        if isinstance(destination, Preflight):
            with self.breaker.watch(self.breaker.admit(destination.service, record.uid)):
                destination.preflight(record.spec, record.deliveries.get(component.key, Delivery()))

    def run(self, held: ClaimedRecord, record: Record, pending: Pending, chain: Chain, *, patient: bool) -> Result:
        """Delivers to those that lack the revision, and writes down each delivery under the claim.

        `patient`: one that failed is left alone until its own time comes.
        """
        this = _Round(self, held, record, self._bundle(record, pending, chain), Result(dict(record.deliveries)))
        for component in record.spec.destinations:
            if this.here(component).revision == pending.revision:
                continue
            try:
                if patient:
                    this.require_its_time(component)
                this.deliver(component, pending.revision)
            except (ClaimLost, OutOfTime):
                raise
            except NotYet as later:
                this.result.later[component.key] = later
            except (Rejected, Unavailable, Misconfigured) as error:
                this.result.errors[component.key] = error
            except Exception as error:  # noqa: BLE001 (a bug in one destination must not keep the others waiting)
                this.result.errors[component.key] = Unexpected.of(error)
        return this.result

    def _bundle(self, record: Record, pending: Pending, chain: Chain) -> Bundle:
        if pending.sealed_key is None:
            return Bundle(chain, None)
        try:
            private_key = self.seal.open(pending.sealed_key, record.uid, pending.revision)
        except Rejected as error:  # by KMS, not by the issuer: what was issued is still good
            raise Misconfigured(str(error)) from error
        asked = chain.public_key
        if pending.csr is not None:
            asked = x509.load_pem_x509_csr(pending.csr.encode()).public_key()
        if private_key.public_bytes() != public_bytes(asked):
            raise SealBroken(f"the sealed private key of revision {pending.revision} is not the one that was sealed")
        return Bundle(chain, private_key)


@dataclass(frozen=True)
class _Round:
    """One revision on its way to those that lack it."""

    by: Deliveries
    held: ClaimedRecord
    record: Record
    bundle: Bundle
    result: Result

    def here(self, component: Component) -> Delivery:
        return self.result.deliveries.get(component.key, Delivery())

    def note(self, component: Component, here: Delivery) -> Delivery:
        self.result.deliveries[component.key] = here
        self.by.inventory.update(self.held, {"deliveries": self.result.deliveries})
        return here

    def require_its_time(self, component: Component) -> None:
        """Raises NotYet for one that failed, and is to be left alone for a while."""
        retry_at = self.here(component).retry_at
        if retry_at is not None and self.by.clock() < retry_at:
            raise NotYet("it failed, and is tried again by itself", retry_at)

    def deliver(self, component: Component, revision: int) -> None:
        self.result.unopened.add(component.key)
        destination = self.by.destinations.open(component, self.record.name)
        self.result.unopened.discard(component.key)
        if isinstance(destination, Creator) and destination.creates:
            self._require_settled(component)
        if isinstance(destination, Paced):
            self.by.breaker.look(destination.service, self.record.uid)  # no turn is taken for nothing
            self._await_turn(component, destination.service, destination.quota)
        gate = self.by.breaker.admit(destination.service, self.record.uid)
        with self.by.breaker.watch(gate):
            try:
                delivered = destination.deliver(self.bundle, self._begun(component, destination))
            except Gone:
                self.note(component, Delivery())
                delivered = destination.deliver(self.bundle, self._begun(component, destination))
        self.result.taken += 1
        done = Delivery(revision=revision, location=delivered.location, version=delivered.version)
        with suppress(Unavailable, Misconfigured):  # the table's trouble, not its own; the run's last write says it
            self.note(component, done)

    def _await_turn(self, component: Component, service: str, quota: int) -> None:
        """A turn that is a moment away is waited for; a later one is written down, and ends this round."""
        here, now = self.here(component), self.by.clock()
        at = here.turn
        if at is None or not now - TURN_KEPT <= at <= now + FARTHEST_TURN:
            turn = self.by.pace.take(service, now)
            self.result.used[service] = turn.used, quota
            at = turn.at
        if at - now > LONGEST_SLEEP:
            self.note(component, here.model_copy(update={"turn": at}))
            raise NotYet(f"{service} takes one write a second, and others come first", at)
        if at > now:
            self.by.sleep(at - now)

    def _require_settled(self, component: Component) -> None:
        """Before a turn is taken for nothing: turns are few, and counted."""
        here, now = self.here(component), self.by.clock()
        if here.location or here.intended_at is None:
            return
        if here.intended_at > now:  # by a clock that was ahead; it may have been a moment ago
            here = self.note(component, here.model_copy(update={"intended_at": now}))
        if now < (settled := (here.intended_at or now) + INTENT_SETTLES):
            raise NotYet("the answer of its first delivery was lost, and what it made may still appear", settled)

    def _begun(self, component: Component, destination: Destination) -> Delivery:
        """Writes down that a first delivery begins; after one whose answer was lost, looks for what it made."""
        here, now = self.here(component), self.by.clock()
        if here.location or not isinstance(destination, Creator) or not destination.creates:
            return here
        begun = here.intended_at
        if begun is not None and (found := destination.find(begun)) is not None:
            return self.note(component, here.model_copy(update={"location": found, "intended_at": None}))
        return self.note(component, here.model_copy(update={"intended_at": now}))


def next_turn(later: dict[str, NotYet]) -> datetime | None:
    """When the first of those who wait may go on."""
    return min((wait.until for wait in later.values()), default=None)
