"""Contract of the reader beside an issuer: it reads in one call what the stores read on their own."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from evercert.aws.dynamodb import items
from evercert.aws.dynamodb.beside_reader import DynamoDBBesideReader
from evercert.aws.dynamodb.circuit_breakers import DynamoDBBreakers
from evercert.aws.dynamodb.issuer_loader import DynamoDBIssuers
from evercert.aws.dynamodb.record_store import DynamoDBRecordStore
from evercert.aws.dynamodb.revision_store import DynamoDBRevisions
from evercert.contracts.ports import BreakerState
from evercert.contracts.read_beside import FoundBeside, Needs
from evercert.contracts.record import Claim, Record
from evercert.contracts.revisions import KeptRevision, KeptRevisions, RevisionsToKeep
from evercert.documents.spec import Component
from evercert.errors import Unavailable
from evercert.issuers import ISSUERS
from tests.doubles.fakes import LEASE, START, spec
from tests.doubles.world import World
from tests.samples.certificates import certificate
from tests.samples.certificates import pem as pem_of
from tests.samples.outcomes import outcome

SERVICES = ("acm", "secretsmanager eu-central-1")
CHAIN = pem_of(certificate(lasts=timedelta(days=30))).decode()
UID = "8a4e1c9e-6a5e-4b6e-9a53-0d7a3c1f2b44"


class Batches:
    """Client that records its batches, and changes their answers."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.requests: list[dict[str, Any]] = []
        self.left_out: set[str] = set()
        self.without: set[str] = set()

    def batch_get_item(self, *, RequestItems: dict[str, Any]) -> Any:
        self.requests.append(RequestItems)
        answer = self._client.batch_get_item(RequestItems=RequestItems)
        answer["UnprocessedKeys"] = {table: RequestItems[table] for table in self.left_out}
        answer["Responses"] = {
            table: found for table, found in answer["Responses"].items() if table not in self.without
        }
        return answer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


@pytest.fixture
def client(world: World) -> Batches:
    world.specs.write_issuer("main", Component(type="self-signed"))
    return Batches(world.operator.dynamodb)


@pytest.fixture
def issuers(world: World, client: Batches) -> DynamoDBIssuers:
    beside = DynamoDBBesideReader(client, world.table)  # type: ignore[arg-type]
    return DynamoDBIssuers(client, world.issuers_table, ISSUERS, lambda: None, world.clock, beside=beside)  # type: ignore[arg-type]


def keep(world: World, name: str, uid: str) -> KeptRevisions:
    """Store one kept revision by the conclusion of a run."""
    client = world.operator.dynamodb
    client.put_item(
        TableName=world.table, Item=items.new_record(Record(name=name, uid=uid, spec=spec(name), generation=1), START)
    )
    records, revisions = DynamoDBRecordStore(client, world.table), DynamoDBRevisions(client, world.table)
    claimed = records.claim(name, Claim(id="mine", until=START + LEASE), START)
    assert isinstance(claimed, tuple)
    one = KeptRevision(
        revision=1,
        origin=1,
        generation=1,
        issuer="main",
        request_hash="r",
        issuer_hash="i",
        chain=CHAIN,
        sealed_key="s",
    )
    to_keep = RevisionsToKeep(uid, revisions.read(name, uid), (one,))
    records.conclude(claimed[0], {"state": "ready"}, START, outcome(name=name, uid=uid), kept=to_keep)
    return revisions.read(name, uid)


def test_everything_is_read_in_one_call(world: World, client: Batches, issuers: DynamoDBIssuers) -> None:
    kept = keep(world, "web", UID)
    keep(world, "mail", UID)
    breakers = DynamoDBBreakers(world.operator.dynamodb, world.table)
    breakers.open(BreakerState("acm"), 2, START + timedelta(minutes=5))
    opened, found = issuers.open_beside("main", "web", Needs(SERVICES, ("web", UID)))
    assert opened.name == "main" and len(client.requests) == 1
    assert kept.revisions and kept.version == 1
    assert found == FoundBeside({service: breakers.read(service) for service in SERVICES}, kept)
    assert found.breakers["acm"].failures == 2


def test_revisions_of_another_uid_do_not_count(world: World, issuers: DynamoDBIssuers) -> None:
    kept = keep(world, "web", UID)
    _, found = issuers.open_beside("main", "web", Needs((), ("web", "11111111" + UID[8:])))
    assert found == FoundBeside({}, KeptRevisions((), kept.version))


def test_certificate_without_kept_revisions_has_none(issuers: DynamoDBIssuers) -> None:
    assert issuers.open_beside("main", "web", Needs((), ("web", UID)))[1] == FoundBeside({}, KeptRevisions())


def test_only_what_is_needed_is_read(world: World, client: Batches, issuers: DynamoDBIssuers) -> None:
    for needs in (Needs(), Needs(SERVICES), Needs(SERVICES, ("web", UID))):
        found = issuers.open_beside("main", "web", needs)[1]
        assert (len(found.breakers), found.revisions is None) == (len(needs.services), needs.revisions_of is None)
    asked = [request.get(world.table, {}) for request in client.requests]
    assert [len(one.get("Keys", [])) for one in asked] == [0, 2, 3]
    assert [one.get("ConsistentRead") for one in asked] == [None, None, True]  # sealed keys and their version


@pytest.mark.parametrize("how", ["left_out", "without"])
def test_nothing_counts_if_dynamodb_left_keys_out(
    world: World, client: Batches, issuers: DynamoDBIssuers, how: str
) -> None:
    keep(world, "web", UID)
    setattr(client, how, {world.table})
    assert issuers.open_beside("main", "web", Needs(SERVICES, ("web", UID)))[1] == FoundBeside()


def test_busy_issuers_table_is_unavailable(world: World, client: Batches, issuers: DynamoDBIssuers) -> None:
    client.left_out = {world.issuers_table}
    with pytest.raises(Unavailable, match="is busy"):
        issuers.open_beside("main", "web", Needs(SERVICES))
