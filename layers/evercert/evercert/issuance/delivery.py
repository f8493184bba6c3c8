"""Delivery of a saved chain to every destination that lacks it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from evercert.contracts.destination import Creator, Delivered, Destination, Destinations, Paced
from evercert.contracts.ports import BreakerState, ClaimedRecord, RateLimiter, RecordStore, Seal
from evercert.contracts.record import Delivery, Pending, Record
from evercert.deadline import Clock
from evercert.errors import (
    ClaimLost,
    Gone,
    Misconfigured,
    NotYet,
    OutOfTime,
    Rejected,
    SealBroken,
    Slowed,
    Throttled,
    Unavailable,
    Unexpected,
)
from evercert.issuance.circuit_breaker import Breaker
from evercert.issuance.delivery_result import Result
from evercert.pki.certificate import Bundle, Chain
from evercert.pki.csr_parser import public_key_of
from evercert.pki.keys import public_bytes
from evercert.registry import Component
from evercert.scheduling.decision import is_plausible_retry

LONGEST_SLEEP = timedelta(seconds=2)
SLOT_KEPT = timedelta(minutes=1)  # after missing a slot by more than this, a run takes a new one
FARTHEST_SLOT = timedelta(hours=6)
LONGEST_UNSTORED = timedelta(seconds=5)  # a crash should not repeat the deliveries of a longer round
INTENT_SETTLES = timedelta(minutes=5)  # after that, a search finds what an interrupted first delivery created


@dataclass(frozen=True)
class Deliveries:
    """Delivers a bundle to each destination; one that fails or waits does not stop the others."""

    records: RecordStore
    seal: Seal
    destinations: Destinations
    rate_limiter: RateLimiter
    breaker: Breaker
    clock: Clock
    sleep: Callable[[timedelta], None]

    def run(
        self,
        held: ClaimedRecord,
        record: Record,
        pending: Pending,
        chain: Chain,
        *,
        patient: bool,
        intended: Mapping[str, Delivery] | None = None,
    ) -> Result:
        """Deliver to the destinations that lack the revision.

        The end of the run stores the deliveries that are stored as `intended`; the others are stored at once.
        `patient`: skip a destination that failed until its own retry time.
        """
        result = Result(dict(intended or record.deliveries), began=self.clock())
        round_ = _Round(self, held, record, self._bundle(record, pending, chain), result)
        for component in record.spec.destinations:
            if round_.state(component).revision == pending.revision:
                continue
            if result.unstored and self.clock() - result.began > LONGEST_UNSTORED:
                round_.store_delivered()
            try:
                if patient:
                    round_.require_retry_due(component)
                round_.deliver(component, pending.revision)
            except (ClaimLost, OutOfTime):
                raise
            except NotYet as later:
                round_.result.later[component.key] = later
            except (Rejected, Unavailable, Misconfigured) as error:
                round_.result.errors[component.key] = error
            except Exception as error:  # noqa: BLE001 (a bug in one destination must not keep the others waiting)
                round_.result.errors[component.key] = Unexpected.of(error)
            round_.give_back_slot(component, pending.revision)
        result.settle(record.deliveries, pending.revision)
        return result

    def _bundle(self, record: Record, pending: Pending, chain: Chain) -> Bundle:
        if pending.sealed_key is None:
            return Bundle(chain, None)
        try:
            private_key = self.seal.open(pending.sealed_key, record.uid, pending.revision)
        except Rejected as error:  # by KMS, not by the issuer: the issued certificate is still valid
            raise Misconfigured(str(error)) from error
        expected = chain.public_key if pending.csr is None else public_key_of(pending.csr)
        if private_key.public_bytes() != public_bytes(expected):
            raise SealBroken(
                f"cannot deliver revision {pending.revision}: the sealed private key does not match its certificate"
            )
        return Bundle(chain, private_key)


@dataclass(frozen=True)
class _Round:
    """One round of deliveries of one revision."""

    deliveries: Deliveries
    held: ClaimedRecord
    record: Record
    bundle: Bundle
    result: Result

    def state(self, component: Component) -> Delivery:
        return self.result.deliveries.get(component.key, Delivery())

    def store(self, component: Component, here: Delivery) -> Delivery:
        self.result.deliveries[component.key] = here
        self._write()
        return here

    def store_delivered(self) -> None:
        """Store the deliveries of this round so far; after a table error, the end of the run stores them."""
        with suppress(Unavailable, Misconfigured):
            self._write()

    def _write(self) -> None:
        self.deliveries.records.update(self.held, {"deliveries": self.result.deliveries})
        self.result.unstored = False

    def require_retry_due(self, component: Component) -> None:
        """Raise NotYet for a destination that failed, until its retry time."""
        retry_at, now = self.state(component).retry_at, self.deliveries.clock()
        if retry_at is not None and now < retry_at and is_plausible_retry(retry_at, now):
            raise NotYet("delivery failed before; waiting for its retry time", retry_at)

    def deliver(self, component: Component, revision: int) -> None:
        self.result.unvalidated.add(component.key)
        destination = self.deliveries.destinations.open(component, self.record.name)
        self.result.unvalidated.discard(component.key)
        if isinstance(destination, Creator) and destination.creates:
            self._require_settled(component)
        if isinstance(destination, Paced):
            self.deliveries.breaker.require_closed(destination.service, self.record.uid)  # do not waste a slot
            self._await_slot(component, destination.service, destination.quota)
        state = self._admit(component, destination)
        try:
            delivered = self._send(component, destination, state)
        except Gone:
            self.store(component, Delivery())
            delivered = self._send(component, destination, state)
        self.result.taken += 1
        done = Delivery(revision=revision, location=delivered.location, version=delivered.version)
        before, self.result.deliveries[component.key] = self.state(component), done
        self.result.unstored = True
        if not before.in_doubt:
            self.store_delivered()

    def _admit(self, component: Component, destination: Destination) -> BreakerState:
        """Ask the breaker; a certificate that waits for its turn at a slow service keeps its slot."""
        try:
            return self.deliveries.breaker.admit(destination.service, self.record.uid)
        except Slowed as later:
            if isinstance(destination, Paced):
                self.store(component, self.state(component).model_copy(update={"turn": later.until}))
            raise

    def _send(self, component: Component, destination: Destination, state: BreakerState) -> Delivered:
        """Deliver once; writes to the record are not part of what the breaker of the destination watches."""
        here = self._store_intent(component, destination, state)
        try:
            with self.deliveries.breaker.watch(state):
                return destination.deliver(self.bundle, here)
        except (Slowed, Throttled):
            if here.intended_at is not None and not here.location:  # refused before anything was created
                self.store(component, here.model_copy(update={"intended_at": None}))
            raise

    def _await_slot(self, component: Component, service: str, quota: int) -> None:
        """Sleep until a slot at most two seconds away; store a later one and raise NotYet."""
        here, now = self.state(component), self.deliveries.clock()
        at = here.turn
        if at is None or not now - SLOT_KEPT <= at <= now + FARTHEST_SLOT:
            slot = self.deliveries.rate_limiter.take(service, now)
            self.result.used[service] = slot.used, quota
            at = slot.at
        if at - now > LONGEST_SLEEP:
            self.store(component, here.model_copy(update={"turn": at}))
            raise NotYet(f"{service} is limited to one write per second; waiting for a slot", at)
        self.result.slots[component.key] = service, at
        if at > now:
            self.deliveries.sleep(at - now)

    def give_back_slot(self, component: Component, revision: int) -> None:
        """Uncount a slot in which nothing was written, unless its turn comes later.

        After a lost answer, the slot of the repetition counts instead: it finds the certificate, and writes nothing.
        """
        here, slot = self.state(component), self.result.slots.get(component.key)
        comes_later = here.turn is not None and here.turn > self.deliveries.clock()
        if slot is None or here.revision == revision or comes_later:
            return
        with suppress(Rejected, Unavailable, Misconfigured):  # a table error: the count is too high by one
            if here.turn is not None:
                self.store(component, here.model_copy(update={"turn": None}))
            self.deliveries.rate_limiter.give_back(*slot)
            self.result.uncount(slot[0])

    def _require_settled(self, component: Component) -> None:
        """Raise NotYet while a first delivery whose response was lost may still appear.

        Called before a slot is taken: slots are scarce and counted.
        """
        here, now = self.state(component), self.deliveries.clock()
        if here.location or here.intended_at is None:
            return
        if here.intended_at > now:  # stored by a clock that was ahead; it may be recent
            here = self.store(component, here.model_copy(update={"intended_at": now}))
        if now < (settled := (here.intended_at or now) + INTENT_SETTLES):
            raise NotYet("the response to the first delivery was lost; its result may still appear", settled)

    def _store_intent(self, component: Component, destination: Destination, state: BreakerState) -> Delivery:
        """Store that a first delivery begins; after a lost response, look for what that delivery created."""
        here, now = self.state(component), self.deliveries.clock()
        if here.location or not isinstance(destination, Creator) or not destination.creates:
            return here
        if here.intended_at is not None:
            with self.deliveries.breaker.watch(state):
                found = destination.find(here.intended_at)
            if found is not None:
                return self.store(component, here.model_copy(update={"location": found, "intended_at": None}))
        return self.store(component, here.model_copy(update={"intended_at": now}))
