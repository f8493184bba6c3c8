"""Readers of the certificates and issuers tables: attribute x type x extreme value."""

from __future__ import annotations

import json
import random
from datetime import timedelta
from typing import Any

from botocore.exceptions import ClientError

from evercert.aws.dynamodb import items
from evercert.aws.dynamodb.account_store import DynamoDBAccounts
from evercert.aws.dynamodb.attribute_values import compressed
from evercert.aws.dynamodb.circuit_breakers import DynamoDBBreakers
from evercert.aws.dynamodb.due_index import DynamoDBDueIndex
from evercert.aws.dynamodb.http_answers import DynamoDBHTTPAnswers
from evercert.aws.dynamodb.issuer_loader import DynamoDBIssuers
from evercert.aws.dynamodb.issuer_store import DynamoDBOperating
from evercert.aws.dynamodb.leases import DynamoDBLeases
from evercert.aws.dynamodb.order_buckets import DynamoDBOrderBuckets
from evercert.aws.dynamodb.rate_slots import DynamoDBRateSlots
from evercert.aws.dynamodb.record_store import DynamoDBRecordStore
from evercert.aws.dynamodb.revision_store import DynamoDBRevisions, kept_update
from evercert.aws.dynamodb.spec_store import DynamoDBSpecs
from evercert.aws.dynamodb.sweep import DynamoDBPages
from evercert.canonical_json import canonical_json
from evercert.cli.issuers.definitions import Definition
from evercert.contracts.order_buckets import OrderLimit
from evercert.contracts.ports import BreakerState
from evercert.contracts.record import Claim
from evercert.contracts.revisions import RevisionsToKeep
from evercert.contracts.solver import Lease, LeasedValue
from evercert.errors import EvercertError
from evercert.issuers import ISSUERS
from tests.doubles.fakes import START
from tests.fuzz.changes import NUMBERS, TEXTS, changed_tree, mutated
from tests.fuzz.reader import Reader
from tests.samples.acme import CA, THUMBPRINT, TOKEN
from tests.samples.outcomes import outcome
from tests.unit.aws.dynamodb.test_items import full

Item = dict[str, Any]
UID = "8a4e1c9e-6a5e-4b6e-9a53-0d7a3c1f2b44"
TYPED = (EvercertError,)  # nothing above the adapters handles another error


class Table:
    """A client that answers every call with one item, in the form of that call."""

    def __init__(self, item: Item) -> None:
        self._item = item

    def get_item(self, **_: Any) -> Any:
        return {"Item": self._item}

    def update_item(self, **_: Any) -> Any:
        return {"Attributes": self._item}

    def put_item(self, **_: Any) -> Any:
        return {}

    def transact_write_items(self, **_: Any) -> Any:
        return {}

    def query(self, **_: Any) -> Any:
        return {"Items": [self._item]}

    scan = query

    def batch_get_item(self, RequestItems: Any) -> Any:
        return {"Responses": {table: [self._item] for table in RequestItems}}

    def get_paginator(self, name: str) -> Any:
        return self

    def paginate(self, **_: Any) -> Any:
        return [self.query()]


class RefusingTable(Table):
    """A table in which the condition of no update holds."""

    def update_item(self, **_: Any) -> Any:
        raise ClientError({"Error": {"Code": "ConditionalCheckFailedException"}}, "UpdateItem")


class BusyTable(Table):
    """A table in which another run has taken the next turn of a service."""

    def update_item(self, ConditionExpression: str = "", **_: Any) -> Any:
        if "attribute_type" in ConditionExpression:
            raise ClientError({"Error": {"Code": "ConditionalCheckFailedException"}}, "UpdateItem")
        return {"Attributes": self._item}


def read_revisions(item: Item) -> object:
    """Read the kept revisions, and make the update that replaces them."""
    seen = DynamoDBRevisions(Table(item), "table").read("web", UID)  # type: ignore[arg-type]
    return kept_update(RevisionsToKeep(UID, seen, ())).arguments()


def kept_revisions() -> list[Item]:
    """Return an item of the first schema, one whose JSON is changed, and one whose compressed bytes are."""
    part = {
        "revision": 2, "origin": 1, "generation": 1, "issuer": "main", "request_hash": "r", "issuer_hash": "i",
        "sealed_key": "AA==", "csr": "csr", "chain": "chain", "obtained_at": START, "reference": "id",
    }  # fmt: skip
    item = items_of(pk="certificate#web", sk="revisions", schema=1, uid=UID, version=3, revisions=[part], expires_at=1)
    text = canonical_json(items.jsonable([part]))
    return [item, item | items_of(revisions=text), item | items_of(revisions=compressed(text))]


def outcomes() -> list[Item]:
    return [items.outcome_item(outcome()), items.outcome_item(outcome(data={"message": "why " * items.LONGEST_PLAIN}))]


def read_turn(item: Item) -> object:
    state = BreakerState("a", slow_until=START, apart=timedelta(seconds=1))
    return DynamoDBBreakers(BusyTable(item), "table").take_turn(state, START, timedelta(minutes=1))  # type: ignore[arg-type]


def attribute(chance: random.Random) -> Any:
    """Return an extreme attribute value as DynamoDB gives it; sets, binaries and deep maps too."""
    text, number = chance.choice(TEXTS), str(chance.choice([*NUMBERS[:6], "9.99E+125", "1E-130", "-1E+100"]))
    deep: Item = {"S": text}
    for _ in range(chance.choice((0, 1, 30))):  # DynamoDB allows 32 levels
        deep = chance.choice(({"L": [deep]}, {"M": {text: deep}}))
    return chance.choice(
        [{"S": text}, {"N": number}, {"B": b"\xff"}, {"BOOL": True}, {"NULL": True}, {"SS": [text]}, {"NS": [number]}, {"BS": [b""]},
         {"L": []}, {"M": {}}, deep]
    )  # fmt: skip


def changed_item(item: Item, chance: random.Random) -> Item:
    """Return the item with changed attributes; keys of the table and its indexes stay, as DynamoDB guarantees, and so does what a condition has checked."""
    kept = {
        name: item[name]
        for name in (
            "pk",
            "sk",
            "due_shard",
            "due_at",
            "not_after",
            "expiry_shard",
            "next_free",
            "listed_under",
            "created_at",
        )
        if name in item
    }
    rest = {name: value for name, value in item.items() if name not in kept}
    for name in chance.sample(sorted(rest), min(len(rest), chance.randint(1, 3))):
        if chance.random() < 0.5:
            rest[name] = attribute(chance)
        elif "B" in rest[name]:
            rest[name] = {"B": mutated(rest[name]["B"], chance)}
        else:
            rest[name] = _valid(changed_tree(rest[name], chance, attribute)) or attribute(chance)
    return kept | rest


def _valid(value: Any) -> Any:
    """Return the attribute value without what DynamoDB would not store, or None."""
    if not isinstance(value, dict) or len(value) != 1:
        return None
    ((kind, content),) = value.items()
    plain = {"S": str, "B": bytes, "BOOL": bool}
    if kind in plain:
        return value if isinstance(content, plain[kind]) else None
    if kind == "L" and isinstance(content, list):
        return {"L": [part for part in map(_valid, content) if part is not None]}
    if kind == "M" and isinstance(content, dict):
        return {
            "M": {
                name: part
                for name, part in ((name, _valid(part)) for name, part in content.items())
                if part is not None
            }
        }
    return None


def changed_document(item: Item, chance: random.Random) -> Item:
    """Return the item with a changed JSON text in one attribute."""
    name = chance.choice(_json_attributes(item))
    return item | {name: {"S": json.dumps(changed_tree(json.loads(item[name]["S"]), chance))}}


def _json_attributes(item: Item) -> list[str]:
    return [name for name, value in item.items() if str(value.get("S", "")).startswith(("{", "["))]


def changed(item: Item, chance: random.Random) -> Item:
    """Return the item with other attributes, or with other JSON in one."""
    return (
        changed_document(item, chance)
        if _json_attributes(item) and chance.random() < 0.4
        else changed_item(item, chance)
    )


# -- certificates -----------------------------------------------------------------------------------------------------
def read_record(item: Item) -> None:
    """Read a record as the issuer function does when it claims it, and as the command does."""
    items.read_record(item)
    store = DynamoDBRecordStore(Table(item), "table")
    claim = Claim(id="mine", until=START + timedelta(minutes=1))
    store.claim("web", claim, START)
    store.read_for_stop("web", claim)
    specs = DynamoDBSpecs(Table(item), "table", "issuers")
    _ = (list(specs.records()), specs.record("web"), specs.history("web"))


def read_indexes(item: Item) -> None:
    """Read the entries of the indexes and of the sweep."""
    index = DynamoDBDueIndex(Table(item), "table")
    list(index.due(START))
    list(index.expiring(10))
    DynamoDBPages(Table(item), "table").page(None)


def read_cursor(item: Item) -> None:
    """Read the cursor of the sweep and continue there."""
    pages = DynamoDBPages(Table(item), "table")
    position = pages.progress().position
    DynamoDBPages(Table(full()), "table").page(position)


def read_slot(item: Item) -> None:
    """Take a slot where the conditions hold, and where none does: the item is replaced then."""
    DynamoDBRateSlots(Table(item), "table").take("acm", START)
    spoiled = item | {"next_free": item.get("m2025_12", {"NULL": True})}
    DynamoDBRateSlots(RefusingTable(spoiled), "table").take("acm", START)


def read_order_bucket(item: Item) -> None:
    """Take a token where the conditions hold, and where none does."""
    limit = OrderLimit(5, timedelta(seconds=36))
    DynamoDBOrderBuckets(Table(item), "table").take("account", limit, START)  # type: ignore[arg-type]
    DynamoDBOrderBuckets(RefusingTable(item), "table").take("account", limit, START)  # type: ignore[arg-type]


def read_lease(item: Item) -> None:
    """Take and release a lease; its values can be stored again."""
    store = DynamoDBLeases(Table(item), "table")  # type: ignore[arg-type]
    wanted = Lease("zone#record", "owner", START + timedelta(minutes=1), frozenset({LeasedValue("text", START)}))
    found = store.take(wanted, START)
    assert found is not None
    store.release(found, found.values)


def read_issuers(item: Item) -> None:
    """Read definitions and pauses, and open the issuer."""
    operating = DynamoDBOperating(Table(item), "issuers")
    operating.issuers()
    pauses = operating.pauses(START)
    for name, stored in operating.definitions().items():
        found = Definition(name, stored)
        json.dumps([found.summary(pauses), found.detail(pauses, None)])
    DynamoDBIssuers(Table(item), "issuers", ISSUERS, lambda: None, lambda: START).open("main")


def read_account(item: Item) -> None:
    """Read an ACME account; what is read can be stored again."""
    store = DynamoDBAccounts(Table(item), "table")  # type: ignore[arg-type]
    found = store.read("account")
    if found is not None:
        assert isinstance(found.sealed_key, str)
        assert all(isinstance(entry, str) for entry in found.contact)
        store.register("account", found)


def read_http_answer(item: Item) -> None:
    """Read the answer of an http-01 challenge; it is text or missing."""
    found = DynamoDBHTTPAnswers(Table(item), "table").read(TOKEN, START)  # type: ignore[arg-type]
    assert found is None or isinstance(found, str)


def indexed() -> Item:
    return full() | items_of(due_shard="03", due_at=START, not_after=START, expiry_shard="03", resting=True)


def breaker() -> Item:
    return items_of(pk="breaker#a", sk="breaker", failures=3, shut_until=START, expires_at=1)


def slot() -> Item:
    return items_of(pk="pace#acm", sk="pace", next_free=1_768_478_400_000, m2026_01=5, m2025_12=7)


def cursor() -> Item:
    position = canonical_json({"pk": {"S": "certificate#web"}, "sk": {"S": "record"}})
    return items_of(pk="sweep", sk="cursor", progress=canonical_json({"position": position, "finished_at": None}))


def issuer() -> Item:
    return items_of(pk="issuer#main", schema=1, definition=canonical_json({"type": "self-signed"}))


def pause() -> Item:
    return items_of(pk="pause#issuer#main", schema=1, paused_at=START, reason="why")


def account() -> Item:
    contact = ["mailto:ops@example.com"]
    return items_of(pk="acme-account#account", sk="account", sealed_key="AQID", url=f"{CA}acct/1", contact=contact)


def order_bucket() -> Item:
    later = 1_768_479_000_000  # the bucket is empty
    return items_of(pk="acme-orders#account", sk="bucket", full_at=later, queued_until=later, expires_at=1)


def lease() -> Item:
    values = {"SS": ["1768478400000 text", "1768478400000 other"]}
    return items_of(pk="lease#zone#record", sk="lease", owner="a", until=1_768_478_400_000) | {"values": values}


def http_answer() -> Item:
    later = int((START + timedelta(days=1)).timestamp())
    return items_of(pk=f"http-01#{TOKEN}", sk="answer", answer=f"{TOKEN}.{THUMBPRINT}", expires_at=later)


def items_of(**values: Any) -> Item:
    return {name: items.attribute(value) for name, value in values.items()}


READERS = [
    Reader("record", lambda: [full()], read_record, changed, TYPED, cost=4),
    Reader("kept revisions", kept_revisions, read_revisions, changed, TYPED),
    Reader("index entry", lambda: [indexed()], read_indexes, changed, TYPED, cost=2),
    Reader("outcome", outcomes, items.read_outcome, changed, TYPED),
    Reader("sweep cursor", lambda: [cursor()], read_cursor, changed, TYPED),
    Reader("breaker", lambda: [breaker()], lambda item: DynamoDBBreakers(Table(item), "table").read("a"), changed, TYPED),
    Reader("turn", lambda: [slot()], read_turn, changed, TYPED),
    Reader("rate slot", lambda: [slot()], read_slot, changed, TYPED),
    Reader("issuer definition", lambda: [issuer(), pause()], read_issuers, changed, TYPED, cost=2),
    Reader("ACME account", lambda: [account(), account() | items_of(url=None, contact=None)], read_account, changed, TYPED),
    Reader("order bucket", lambda: [order_bucket()], read_order_bucket, changed, TYPED),
    Reader("lease", lambda: [lease()], read_lease, changed, TYPED),
    Reader("http-01 answer", lambda: [http_answer()], read_http_answer, changed, TYPED),
]  # fmt: skip
