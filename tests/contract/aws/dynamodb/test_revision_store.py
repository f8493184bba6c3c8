"""Contract of the store of kept revisions: DynamoDB and the fake."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from evercert.aws.dynamodb import items
from evercert.aws.dynamodb.revision_store import SORT, DynamoDBRevisions
from evercert.aws.dynamodb.spec_store import DynamoDBSpecs
from evercert.contracts.record import Record
from evercert.contracts.revisions import KeptRevision, KeptRevisions, RevisionStore
from evercert.pki.certificate import Chain
from tests.doubles.fakes import START, spec
from tests.doubles.item_size import LIMIT
from tests.doubles.revisions import FakeRevisions
from tests.doubles.strict_dynamodb import SizedDynamoDB
from tests.samples.certificates import certificate
from tests.samples.certificates import pem as pem_of

UID, OTHER = "8a4e1c9e-6a5e-4b6e-9a53-0d7a3c1f2b44", "11111111-6a5e-4b6e-9a53-0d7a3c1f2b44"


@dataclass
class Stored:
    """A store beside a record, with direct access to their items."""

    revisions: RevisionStore
    delete: Callable[[str, str], None]
    item: Callable[[], dict[str, Any] | None]
    put: Callable[[dict[str, Any]], None]

    def keep(self, *kept: KeptRevision, uid: str = UID) -> bool:
        self.put(record(uid))
        return self.revisions.write("web", uid, self.revisions.read("web", uid), kept)

    def numbers(self, uid: str = UID) -> list[int]:
        return [kept.revision for kept in self.revisions.read("web", uid).revisions]


@pytest.fixture(params=["fake", "dynamodb"])
def stored(request: pytest.FixtureRequest) -> Stored:
    if request.param == "fake":
        fake = FakeRevisions({})
        put = lambda item: fake.items.__setitem__((item["pk"]["S"], item["sk"]["S"]), item)  # noqa: E731
        return Stored(fake, fake.delete, lambda: fake.items.get((items.pk("web"), SORT)), put)
    world = request.getfixturevalue("world")
    client = SizedDynamoDB(world.operator.dynamodb)
    store = DynamoDBRevisions(client, world.table)

    def item() -> dict[str, Any] | None:
        return client.get_item(TableName=world.table, Key=items.key("web", SORT), ConsistentRead=True).get("Item")

    specs = DynamoDBSpecs(client, world.table, world.issuers_table)

    def delete(name: str, uid: str) -> None:
        specs.forget(Record(name=name, uid=uid, spec=spec(name), generation=1))

    return Stored(store, delete, item, lambda made: client.put_item(TableName=world.table, Item=made))


def record(uid: str) -> dict[str, Any]:
    return items.new_record(Record(name="web", uid=uid, spec=spec("web"), generation=1), START)


def kept(revision: int, **values: Any) -> KeptRevision:
    given = {
        "revision": revision, "origin": revision, "generation": 1, "issuer": "main", "request_hash": "r",
        "issuer_hash": "i", "sealed_key": f"sealed {revision}", "csr": "csr", "chain": CHAINS[revision - 1],
        "obtained_at": START, "reference": f"id {revision}",
    }  # fmt: skip
    return KeptRevision.model_validate(given | values)


CHAINS = [pem_of(certificate(lasts=timedelta(days=days))).decode() for days in (30, 60, 90)]


def test_revisions_are_read_as_written_latest_first(stored: Stored) -> None:
    assert stored.revisions.read("web", UID) == KeptRevisions()
    assert stored.keep(kept(1), kept(2, sealed_key=None, csr=None, reference=None, obtained_at=None))
    found = stored.revisions.read("web", UID).revisions
    assert found == (kept(2, sealed_key=None, csr=None, reference=None, obtained_at=None), kept(1))


def test_write_replaces_all_revisions(stored: Stored) -> None:
    stored.keep(kept(1), kept(2))
    stored.keep(kept(3), kept(2))
    assert stored.numbers() == [3, 2]
    assert "sealed 1" not in str(stored.item())


def test_write_fails_if_another_came_first(stored: Stored) -> None:
    stored.put(record(UID))
    seen = stored.revisions.read("web", UID)
    assert stored.keep(kept(1))
    assert not stored.revisions.write("web", UID, seen, (kept(2),))
    seen = stored.revisions.read("web", UID)
    stored.delete("web", UID)
    assert not stored.revisions.write("web", UID, seen, (kept(2),))
    assert stored.numbers() == []


@pytest.mark.parametrize("uid", [None, OTHER], ids=["deleted", "created-again"])
def test_write_fails_without_the_record(stored: Stored, uid: str | None) -> None:
    """A run that ends after a deletion leaves no sealed key."""
    if uid is not None:
        stored.put(record(uid))
    assert not stored.revisions.write("web", UID, KeptRevisions(), (kept(1),))
    assert stored.item() is None


def test_item_expires_with_its_last_certificate(stored: Stored) -> None:
    stored.keep(kept(2), kept(3), kept(1))
    item = stored.item()
    assert item is not None
    assert item["expires_at"] == {"N": str(int(Chain.from_pem(CHAINS[2]).ends.timestamp()))}


def test_other_certificate_of_the_name_starts_without_revisions(stored: Stored) -> None:
    stored.keep(kept(1))
    assert stored.numbers(OTHER) == []
    assert stored.keep(kept(2), uid=OTHER)
    assert (stored.numbers(OTHER), stored.numbers()) == ([2], [])


def test_delete_leaves_the_revisions_of_another_certificate(stored: Stored) -> None:
    stored.keep(kept(1), uid=OTHER)
    stored.delete("web", UID)
    assert stored.numbers(OTHER) == [1]
    stored.delete("web", OTHER)
    stored.delete("web", OTHER)
    assert stored.item() is None


def test_write_without_room_changes_nothing(stored: Stored) -> None:
    stored.keep(kept(1))
    before = stored.item()
    assert not stored.keep(kept(2, csr="x" * LIMIT))
    assert stored.item() == before


@pytest.mark.parametrize(
    "change",
    [
        {"revisions": {"S": "?"}}, {"revisions": {"L": [{"S": "?"}, {"M": {"revision": {"N": "1"}}}]}},
        {"version": {"S": "x"}}, {"version": {"NULL": True}}, {"version": {"N": "9E+100"}}, {"uid": {"N": "1"}}, {"schema": {"S": "1"}},
    ],
    ids=["text", "parts", "version", "null", "large", "uid", "schema"],
)  # fmt: skip
def test_manual_edit_is_replaced_by_the_next_write(stored: Stored, change: dict[str, Any]) -> None:
    stored.keep(kept(1))
    stored.put({**(stored.item() or {}), **change})
    assert set(stored.numbers()) <= {1}
    assert stored.keep(kept(2))
    assert stored.numbers() == [2]


def test_newer_item_is_recognized(stored: Stored) -> None:
    stored.keep(kept(1))
    stored.put({**(stored.item() or {}), "schema": {"N": "2"}})
    assert stored.revisions.read("web", UID) == KeptRevisions(newer=True)
