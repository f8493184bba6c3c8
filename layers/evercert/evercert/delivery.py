"""From a saved chain to every destination that does not have it yet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509

from evercert.breaker import Breaker
from evercert.certificate import Bundle, Chain
from evercert.deadline import Clock
from evercert.destination import Creator, Destinations, Paced, Preflight
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
from evercert.ports import Held, Inventory, Pace, Seal, Turn
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
        bundle = self._bundle(record, pending)
        result = Result(dict(record.deliveries))
        for component in record.spec.destinations:
            if result.deliveries.get(component.key, Delivery()).revision == pending.revision:
                continue
            try:
                self._deliver(held, record, component, bundle, pending.revision, result)
            except (ClaimLost, OutOfTime):
                raise
            except NotYet as later:
                result.later[component.key] = later
            except (Rejected, Unavailable, Misconfigured) as error:
                result.errors[component.key] = error
            except Exception as error:  # noqa: BLE001 (a bug in one destination must not keep the others waiting)
                result.errors[component.key] = Unexpected.of(error)
        return result

    def _deliver(
        self, held: Held, record: Record, component: Component, bundle: Bundle, revision: int, result: Result
    ) -> None:
        def note(here: Delivery) -> Delivery:
            result.deliveries[component.key] = here
            self.inventory.update(held, {"deliveries": result.deliveries})
            return here

        here = result.deliveries.get(component.key, Delivery())
        destination = self.destinations.open(component, record.name)
        gate = self.breaker.admit(destination.service, record.uid)
        if isinstance(destination, Paced):
            here = self._await_turn(destination.service, destination.quota, here, result, note)
        with self.breaker.watch(gate):
            if isinstance(destination, Creator) and not here.location:
                here = self._intend(destination, here, note)
            try:
                delivered = destination.deliver(bundle, here)
            except Gone:
                here = note(Delivery())
                if isinstance(destination, Creator):
                    here = self._intend(destination, here, note)
                delivered = destination.deliver(bundle, here)
        result.taken += 1
        note(Delivery(revision=revision, location=delivered.location, version=delivered.version))

    def _await_turn(
        self, service: str, quota: int, here: Delivery, result: Result, note: Callable[[Delivery], Delivery]
    ) -> Delivery:
        """A turn that is a moment away is waited for; a later one is written down, and ends this round."""
        now = self.clock()
        if here.turn is None or not now - TURN_KEPT <= here.turn <= now + FARTHEST_TURN:
            turn: Turn = self.pace.take(service, now)
            result.used[service] = turn.used, quota
            here = here.model_copy(update={"turn": turn.at})
        if here.turn is not None and (wait := here.turn - now) > timedelta(0):
            if wait > LONGEST_SLEEP:
                note(here)
                raise NotYet(f"{service} takes one write a second, and others come first", here.turn)
            self.sleep(wait)
        return here

    def _intend(self, destination: Creator, here: Delivery, note: Callable[[Delivery], Delivery]) -> Delivery:
        """Writes down that a first delivery begins; after one whose answer was lost, looks for what it made."""
        now = self.clock()
        if here.intended_at is not None and here.intended_at <= now:
            if now < (settled := here.intended_at + INTENT_SETTLES):
                raise NotYet("the answer of its first delivery was lost, and what it made may still appear", settled)
            if (found := destination.find(here.intended_at)) is not None:
                return note(here.model_copy(update={"location": found, "intended_at": None}))
        return note(here.model_copy(update={"intended_at": now}))

    def _bundle(self, record: Record, pending: Pending) -> Bundle:
        if pending.chain is None:
            raise ValueError("only a saved chain is delivered")
        chain = Chain.from_pem(pending.chain)
        if pending.sealed_key is None:
            return Bundle(chain, None)
        private_key = self.seal.open(pending.sealed_key, record.uid, pending.revision)
        asked = public_bytes(x509.load_pem_x509_csr(pending.csr.encode()).public_key())
        if private_key.public_bytes() != asked:
            raise SealBroken(f"the sealed private key of revision {pending.revision} is not the one that was sealed")
        return Bundle(chain, private_key)


def next_turn(later: dict[str, NotYet]) -> datetime | None:
    """When the first of those who wait may go on."""
    return min((wait.until for wait in later.values()), default=None)
