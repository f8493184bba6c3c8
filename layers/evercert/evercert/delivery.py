"""From a saved chain to every destination that does not have it yet."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509

from evercert.breaker import Breaker
from evercert.certificate import Bundle, Chain
from evercert.deadline import Clock
from evercert.destination import Creator, Destination, Destinations, Paced, Preflight
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
from evercert.keys import public_bytes
from evercert.ports import Held, Inventory, Pace, Seal
from evercert.record import Delivery, Pending, Record
from evercert.spec import Component

LONGEST_SLEEP = timedelta(seconds=2)
TURN_KEPT = timedelta(minutes=1)  # a turn that was missed by more than this is taken anew
FARTHEST_TURN = timedelta(hours=6)
INTENT_SETTLES = timedelta(minutes=5)  # after that, what an interrupted first delivery made can be found
QUOTA_WARNING = 0.8


@dataclass
class Result:
    """Where the revision is after a round of deliveries, what went wrong elsewhere, and whose turn comes later."""

    deliveries: dict[str, Delivery]
    taken: int = 0
    errors: dict[str, EvercertError] = field(default_factory=dict)
    later: dict[str, NotYet] = field(default_factory=dict)
    used: dict[str, tuple[int, int]] = field(default_factory=dict)  # service → writes of 365 days, and the quota

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

    inventory: Inventory
    seal: Seal
    destinations: Destinations
    pace: Pace
    breaker: Breaker
    clock: Clock
    sleep: Callable[[timedelta], None]

    def check(self, record: Record) -> None:
        """Asks every destination whether it could take what the spec wants, before anything is issued.

        Raises Rejected when one could not. One that cannot be asked now is no reason to keep the others waiting.
        """
        for component in record.spec.destinations:
            destination = self.destinations.open(component, record.name)
            destination.check(record.spec)
            here = record.deliveries.get(component.key)
            if here is not None and here.location and isinstance(destination, Preflight):
                try:
                    destination.preflight(record.spec, here)
                except (Unavailable, Misconfigured):
                    continue

    def run(self, held: Held, record: Record, pending: Pending) -> Result:
        """Delivers to those that lack the revision, and writes down each delivery under the claim."""
        this = _Round(
            self, held, record, self._bundle(record, pending), pending.revision, Result(dict(record.deliveries))
        )
        for component in record.spec.destinations:
            if this.here(component).revision == pending.revision:
                continue
            try:
                this.deliver(component)
            except (ClaimLost, OutOfTime):
                raise
            except NotYet as later:
                this.result.later[component.key] = later
            except (Rejected, Unavailable, Misconfigured) as error:
                this.result.errors[component.key] = error
            except Exception as error:  # noqa: BLE001 (a bug in one destination must not keep the others waiting)
                this.result.errors[component.key] = Unexpected.of(error)
        return this.result

    def _bundle(self, record: Record, pending: Pending) -> Bundle:
        if pending.chain is None:
            raise ValueError("only a saved chain is delivered")
        chain = Chain.from_pem(pending.chain)
        if pending.sealed_key is None:
            return Bundle(chain, None)
        try:
            private_key = self.seal.open(pending.sealed_key, record.uid, pending.revision)
        except Rejected as error:  # by KMS, not by the issuer: what was issued is still good
            raise Misconfigured(str(error)) from error
        asked = public_bytes(x509.load_pem_x509_csr(pending.csr.encode()).public_key())
        if private_key.public_bytes() != asked:
            raise SealBroken(f"the sealed private key of revision {pending.revision} is not the one that was sealed")
        return Bundle(chain, private_key)


@dataclass(frozen=True)
class _Round:
    """One revision on its way to those that lack it."""

    by: Deliveries
    held: Held
    record: Record
    bundle: Bundle
    revision: int
    result: Result

    def here(self, component: Component) -> Delivery:
        return self.result.deliveries.get(component.key, Delivery())

    def note(self, component: Component, here: Delivery) -> Delivery:
        self.result.deliveries[component.key] = here
        self.by.inventory.update(self.held, {"deliveries": self.result.deliveries})
        return here

    def deliver(self, component: Component) -> None:
        destination = self.by.destinations.open(component, self.record.name)
        if isinstance(destination, Creator):
            self._require_settled(component)
        gate = self.by.breaker.admit(destination.service, self.record.uid)
        if isinstance(destination, Paced):
            self._await_turn(component, destination.service, destination.quota)
        with self.by.breaker.watch(gate):
            try:
                delivered = destination.deliver(self.bundle, self._begun(component, destination))
            except Gone:
                self.note(component, Delivery())
                delivered = destination.deliver(self.bundle, self._begun(component, destination))
        self.result.taken += 1
        done = Delivery(revision=self.revision, location=delivered.location, version=delivered.version)
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
        if here.location or here.intended_at is None or here.intended_at > now:
            return
        if now < (settled := here.intended_at + INTENT_SETTLES):
            raise NotYet("the answer of its first delivery was lost, and what it made may still appear", settled)

    def _begun(self, component: Component, destination: Destination) -> Delivery:
        """Writes down that a first delivery begins; after one whose answer was lost, looks for what it made."""
        here, now = self.here(component), self.by.clock()
        if here.location or not isinstance(destination, Creator):
            return here
        begun = here.intended_at
        if begun is not None and begun <= now and (found := destination.find(begun)) is not None:
            return self.note(component, here.model_copy(update={"location": found, "intended_at": None}))
        return self.note(component, here.model_copy(update={"intended_at": now}))


def next_turn(later: dict[str, NotYet]) -> datetime | None:
    """When the first of those who wait may go on."""
    return min((wait.until for wait in later.values()), default=None)
