"""In-memory fakes of the ports; each passes the contract tests of its adapter."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from evercert.aws.dynamodb import items
from evercert.aws.dynamodb.claims import LONGEST_LEASE, WRITTEN_BY_OPERATORS
from evercert.aws.dynamodb.record_store import OWNED
from evercert.aws.dynamodb.revision_store import keeps_none
from evercert.contracts.consumers import MOST_CONSUMERS, Acknowledgement, AcknowledgementRefusal, ConsumerList
from evercert.contracts.destination import Delivered, Drift
from evercert.contracts.events import Outcome
from evercert.contracts.issuer import OpenIssuer, Status
from evercert.contracts.ports import BreakerState, Changes, ClaimedRecord, Ports, RateSlot, Unclaimed, Unreadable
from evercert.contracts.probe import ProbeAnswer, ProbeReport, ProbeTarget
from evercert.contracts.queue import SHARDS, Due, Expiring, Nudge
from evercert.contracts.record import Claim, Delivery, Facts, Record
from evercert.contracts.record_part import LAST_COUNT
from evercert.contracts.record_schema import SCHEMA, schema_of
from evercert.contracts.revisions import KeptRevisions, RevisionsToKeep, RollbackRequest
from evercert.contracts.spec_store import Change, Pause, PauseTarget
from evercert.deadline import Deadline
from evercert.documents.spec import Component, Spec
from evercert.errors import ClaimLost, EvercertError, Misconfigured, NoRoom, Rejected, SealBroken, Unavailable
from evercert.issuance.run import Issuance
from evercert.issuers.self_signed import SelfSigned
from evercert.pki.certificate import Bundle
from evercert.pki.keys import PrivateKey
from evercert.timestamps import to_text
from tests.doubles.item_size import LIMIT, size
from tests.doubles.revisions import FakeRevisions

START = datetime(2026, 1, 15, 12, tzinfo=UTC)
LEASE = timedelta(seconds=90)
SHARD_NAMES = {f"{number:02d}" for number in range(SHARDS)}  # that the checker reads


@dataclass
class HandClock:
    """A clock that only tests move."""

    now: datetime = START

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **span: float) -> None:
        self.now += timedelta(**span)


def as_long_as(condition: Callable[[], bool], most: int = 1_000) -> Iterator[int]:
    """Loop while the condition holds; fail after `most` rounds instead of running indefinitely."""
    for number in range(most):
        if not condition():
            return
        yield number
    raise AssertionError(f"endless loop: more than {most} rounds")


class FakeTable:
    """Record store, due index and spec store on one dictionary of items."""

    def __init__(self) -> None:
        self.items: dict[tuple[str, str], dict[str, Any]] = {}
        self.definitions: dict[str, Component] = {}
        self.paused: dict[PauseTarget, Pause] = {}
        self.log: list[str] = []

    # -- the issuer's side ------------------------------------------------------------------------------------------
    def claim(self, name: str, claim: Claim, now: datetime) -> tuple[ClaimedRecord, Record | Unreadable] | Unclaimed:
        self.log.append("claim")
        values = self._claimable(name, claim, now)
        if isinstance(values, Unclaimed):
            return values
        self._set(name, {"claim": claim, **items.due(name, claim.until)})
        return self._held(name, claim, values), items.read_record(self.items[items.pk(name), items.SK])

    @staticmethod
    def _held(name: str, claim: Claim, values: dict[str, Any]) -> ClaimedRecord:
        read: dict[str, Any] = {attribute: values.get(attribute) for attribute in WRITTEN_BY_OPERATORS}
        return ClaimedRecord(name, claim, **items.markers(values), **read)

    def _claimable(self, name: str, claim: Claim, now: datetime) -> dict[str, Any] | Unclaimed:
        item = self.items.get((items.pk(name), items.SK))
        if item is None:
            return Unclaimed.GONE
        values = items.plain(item)
        schema = values.get("schema", SCHEMA)
        if isinstance(schema, Decimal) and schema > SCHEMA:
            return Unclaimed.NEWER
        held = values.get("claim")
        until = held.get("until") if isinstance(held, dict) else None
        mine = isinstance(held, dict) and held.get("id") == claim.id
        if isinstance(until, str) and not mine and to_text(now) <= until <= to_text(now + LONGEST_LEASE):
            return Unclaimed.BUSY
        return values

    def look(self, name: str) -> Record | Unreadable | None:
        return self.record(name)

    def read_for_stop(self, name: str, claim: Claim) -> tuple[ClaimedRecord, Record | Unreadable] | None:
        item = self.items.get((items.pk(name), items.SK))
        return None if item is None else (self._held(name, claim, items.plain(item)), items.read_record(item))

    def update(self, held: ClaimedRecord, changes: Changes) -> None:
        self.log.append(f"update {' '.join(sorted(changes))}")
        self._require_ours(held)
        self._set(held.name, {**self._owned(changes, held), "schema": held.schema(changes)})

    def release(self, held: ClaimedRecord, changes: Changes, due_at: datetime | None, now: datetime) -> bool:
        self.log.append("release")
        moved = self._moved(held)
        self._end(held, self._owned(self._ended(changes, held), held), now if moved else due_at)
        return moved

    def _ended(self, changes: Changes, held: ClaimedRecord) -> Changes:
        """Return the changes without the removal of a rollback that was requested since the claim."""
        same = self._require_ours(held).get("rollback") == held.rollback
        return {name: value for name, value in changes.items() if same or name != "rollback"}

    def _end(self, held: ClaimedRecord, changes: Changes, due: datetime | None) -> None:
        resting = True if due is None else None
        due_entry = items.due(held.name, due)
        item = items.plain(self.items[items.pk(held.name), items.SK])
        now = replace(held, rolls_back=items.rolls_back(item)) if self._moved(held) else held
        schema = now.schema(changes)
        self._set(held.name, {**changes, "schema": schema, "claim": None, "resting": resting, **due_entry})

    def conclude(
        self,
        held: ClaimedRecord,
        changes: Changes,
        due_at: datetime | None,
        outcome: Outcome,
        *,
        kept: RevisionsToKeep | None = None,
    ) -> tuple[bool, Outcome]:
        self.log.append(f"conclude {outcome.type}")
        moved = self._moved(held)
        numbered = self._numbered(outcome)
        forbidden = kept is None or keeps_none(self.items.get((items.pk(held.name), items.SK)))
        beside = {} if kept is None or forbidden else FakeRevisions(self.items).replaced(held.name, kept)
        changes = {**self._owned(self._ended(changes, held), held), "outcomes": numbered.number}
        self._end(held, changes, outcome.at if moved else due_at)
        self.items |= {(items.pk(held.name), numbered.key): items.outcome_item(numbered), **beside}
        return moved, numbered

    def _numbered(self, outcome: Outcome) -> Outcome:
        for step in range(20):
            numbered = outcome.model_copy(update={"number": (outcome.number + 2**step - 2) % LAST_COUNT + 1})
            if (items.pk(outcome.name), numbered.key) not in self.items:
                return numbered
        raise Unavailable("no free outcome number")

    def stop(self, held: ClaimedRecord, outcome: Outcome, now: datetime) -> Outcome | None:
        self.log.append(f"stop {outcome.type}")
        values = self._claimable(outcome.name, held.claim, now)
        if not isinstance(values, dict) or ("resting" in values and "due_at" not in values):
            return None
        if self._held(outcome.name, held.claim, values) != held:
            return None
        numbered = self._numbered(outcome)
        counted = {"state": "stopped", "outcomes": numbered.number, "resting": True}
        for changes in (counted, {"resting": True}, {}):
            with suppress(NoRoom):
                self._set(outcome.name, {**changes, "claim": None, **items.due(outcome.name, None)})
                self.items[items.pk(outcome.name), numbered.key] = items.outcome_item(numbered)
                return numbered
        raise NoRoom("no room left")

    def outcome(self, name: str, key: str) -> Outcome | None:
        item = self.items.get((items.pk(name), key))
        if item is None or "published_at" in item:
            return None
        outcome = items.read_outcome(item)
        if outcome is None:
            raise Misconfigured(f"{key} of {name} is not a valid outcome")
        return outcome

    def published(self, outcome: Outcome, at: datetime) -> None:
        self.log.append("published")
        if (items.pk(outcome.name), outcome.key) in self.items:
            expires = int((at + items.KEPT).timestamp())
            changes = {"published_at": at, **items.due(outcome.name, None)}
            try:
                self._set(outcome.name, {**changes, "expires_at": expires}, outcome.key)
            except NoRoom:
                self._set(outcome.name, changes, outcome.key)

    # -- the checker's side -----------------------------------------------------------------------------------------
    def due(self, now: datetime) -> Iterator[Due]:
        found = [
            Due(key, item["due_shard"]["S"], item["due_at"]["S"])
            for key, item in self.items.items()
            if item.get("due_shard", {}).get("S") in SHARD_NAMES
            and item.get("due_at", {}).get("S", "~") <= to_text(now)
        ]
        return iter(sorted(found, key=lambda due: due.due_at))

    def expiring(self, page: int) -> Iterator[Expiring]:
        found = [Expiring(key, item["not_after"]["S"]) for key, item in self.items.items() if "expiry_shard" in item]
        return iter(sorted(found, key=lambda expiring: expiring.not_after))

    def put_off(self, due: Due, until: datetime) -> bool:
        item = self.items.get(due.key)
        if item is None or item.get("due_at") != {"S": due.due_at}:
            return False
        try:
            self._write(item, {"due_at": until})
        except NoRoom:
            return False
        return True

    # -- the operator's side ----------------------------------------------------------------------------------------
    def named(self, names: Sequence[str]) -> list[Record | Unreadable]:
        return [found for found in map(self.record, names) if found is not None]

    def records(self, after: str | None = None) -> list[Record | Unreadable]:
        first = "" if after is None else items.pk(after)
        return [
            items.read_record(self.items[key]) for key in sorted(self.items) if key[1] == items.SK and key[0] > first
        ]

    def record(self, name: str) -> Record | Unreadable | None:
        item = self.items.get((items.pk(name), items.SK))
        return None if item is None else items.read_record(item)

    def write(self, changes: Sequence[Change], due_at: datetime) -> None:
        for change in changes:
            current = self.record(change.record.name)
            seen = change.seen
            if isinstance(seen, Record):
                same = isinstance(current, Record) and (current.uid, current.generation) == (seen.uid, seen.generation)
            else:
                same = (current is None) == (seen is None)
            if not same:
                raise Rejected(f"{change.record.name} was changed concurrently")
        for change in changes:
            if isinstance(change.seen, Record):
                spec = items.new_record(change.record, due_at)["spec"]
                item = self.items[items.pk(change.record.name), items.SK]
                item["spec"], item["generation"] = spec, items.attribute(change.record.generation)
                schema = schema_of(
                    advised=change.seen.advice is not None,
                    several_issuers=bool(change.record.spec.issuers),
                    rolls_back=change.seen.rolls_back or items.sets_kept_revisions(change.record.spec),
                    probed=change.record.spec.probe is not None
                    or (change.seen.probed or change.seen.behind) is not None,
                )
                self._set(change.record.name, {"schema": schema, **items.due(change.record.name, due_at)})
            else:
                self.items[items.pk(change.record.name), items.SK] = items.new_record(change.record, due_at)

    def request(self, name: str, at: datetime, due_at: datetime | None = None, reason: str | None = None) -> bool:
        request = {"requested_at": at, "request_reason": reason}
        if due_at is not None and due_at > at:
            return self._schedule(name, request, due_at, at)
        found = (items.pk(name), items.SK) in self.items
        if found:
            self._set(name, {**request, **items.due(name, at)})
        return found

    def request_rollback(self, record: Record, rollback: RollbackRequest) -> None:
        item = self.items.get((items.pk(record.name), items.SK))
        if item is None or item["uid"] != {"S": record.uid}:
            raise Rejected(f"{record.name} was recreated concurrently")
        due_now = items.due(record.name, rollback.requested_at)
        self._set(record.name, {"rollback": rollback, "schema": SCHEMA, **due_now})

    def kept(self, record: Record) -> KeptRevisions:
        return FakeRevisions(self.items).read(record.name, record.uid)

    def forget(self, record: Record | Unreadable) -> None:
        FakeRevisions(self.items).delete(record.name, record.uid)

    def wake(self, name: str, at: datetime, now: datetime) -> None:
        self._schedule(name, {"woken_at": now}, at, now)

    def _schedule(self, name: str, changes: Changes, at: datetime, now: datetime) -> bool:
        item = self.items.get((items.pk(name), items.SK))
        if item is None:
            return False
        sooner = item.get("due_at", {}).get("S", "~") <= to_text(at)
        due = {} if sooner and "due_shard" in item else items.due(name, now if sooner else at)
        self._set(name, {**changes, **due})
        return True

    def remove(self, record: Record | Unreadable) -> None:
        item = self.items.get((items.pk(record.name), items.SK))
        uid = record.uid if isinstance(record, Record) or record.stored_uid is None else record.stored_uid
        spoiled = isinstance(record, Unreadable) and item is not None and "S" not in item.get("uid", {})
        if item is not None and not spoiled and item["uid"] != {"S": uid}:
            raise Rejected(f"{record.name} was recreated concurrently")
        self.items.pop((items.pk(record.name), items.SK), None)
        self.forget(record)

    def history(self, name: str) -> list[Outcome]:
        found = [items.read_outcome(i) for (pk, sk), i in self.items.items() if pk == items.pk(name) and sk != items.SK]
        return sorted((o for o in found if o is not None), key=lambda outcome: (outcome.at, outcome.number))

    def issuers(self) -> dict[str, Component]:
        return dict(self.definitions)

    def write_issuer(self, name: str, definition: Component) -> None:
        self.definitions[name] = definition

    def pause(self, target: PauseTarget, pause: Pause, now: datetime) -> bool:
        if target in self.pauses(now):
            return False
        self.paused[target] = pause
        return True

    def resume(self, target: PauseTarget) -> bool:
        return self.paused.pop(target, None) is not None

    def pauses(self, now: datetime) -> dict[PauseTarget, Pause]:
        return {target: pause for target, pause in self.paused.items() if not pause.ended(now)}

    # -- storage -----------------------------------------------------------------------------------------------------
    def _set(self, name: str, changes: Changes, sort: str = items.SK) -> None:
        self._write(self.items[items.pk(name), sort], items.indexed(changes, name))

    @staticmethod
    def _write(stored: dict[str, Any], changes: Changes) -> None:
        item = dict(stored)
        for attribute, value in changes.items():
            if value is None:
                item.pop(attribute, None)
            else:
                item[attribute] = items.attribute(value)
        if size(item) > LIMIT:
            raise NoRoom(f"no room left for {', '.join(changes)}")
        stored.clear()
        stored.update(item)

    def _owned(self, changes: Changes, held: ClaimedRecord) -> dict[str, Any]:
        if strange := set(changes) - OWNED:
            raise ValueError(f"attributes that the issuer may not write: {strange}")
        return items.indexed(changes, held.name)

    def _require_ours(self, held: ClaimedRecord) -> dict[str, Any]:
        item = self.items.get((items.pk(held.name), items.SK))
        values = items.plain(item) if item is not None else {}
        if values.get("claim", {}).get("id") != held.claim.id:
            raise ClaimLost("claimed by another run")
        return values

    def _moved(self, held: ClaimedRecord) -> bool:
        values = self._require_ours(held)
        return any(values.get(name) != getattr(held, name) for name in WRITTEN_BY_OPERATORS)


@dataclass
class FakeQueue:
    """Stores sent nudges; `refuse` names nudges that it does not take, like a throttled queue."""

    sent: list[Nudge] = field(default_factory=list)
    later: list[tuple[Nudge, timedelta]] = field(default_factory=list)
    refuse: set[str] = field(default_factory=set)
    error: EvercertError | None = None

    def send(self, nudges: Sequence[Nudge]) -> list[Nudge]:
        if self.error is not None:
            raise self.error
        taken = [nudge for nudge in nudges if nudge.certificate not in self.refuse]
        self.sent += taken
        return taken

    def send_later(self, nudge: Nudge, delay: timedelta) -> None:
        if self.error is not None:
            raise self.error
        self.later.append((nudge, delay))


@dataclass
class FakeSeal:
    """Does not encrypt, but checks the context like the real seal."""

    error: EvercertError | None = None

    def close(self, private_key: PrivateKey, uid: str, revision: int) -> str:
        if self.error is not None:
            raise self.error
        der = private_key.der()
        return f"{self._mark(der, uid, revision)}:{base64.b64encode(der).decode()}"

    def open(self, sealed: str, uid: str, revision: int) -> PrivateKey:
        if self.error is not None:
            raise self.error
        try:
            mark, _, text = sealed.partition(":")
            der = base64.b64decode(text, validate=True)
            if mark != self._mark(der, uid, revision):
                raise ValueError("changed")
            return PrivateKey.from_der(der)
        except ValueError as error:
            raise SealBroken("does not open") from error

    @staticmethod
    def _mark(der: bytes, uid: str, revision: int) -> str:
        return hashlib.sha256(der + uid.encode() + str(revision).encode()).hexdigest()


@dataclass
class FakeIssuers:
    """Issuers by name."""

    known: dict[str, OpenIssuer] = field(default_factory=dict)
    error: EvercertError | None = None

    def open(self, name: str, certificate: str | None = None) -> OpenIssuer:
        if self.error is not None:
            raise self.error
        if name not in self.known:
            raise Misconfigured(f"issuer {name!r} is not defined")
        return replace(self.known[name], name=name)


class Asked(SelfSigned):
    """Self-signed issuer with a set of revoked serial numbers."""

    gone: set[str] = set()

    def status(self, wanted: Spec, facts: Facts) -> Status:
        return "revoked" if facts.serial_number in self.gone else "good"


@dataclass
class FakeDestination:
    """Stores the last bundle; raises each of `errors` once."""

    name: str
    bundle: Bundle | None = None
    deliveries: int = 0
    errors: list[Exception] = field(default_factory=list)
    refuses: EvercertError | None = None
    drift: Drift | None = None

    @property
    def service(self) -> str:
        return f"fake {self.name}"

    def check(self, spec: Spec) -> None:
        if self.refuses is not None:
            raise self.refuses

    def examine(self, here: Delivery) -> Drift | None:
        if self.errors:
            raise self.errors.pop(0)
        drift, self.drift = self.drift, None
        return drift

    def deliver(self, bundle: Bundle, here: Delivery) -> Delivered:
        if self.errors:
            raise self.errors.pop(0)
        if self.bundle is None or self.bundle.chain != bundle.chain:
            self.bundle = bundle
            self.deliveries += 1
        return Delivered(f"fake:{self.name}", bundle.chain.fingerprint_sha256[:8])


@dataclass
class FakeDestinations:
    """One fake destination for each `to` of a spec."""

    known: dict[str, FakeDestination] = field(default_factory=dict)

    def open(self, component: Component, certificate: str) -> FakeDestination:
        if component.type != "fake":
            raise Misconfigured(f"there is no destination type {component.type!r}")
        name = component.settings["to"]
        return self.known.setdefault(name, FakeDestination(name))


@dataclass
class FakeAnnouncer:
    """Stores announced outcomes."""

    announced: list[Outcome] = field(default_factory=list)
    error: EvercertError | None = None

    def announce(self, outcome: Outcome) -> None:
        if self.error is not None:
            raise self.error
        self.announced.append(outcome)


@dataclass
class FakePace:
    """Hands out one slot per second; `unused` are those that were given back."""

    taken: dict[str, list[datetime]] = field(default_factory=dict)
    unused: dict[str, list[datetime]] = field(default_factory=dict)

    def take(self, service: str, now: datetime) -> RateSlot:
        before = self.taken.setdefault(service, [])
        at = max([now, *(turn + timedelta(seconds=1) for turn in before[-1:] if turn <= now + timedelta(hours=6))])
        before.append(at)
        return RateSlot(at, self.used(service, now))

    def give_back(self, service: str, at: datetime) -> None:
        if self.used(service, at) > 0:
            self.unused.setdefault(service, []).append(at)

    def used(self, service: str, now: datetime) -> int:
        """Return the writes of the last 365 days."""
        taken, unused = (
            sum(turn > now - timedelta(days=365) for turn in turns.get(service, []))
            for turns in (self.taken, self.unused)
        )
        return taken - unused


@dataclass
class FakeBreakers:
    """Breakers in a dictionary."""

    known: dict[str, BreakerState] = field(default_factory=dict)
    next_free: dict[str, datetime] = field(default_factory=dict)

    def read(self, service: str, *, latest: bool = False) -> BreakerState:
        return self.known.get(service, BreakerState(service))

    def open(self, state: BreakerState, failures: int, until: datetime) -> bool:
        if self.read(state.service).open_until != state.open_until:
            return False
        self.known[state.service] = replace(self.read(state.service), failures=failures, open_until=until)
        return True

    def close(self, state: BreakerState) -> None:
        if self.read(state.service).open_until == state.open_until:
            self.known[state.service] = replace(self.read(state.service), failures=0, open_until=None)
            if self.known[state.service] == BreakerState(state.service):
                del self.known[state.service]

    def slow_down(self, state: BreakerState, apart: timedelta, until: datetime) -> bool:
        stored, day = self.read(state.service), timedelta(days=1)
        if stored.slow_until is not None and (state.slow_until or until - day) < stored.slow_until <= until + day:
            return False
        self.known[state.service] = replace(stored, apart=apart, slow_until=until)
        return True

    def take_turn(self, state: BreakerState, now: datetime, within: timedelta) -> datetime | None:
        free = self.next_free.get(state.service, now)
        turn = now if free > now + timedelta(minutes=10) else max(free, now)
        if turn > now + within:
            return None
        self.next_free[state.service] = turn + state.apart
        return turn


class FakeProber:
    """A validator that reports what the test says."""

    def __init__(self) -> None:
        self.targets: list[ProbeTarget] = []
        self.answers: tuple[ProbeAnswer, ...] = (ProbeAnswer(address="192.0.2.7", problem="refused"),)
        self.error: Exception | None = None

    def probe(self, target: ProbeTarget) -> ProbeReport:
        self.targets.append(target)
        if self.error is not None:
            raise self.error
        return ProbeReport(answers=self.answers)


class FakeConsumers:
    """Acknowledgements in a dictionary."""

    def __init__(self) -> None:
        self.known: dict[tuple[str, str], Acknowledgement] = {}
        self.error: Exception | None = None

    def acknowledge(self, loaded: Acknowledgement) -> AcknowledgementRefusal | None:
        stored = self.known.get((loaded.certificate, loaded.consumer))
        if stored is not None and stored.uid == loaded.uid and stored.revision > loaded.revision:
            return AcknowledgementRefusal("a newer revision")
        self.known[loaded.certificate, loaded.consumer] = loaded
        return None

    def of(self, certificate: str) -> ConsumerList:
        if self.error is not None:
            raise self.error
        found = [one for (name, _), one in sorted(self.known.items()) if name == certificate]
        return ConsumerList(known=tuple(found[:MOST_CONSUMERS]), more=len(found) > MOST_CONSUMERS)


class Bench:
    """The issuance use case on fakes."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.table = FakeTable()
        self.revisions = FakeRevisions(self.table.items)
        self.queue = FakeQueue()
        self.seal = FakeSeal()
        self.issuers = FakeIssuers()
        self.destinations = FakeDestinations()
        self.announcer = FakeAnnouncer()
        self.rate_limiter = FakePace()
        self.breakers = FakeBreakers()
        self.prober = FakeProber()
        self.consumers = FakeConsumers()
        self.deadline = Deadline(self.clock)
        self.ports = Ports(
            records=self.table,
            revisions=self.revisions,
            queue=self.queue,
            seal=self.seal,
            issuers=self.issuers,
            destinations=self.destinations,
            announcer=self.announcer,
            rate_limiter=self.rate_limiter,
            breakers=self.breakers,
            clock=self.clock,
            sleep=lambda span: self.clock.advance(seconds=span.total_seconds()),
            deadline=self.deadline,
            prober=self.prober,
            consumers=self.consumers,
        )
        self.issuance = Issuance(self.ports, LEASE)

    def want(self, spec: Spec) -> Record:
        record = Record(name=spec.name, uid="8a4e1c9e-6a5e-4b6e-9a53-0d7a3c1f2b44", spec=spec, generation=1)
        self.table.write([Change(record, None)], self.clock())
        return record

    def edit(self, spec: Spec) -> None:
        seen = self.record(spec.name)
        changed = seen.model_copy(update={"spec": spec, "generation": seen.generation + 1})
        self.table.write([Change(changed, seen)], self.clock())

    def record(self, name: str = "web") -> Record:
        found = self.table.record(name)
        assert isinstance(found, Record), found
        return found

    def run(self, name: str = "web") -> str:
        return self.issuance.run(name).outcome


def spec(name: str = "web", *, to: tuple[str, ...] = ("here",), **changes: Any) -> Spec:
    """Return a small spec for fakes; `changes` are top-level keys of the document."""
    document: dict[str, Any] = {
        "name": name,
        **({} if "issuers" in changes else {"issuer": "main"}),
        "attributes": {"common-name": "www.example.com", "ttl": "90d"},
        "destinations": [{"type": "fake", "to": target} for target in to],
    }
    return Spec.model_validate({**document, **changes})
