"""The restore drill: a point-in-time copy of the table, partly older than the rest; operation continues."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from evercert.aws.dynamodb import items
from evercert.aws.dynamodb.sweep import DynamoDBPages
from evercert.contracts.record import Claim, Record
from evercert.contracts.spec_store import Change
from evercert.documents.spec import Component, Spec
from evercert.scheduling.sweeper import Swept, sweep
from tests.doubles.fakes import LEASE
from tests.doubles.scripted_ca import ScriptedCA, ScriptedIssuer
from tests.doubles.world import World, assert_pair

Item = dict[str, Any]
SELF_SIGNED = {"type": "self-signed"}


class Fleet:
    """One certificate in every state, and the table at different times."""

    def __init__(self, world: World, ca: ScriptedCA, silent: ScriptedCA, addresses: tuple[str, str]) -> None:
        self.world, self.ca, self.silent = world, ca, silent
        self.mark = world.table[-8:]
        self.older: dict[str, Item] = {}  # records from before the point in time
        self.lost: list[tuple[str, str]] = []  # outcomes written after it
        for name, address in zip(("ca", "silent"), addresses, strict=True):
            world.specs.write_issuer(name, Component.model_validate({"type": "scripted", "address": address}))
        world.specs.write_issuer("self", Component.model_validate(SELF_SIGNED))

    def name(self, what: str) -> str:
        return f"{what}-{self.mark}"

    def want(self, what: str, issuer: str, *more: dict[str, Any]) -> str:
        name = self.name(what)
        spec = Spec.model_validate(
            {
                "name": name,
                "issuer": issuer,
                "attributes": {"common-name": "www.example.com", "ttl": "30d"},
                "destinations": [{"type": "secrets-manager"}, *more],
            }
        )
        record = Record(name=name, uid=str(uuid.uuid4()), spec=spec, generation=1)
        self.world.specs.write([Change(record, None)], self.world.clock())
        return name

    def run(self, name: str) -> str:
        return self.world.issuance.run(name).outcome

    def renew(self, name: str) -> None:
        self.world.clock.advance(minutes=1)
        self.world.specs.request(name, self.world.clock())
        assert self.run(name) == "certificate.renewed"

    def item(self, name: str) -> Item:
        found = self.world.operator.dynamodb.get_item(
            TableName=self.world.table, Key=items.key(name), ConsistentRead=True
        )
        return dict(found["Item"])

    def outcomes(self, name: str) -> set[tuple[str, str]]:
        return {
            (item["pk"]["S"], item["sk"]["S"])
            for item in self.world.items()
            if item["pk"]["S"] == items.pk(name) and item["sk"]["S"] != items.SK
        }

    # -- the states -----------------------------------------------------------------------------------------------
    def expired(self) -> None:
        """An expired certificate: its issuer stopped answering; all warnings were sent."""
        name = self.want("expired", "silent")
        assert self.run(name) == "certificate.issued"
        self.silent.script = ["unavailable"] * 1_000
        self.world.settle(lambda: self.world.record(name).warned == 3, most=400)
        assert self.world.clock() >= self.world.record(name).facts.not_after

    def ready(self) -> None:
        assert self.run(self.want("ready", "self")) == "certificate.issued"

    def pending(self) -> None:
        """A pending certificate: the CA returned a handle."""
        self.ca.script = ["pending"]
        assert self.run(self.want("pending", "ca")) == "pending"

    def undelivered(self) -> None:
        """An undelivered certificate: one of its two secrets is foreign."""
        theirs = f"evercert/certificates/theirs-{self.mark}"
        self.world.operator.secretsmanager.create_secret(Name=theirs, SecretString="theirs")
        name = self.want("undelivered", "self", {"type": "secrets-manager", "secret": theirs})
        assert self.run(name) == "certificate.issued"
        assert self.world.record(name).state == "undelivered"

    def failing(self) -> None:
        """A certificate whose issuer is not defined."""
        name = self.want("failing", "undefined")
        assert self.run(name) == "certificate.failed"

    def stopped(self) -> None:
        """A certificate that the CA rejected."""
        self.ca.script = ["reject"]
        name = self.want("stopped", "ca")
        assert self.run(name) == "certificate.failed"
        assert self.world.record(name).state == "stopped"

    def claimed(self) -> None:
        """A certificate whose run was killed with a pending revision."""
        name = self.want("claimed", "ca")
        claim = Claim(id=str(uuid.uuid4()), until=self.world.clock() + LEASE)
        self.world.ports.records.claim(name, claim, self.world.clock())

    def unreadable(self) -> None:
        name = self.want("unreadable", "self")
        self.world.operator.dynamodb.update_item(
            TableName=self.world.table,
            Key=items.key(name),
            UpdateExpression="SET spec = :broken",
            ExpressionAttributeValues={":broken": {"S": "{"}},
        )

    def older_than_its_outcomes(self) -> None:
        name = self.want("older-than-outcomes", "ca")
        assert self.run(name) == "certificate.issued"
        self.older[name] = self.item(name)
        self.renew(name)
        self.renew(name)

    def older_than_its_secret(self, issuer: str) -> None:
        """A certificate with revision 2 in the record and revision 3 in the secret."""
        name = self.want(f"older-than-secret-{issuer}", issuer)
        assert self.run(name) == "certificate.issued"
        self.renew(name)
        self.older[name], before = self.item(name), self.outcomes(name)
        self.renew(name)
        self.lost += self.outcomes(name) - before

    # -- the restore ----------------------------------------------------------------------------------------------
    def restore(self) -> str:
        """Copy the table, with indexes and expiry times, as AWS does."""
        copy = self.world._table("CertificatesTable", f"restored-{self.mark}")
        for item in self.world.items():
            key = item["pk"]["S"], item["sk"]["S"]
            if key in self.lost:
                continue
            name = key[0].removeprefix("certificate#")
            whole = self.older.get(name, item) if key[1] == items.SK else item
            self.world.operator.dynamodb.put_item(TableName=copy, Item=self._as_then(name, key[1], whole))
        return copy

    def _as_then(self, name: str, sort: str, item: Item) -> Item:
        """Add interrupted work: one unpublished event, two records without due time."""
        if name == self.name("ready") and sort != items.SK:
            due = {key: items.attribute(value) for key, value in items.due(name, self.world.clock()).items()}
            gone = {"published_at", "expires_at"}
            return {**{key: value for key, value in item.items() if key not in gone}, **due}
        if name in {self.name("ready"), self.name("pending")}:
            return {key: value for key, value in item.items() if key not in {"due_at", "due_shard"}}
        return item


@pytest.fixture
def fleet(shared_world: World) -> Iterator[Fleet]:
    world = shared_world
    world.fresh()
    ca, silent = ScriptedCA(), ScriptedCA()
    with ca.served() as one, silent.served() as other:
        ScriptedIssuer.transport = world.switch.transport()
        yield Fleet(world, ca, silent, (one, other))
        ScriptedIssuer.transport = None


def swept(world: World) -> Swept:
    pages = DynamoDBPages(world.clients.dynamodb, world.table)
    return sweep(pages, clock=world.clock, stop_at=world.clock() + timedelta(minutes=1))


def all_ready(world: World, names: list[str]) -> Callable[[], bool]:
    return lambda: all(world.settled(name) for name in names)


def delivers(world: World, name: str) -> bool:
    """Whether the secret holds the certificate of the record."""
    current = world.versions(f"evercert/certificates/{name}")["AWSCURRENT"]
    return bool(current["serial_number"] == world.record(name).facts.serial_number)


@pytest.mark.timeout(240)
def test_operation_continues_after_restore(fleet: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    world = fleet.world
    fleet.expired()  # first: it takes a month
    fleet.ready()
    fleet.pending()
    fleet.undelivered()
    fleet.failing()
    fleet.stopped()
    fleet.older_than_its_outcomes()
    fleet.older_than_its_secret("ca")
    fleet.older_than_its_secret("self")
    fleet.claimed()
    fleet.unreadable()
    world.events()

    world.move_to(fleet.restore())
    world.clock.advance(minutes=30)
    restored_at = world.clock()
    assert swept(world).repaired == 2
    fleet.silent.script = []  # the issuer answers again
    world.specs.write_issuer("undefined", Component.model_validate(SELF_SIGNED))
    world.operator.secretsmanager.delete_secret(
        SecretId=f"evercert/certificates/theirs-{fleet.mark}", ForceDeleteWithoutRecovery=True
    )
    broken = fleet.name("unreadable")
    names = [
        item["name"]["S"] for item in world.items() if item["sk"]["S"] == items.SK and item["pk"]["S"] != items.pk(broken)
        and item["pk"]["S"].startswith("certificate#")
    ]  # fmt: skip
    begun = world.clock()
    ready, older = all_ready(world, names), [name for name in names if name.startswith("older-than-secret")]
    # The status check that finds a newer secret may come after the last retry of another certificate.
    world.settle(lambda: ready() and all(delivers(world, name) for name in older), most=300)
    assert world.clock() - begun < timedelta(days=2)

    for name in names:
        record = world.record(name)
        assert (record.state, record.claim, record.pending) == ("ready", None, None), name
        versions = world.versions(f"evercert/certificates/{name}")
        for value in versions.values():
            assert_pair(value)
        assert delivers(world, name), name
        assert record.due_at is not None, name
    received = {event["id"] for event in world.events()}
    history = [outcome for name in [*names, broken] for outcome in world.specs.history(name)]
    since = {outcome.event_id for outcome in history if outcome.at >= restored_at}
    assert received == since | spoken_of(world, fleet.name("ready"))  # the latter came from the outbox
    assert [outcome.type for outcome in world.specs.history(broken)] == ["spec.rejected"]
    assert {item["sk"]["S"] for item in world.items() if item["pk"]["S"] == items.pk(broken)} > {items.SK}
    once = ("pending", "claimed", "failing", "ready")
    assert {what: world.record(fleet.name(what)).revision for what in once} == dict.fromkeys(once, 1)  # P2
    with capsys.disabled():
        print(f"\nrestore drill: {len(names) + 1} certificates in every state, {len(received)} events, all ready again")


def spoken_of(world: World, name: str) -> set[str]:
    return {outcome.event_id for outcome in world.specs.history(name)}


def test_repeated_revision_number_is_another_certificate(fleet: Fleet) -> None:
    """The CA and the secret already know the next revision number of a restored record."""
    world = fleet.world
    for issuer in ("ca", "self"):
        fleet.older_than_its_secret(issuer)
    lost = {issuer: world.versions(secret(fleet, issuer))["AWSCURRENT"] for issuer in ("ca", "self")}
    world.move_to(fleet.restore())
    for issuer in ("ca", "self"):
        name = fleet.name(f"older-than-secret-{issuer}")
        assert world.record(name).revision == 2
        fleet.renew(name)
        record = world.record(name)
        assert record.revision == 3
        current = world.versions(secret(fleet, issuer))["AWSCURRENT"]
        assert_pair(current)
        assert current["serial_number"] == record.facts.serial_number != lost[issuer]["serial_number"]
        assert current["private_key"] != lost[issuer]["private_key"]


def test_restored_record_overwrites_no_outcome(fleet: Fleet) -> None:
    world = fleet.world
    fleet.older_than_its_outcomes()
    name = fleet.name("older-than-outcomes")
    before = world.specs.history(name)
    world.move_to(fleet.restore())
    world.clock.advance(minutes=5)
    fleet.renew(name)
    assert world.specs.history(name)[: len(before)] == before
    assert [outcome.type for outcome in world.specs.history(name)[len(before) :]] == ["certificate.renewed"]


def secret(fleet: Fleet, issuer: str) -> str:
    return f"evercert/certificates/{fleet.name(f'older-than-secret-{issuer}')}"
