"""Memory of one run: keys that it sealed, destinations that it opened, breakers and kept revisions that it read.

Nothing of it outlives the run. A run that resumes another one reads everything again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

from evercert.contracts.destination import Destination, Destinations
from evercert.contracts.issuer import Issuers, OpenIssuer
from evercert.contracts.ports import BreakerState, BreakerStore, Ports, Seal
from evercert.contracts.read_beside import BatchingIssuers, Needs
from evercert.contracts.record import Record
from evercert.contracts.revisions import KeptRevisions, RevisionStore
from evercert.deadline import Clock
from evercert.pki.keys import PrivateKey
from evercert.registry import Component

BREAKER_LASTS = timedelta(seconds=5)  # a run may last a minute, and another run may open it meanwhile


def remembering(ports: Ports, record: Record) -> Ports:
    """Return the ports of one run for this record, with its memory."""
    breakers, destinations = RunBreakers(ports.breakers, ports.clock), RunDestinations(ports.destinations)
    revisions = RunRevisions(ports.revisions)

    def needs() -> Needs:
        kept = (record.name, record.uid) if _needs_revisions(record, ports.clock()) else None
        return Needs(_services(record, destinations), kept)

    return replace(
        ports,
        seal=RunSeal(ports.seal),
        destinations=destinations,
        breakers=breakers,
        revisions=revisions,
        issuers=RunIssuers(ports.issuers, breakers, revisions, needs),
    )


def _needs_revisions(record: Record, now: datetime) -> bool:
    """Whether the run will probably need the kept revisions; if others need them after all, they read them then."""
    if record.spec.lifecycle.keep_revisions == 0 or record.spec.certificate_id is not None:
        return False
    if record.rolls_back or record.facts is None:
        return True
    if record.pending is not None:
        return record.pending.chain is not None  # else it may wait for its issuer for a long time
    return record.renew_at is not None and record.renew_at <= now


def _services(record: Record, destinations: Destinations) -> tuple[str, ...]:
    """Return the services of the destinations; one that cannot be opened is reported later."""
    found = []
    for component in record.spec.destinations:
        with suppress(Exception):  # a bug in one destination must not keep the others waiting
            found.append(destinations.open(component, record.name).service)
    return tuple(dict.fromkeys(found))


class RunIssuers:
    """Issuers that are opened together with what the run will need beside them."""

    def __init__(
        self, issuers: Issuers, breakers: RunBreakers, revisions: RunRevisions, needs: Callable[[], Needs]
    ) -> None:
        self._issuers = issuers
        self._breakers = breakers
        self._revisions = revisions
        self._needs = needs
        self._missing: Needs | None = None

    def open(self, name: str, certificate: str | None = None) -> OpenIssuer:
        """Return the issuer; raise what the wrapped issuers raise."""
        if not isinstance(self._issuers, BatchingIssuers):
            return self._issuers.open(name, certificate)
        if self._missing is None:
            self._missing = self._needs()
        opened, found = self._issuers.open_beside(name, certificate, self._missing)
        self._breakers.remember(found.breakers)
        services, revisions_of = self._missing.services, self._missing.revisions_of
        if revisions_of is not None and found.revisions is not None:
            self._revisions.remember(*revisions_of, found.revisions)
            revisions_of = None
        self._missing = Needs(tuple(one for one in services if one not in found.breakers), revisions_of)
        return opened


class RunRevisions:
    """Kept revisions that are read once in a run: under its claim, no other run writes those of its certificate."""

    def __init__(self, revisions: RevisionStore) -> None:
        self._revisions = revisions
        self._known: dict[tuple[str, str], KeptRevisions] = {}

    def remember(self, name: str, uid: str, found: KeptRevisions) -> None:
        """Remember revisions that were read together with an issuer."""
        self._known[name, uid] = found

    def read(self, name: str, uid: str) -> KeptRevisions:
        """Return the revisions; read them unless they are known."""
        if (name, uid) not in self._known:
            self._known[name, uid] = self._revisions.read(name, uid)
        return self._known[name, uid]


class RunSeal:
    """Seal that does not decrypt a key which this run itself sealed."""

    def __init__(self, seal: Seal) -> None:
        self._seal = seal
        self._keys: dict[tuple[str, str, int], PrivateKey] = {}

    def close(self, private_key: PrivateKey, uid: str, revision: int) -> str:
        """Encrypt the key, and remember it for this run."""
        sealed = self._seal.close(private_key, uid, revision)
        self._keys[sealed, uid, revision] = private_key
        return sealed

    def open(self, sealed: str, uid: str, revision: int) -> PrivateKey:
        """Return the key; decrypt it unless this run sealed it for this certificate and revision."""
        known = self._keys.get((sealed, uid, revision))
        return self._seal.open(sealed, uid, revision) if known is None else known


class RunDestinations:
    """Destinations that are opened once in a run, so that the delivery knows what the preflight saw."""

    def __init__(self, destinations: Destinations) -> None:
        self._destinations = destinations
        self._opened: dict[tuple[str, str], Destination] = {}

    def open(self, component: Component, certificate: str) -> Destination:
        """Return the destination; raise what the wrapped destinations raise."""
        key = component.key, certificate
        if key not in self._opened:
            self._opened[key] = self._destinations.open(component, certificate)
        return self._opened[key]


class RunBreakers:
    """Breakers that are read once in five seconds, unless this run writes them."""

    def __init__(self, breakers: BreakerStore, clock: Clock) -> None:
        self._breakers = breakers
        self._clock = clock
        self._known: dict[str, tuple[datetime, BreakerState]] = {}

    def remember(self, states: Mapping[str, BreakerState]) -> None:
        """Remember states that were read together with an issuer."""
        now = self._clock()
        self._known.update({service: (now, state) for service, state in states.items()})

    def read(self, service: str, *, latest: bool = False) -> BreakerState:
        """Return the state; read it if it is older than five seconds, or if the latest is wanted."""
        found, now = self._known.get(service), self._clock()
        if latest or found is None or not found[0] <= now < found[0] + BREAKER_LASTS:
            found = now, self._breakers.read(service, latest=latest)
            self._known[service] = found
        return found[1]

    def open(self, state: BreakerState, failures: int, until: datetime) -> bool:
        """Block calls, and forget the state."""
        self._known.pop(state.service, None)
        return self._breakers.open(state, failures, until)

    def close(self, state: BreakerState) -> None:
        """Reset the breaker, and forget the state."""
        self._known.pop(state.service, None)
        self._breakers.close(state)

    def slow_down(self, state: BreakerState, apart: timedelta, until: datetime) -> bool:
        """Store the pace, and forget the state."""
        self._known.pop(state.service, None)
        return self._breakers.slow_down(state, apart, until)

    def take_turn(self, state: BreakerState, now: datetime, within: timedelta) -> datetime | None:
        """Reserve the next turn of a slow service."""
        return self._breakers.take_turn(state, now, within)
