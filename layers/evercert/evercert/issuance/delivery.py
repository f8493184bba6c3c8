"""Delivery of a saved chain to every destination that lacks it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from evercert.contracts.destination import Creator, Delivered, Destination, Destinations, Paced, Preflight
from evercert.contracts.ports import BreakerState, ClaimedRecord, RateLimiter, RecordStore, Seal
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
STORED_LATER = timedelta(seconds=5)  # in a longer round, a crash should not repeat the deliveries before it
INTENT_SETTLES = timedelta(minutes=5)  # after that, a search finds what an interrupted first delivery created
# What no operator requested, and rollbacks: one refusing destination must not keep the others from it.
UNREQUESTED: frozenset[Reason] = frozenset(
    ["missing", "near-expiry", "not-yet-valid", "revoked", "replaced", "drifted", "rolled-back"]
)


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

    def preflight(self, record: Record, reason: Reason) -> None:
        """Check, before anything is issued, that the destinations can take the certificate; raise the first refusal.

        A requested certificate needs every destination to accept it; a necessary renewal needs only one. Destinations
        that are unavailable are ignored.
        """
        refusals: list[EvercertError] = []
        for component in record.spec.destinations:
            try:
                self._preflight_one(record, component)
            except (ClaimLost, OutOfTime):
                raise
            except (Unavailable, NotYet):
                continue
            except Exception as error:  # noqa: BLE001 (a bug in one destination must not keep the others waiting)
                refusals.append(error if isinstance(error, EvercertError) else Unexpected.of(error))
        rejections = [error for error in refusals if isinstance(error, Rejected)]
        if rejections and reason not in UNREQUESTED:
            raise rejections[0]
        if len(refusals) == len(record.spec.destinations):
            raise refusals[0]

    def _preflight_one(self, record: Record, component: Component) -> None:
        destination = self.destinations.open(component, record.name)
        destination.check(record.spec)
        if isinstance(destination, Preflight):
            with self.breaker.watch(self.breaker.admit(destination.service, record.uid)):
                destination.preflight(record.spec, record.deliveries.get(component.key, Delivery()))

    def run(self, held: ClaimedRecord, record: Record, pending: Pending, chain: Chain, *, patient: bool) -> Result:
        """Deliver to the destinations that lack the revision, and store each delivery under the claim.

        `patient`: skip a destination that failed until its own retry time.
        """
        result = Result(dict(record.deliveries), began=self.clock())
        round_ = _Round(self, held, record, self._bundle(record, pending, chain), result)
        for component in record.spec.destinations:
            if round_.state(component).revision == pending.revision:
                continue
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
        return round_.result

    def _bundle(self, record: Record, pending: Pending, chain: Chain) -> Bundle:
        if pending.sealed_key is None:
            return Bundle(chain, None)
        try:
            private_key = self.seal.open(pending.sealed_key, record.uid, pending.revision)
        except Rejected as error:  # by KMS, not by the issuer: the issued certificate is still valid
            raise Misconfigured(str(error)) from error
        expected = chain.public_key
        if pending.csr is not None:
            expected = public_key_of(pending.csr)
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
        self.deliveries.records.update(self.held, {"deliveries": self.result.deliveries})
        return here

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
        created = isinstance(destination, Creator) and destination.creates and not self.state(component).location
        done = Delivery(revision=revision, location=delivered.location, version=delivered.version)
        self.result.deliveries[component.key] = done
        # The last write of the run stores it. A repetition finds the revision at its place, but for what was created.
        if created or self.deliveries.clock() - self.result.began > STORED_LATER:
            with suppress(Unavailable, Misconfigured):  # a table error
                self.store(component, done)

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
        if at > now:
            self.deliveries.sleep(at - now)

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
        intended_at = here.intended_at
        if intended_at is not None:
            with self.deliveries.breaker.watch(state):
                found = destination.find(intended_at)
            if found is not None:
                return self.store(component, here.model_copy(update={"location": found, "intended_at": None}))
        return self.store(component, here.model_copy(update={"intended_at": now}))
