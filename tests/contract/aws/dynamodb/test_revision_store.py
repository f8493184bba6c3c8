"""Contract of the store of kept revisions: DynamoDB and the fake."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from evercert.aws.dynamodb import items
from evercert.aws.dynamodb.attribute_values import LARGEST_TEXT, compressed
from evercert.aws.dynamodb.record_store import DynamoDBRecordStore
from evercert.aws.dynamodb.revision_store import KEPT_SCHEMA, SORT, DynamoDBRevisions
from evercert.aws.dynamodb.spec_store import DynamoDBSpecs
from evercert.canonical_json import canonical_json
from evercert.contracts.ports import ClaimedRecord, RecordStore
from evercert.contracts.record import Claim, Record
from evercert.contracts.revisions import (
    KeptRevision,
    KeptRevisions,
    RevisionsNotKept,
    RevisionsToKeep,
    RevisionStore,
)
from evercert.contracts.spec_store import Specs
from evercert.errors import ClaimLost
from evercert.pki.certificate import Chain
from tests.doubles.fakes import LEASE, START, FakeTable, spec
from tests.doubles.item_size import LIMIT, size
from tests.doubles.revisions import FakeRevisions
from tests.doubles.strict_dynamodb import SizedDynamoDB
from tests.samples.certificates import certificate
from tests.samples.certificates import pem as pem_of
from tests.samples.outcomes import outcome

UID, OTHER = "8a4e1c9e-6a5e-4b6e-9a53-0d7a3c1f2b44", "11111111-6a5e-4b6e-9a53-0d7a3c1f2b44"


@dataclass
class Stored:
    """Records and kept revisions of one table, with direct access to the items."""

    records: RecordStore
    revisions: RevisionStore
    specs: Specs
    item: Callable[[str], dict[str, Any] | None]
    put: Callable[[dict[str, Any]], None]

    def claim(self, uid: str = UID) -> ClaimedRecord:
        self.put(record(uid))
        claimed = self.records.claim("web", Claim(id="mine", until=START + LEASE), START)
        assert isinstance(claimed, tuple)
        return claimed[0]

    def conclude(self, held: ClaimedRecord, seen: KeptRevisions, *kept: KeptRevision, uid: str = UID) -> bool:
        """Conclude a run; return whether it was refused because of what it keeps."""
        to_keep = RevisionsToKeep(uid, seen, kept)
        try:
            self.records.conclude(held, {"state": "ready"}, START, outcome(name="web", uid=uid), kept=to_keep)
        except RevisionsNotKept:
            return False
        return True

    def keep(self, *kept: KeptRevision, uid: str = UID) -> bool:
        return self.conclude(self.claim(uid), self.revisions.read("web", uid), *kept, uid=uid)

    def numbers(self, uid: str = UID) -> list[int]:
        return [kept.revision for kept in self.revisions.read("web", uid).revisions]


@pytest.fixture(params=["fake", "dynamodb"])
def stored(request: pytest.FixtureRequest) -> Stored:
    if request.param == "fake":
        fake = FakeTable()
        put = lambda item: fake.items.__setitem__((item["pk"]["S"], item["sk"]["S"]), item)  # noqa: E731
        find = lambda sort: fake.items.get((items.pk("web"), sort))  # noqa: E731
        return Stored(fake, FakeRevisions(fake.items), fake, find, put)
    world = request.getfixturevalue("world")
    client = SizedDynamoDB(world.operator.dynamodb)
    specs = DynamoDBSpecs(client, world.table, world.issuers_table)

    def item(sort: str) -> dict[str, Any] | None:
        return client.get_item(TableName=world.table, Key=items.key("web", sort), ConsistentRead=True).get("Item")

    put = lambda made: client.put_item(TableName=world.table, Item=made)  # noqa: E731
    records, revisions = DynamoDBRecordStore(client, world.table), DynamoDBRevisions(client, world.table)
    return Stored(records, revisions, specs, item, put)


def named(uid: str) -> Record:
    return Record(name="web", uid=uid, spec=spec("web"), generation=1)


def record(uid: str) -> dict[str, Any]:
    return items.new_record(named(uid), START)


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


def test_conclusion_fails_if_an_operator_came_first(stored: Stored) -> None:
    seen = stored.revisions.read("web", UID)
    assert stored.keep(kept(1))
    held = stored.claim()
    assert not stored.conclude(held, seen, kept(2))
    seen = stored.revisions.read("web", UID)
    stored.specs.forget(named(UID))
    claimed = stored.item("record")
    assert not stored.conclude(held, seen, kept(2))
    assert stored.item("record") == claimed
    assert stored.numbers() == []


def test_conclusion_with_a_change_meanwhile_keeps_all(stored: Stored) -> None:
    """The record is due at once, and what was delivered can be restored."""
    held = stored.claim()
    stored.put({**(stored.item("record") or {}), "generation": {"N": "2"}})
    assert stored.conclude(held, KeptRevisions(), kept(1))
    assert stored.numbers() == [1]


def test_conclusion_keeps_nothing_that_the_spec_now_forbids(stored: Stored) -> None:
    """The edit found nothing to delete, so no command would delete the sealed key."""
    held = stored.claim()
    found = stored.item("record") or {}
    document = json.loads(found["spec"]["S"])
    document.setdefault("lifecycle", {})["keep-revisions"] = 0
    stored.put({**found, "spec": {"S": canonical_json(document)}, "generation": {"N": "2"}})
    assert stored.conclude(held, KeptRevisions(), kept(1))
    assert stored.item(SORT) is None
    assert (stored.item("record") or {})["state"] == {"S": "ready"}


@pytest.mark.parametrize("uid", [None, OTHER], ids=["deleted", "created-again"])
def test_run_without_its_record_keeps_nothing(stored: Stored, uid: str | None) -> None:
    """A run that ends after a deletion leaves no sealed key."""
    held = stored.claim()
    stored.specs.remove(named(UID))
    if uid is not None:
        stored.put(record(uid))
    with pytest.raises(ClaimLost):
        stored.conclude(held, KeptRevisions(), kept(1))
    assert stored.item(SORT) is None


def test_item_expires_with_its_last_certificate(stored: Stored) -> None:
    stored.keep(kept(2), kept(3), kept(1))
    item = stored.item(SORT)
    assert item is not None
    assert item["expires_at"] == {"N": str(int(Chain.from_pem(CHAINS[2]).ends.timestamp()))}


def test_other_certificate_of_the_name_starts_without_revisions(stored: Stored) -> None:
    stored.keep(kept(1))
    assert stored.numbers(OTHER) == []
    assert stored.keep(kept(2), uid=OTHER)
    assert (stored.numbers(OTHER), stored.numbers()) == ([2], [])


def test_delete_leaves_the_revisions_of_another_certificate(stored: Stored) -> None:
    stored.keep(kept(1), uid=OTHER)
    stored.specs.forget(named(UID))
    assert stored.numbers(OTHER) == [1]
    stored.specs.forget(named(OTHER))
    stored.specs.forget(named(OTHER))
    assert stored.item(SORT) is None


def test_write_without_room_changes_nothing(stored: Stored) -> None:
    stored.keep(kept(1))
    before = stored.item(SORT)
    assert not stored.keep(kept(2, csr=random.Random(1).randbytes(LIMIT).hex()))
    assert stored.item(SORT) == before
    assert "claim" in (stored.item("record") or {})


def test_revisions_are_compressed_together(stored: Stored) -> None:
    """A chain that every revision has, such as that of its CA, hardly counts."""
    stored.keep(kept(1))
    one = size(stored.item(SORT) or {})
    issuers = "".join(CHAINS)
    stored.keep(*(kept(number, chain=CHAINS[number - 1] + issuers) for number in (3, 2, 1)))
    assert size(stored.item(SORT) or {}) < 3 * one


def test_revisions_of_the_first_schema_are_read(stored: Stored) -> None:
    listed = items.attribute([kept(1), kept(2)])
    stored.put({**items.key("web", SORT), "uid": {"S": UID}, "schema": {"N": "1"}, "revisions": listed})
    assert stored.revisions.read("web", UID).revisions == (kept(2), kept(1))
    assert stored.keep(kept(3), kept(2))
    assert stored.numbers() == [3, 2]


@pytest.mark.parametrize(
    "change",
    [
        {"revisions": {"S": "?"}}, {"revisions": {"L": [{"S": "?"}, {"M": {"revision": {"N": "1"}}}]}},
        {"revisions": {"B": b"?"}}, {"revisions": items.attribute(compressed("{}"))}, {"revisions": items.attribute(compressed("[" * 90_000))},
        {"revisions": items.attribute(compressed(" " * LARGEST_TEXT + "[]"))},
        {"version": {"S": "x"}}, {"version": {"NULL": True}}, {"version": {"N": "9E+100"}}, {"uid": {"N": "1"}}, {"schema": {"S": "1"}},
    ],
    ids=["text", "parts", "binary", "mapping", "deep", "bomb", "version", "null", "large", "uid", "schema"],
)  # fmt: skip
def test_manual_edit_is_replaced_by_the_next_write(stored: Stored, change: dict[str, Any]) -> None:
    stored.keep(kept(1))
    stored.put({**(stored.item(SORT) or {}), **change})
    assert set(stored.numbers()) <= {1}
    assert stored.keep(kept(2))
    assert stored.numbers() == [2]


def test_newer_item_is_recognized(stored: Stored) -> None:
    stored.keep(kept(1))
    stored.put({**(stored.item(SORT) or {}), "schema": {"N": str(KEPT_SCHEMA + 1)}})
    assert stored.revisions.read("web", UID) == KeptRevisions(newer=True)
