"""Contract of the signing ledger: the emulator's table and the in-memory double."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from evercert.authority.ca.signing_orders import Intent
from evercert.authority.contracts.ports import Ledger
from evercert.aws.authority.signing_ledger import LARGEST, DynamoDBLedger
from evercert.errors import Busy, Misconfigured
from tests.doubles.authority.ledger import MemoryLedger
from tests.doubles.fakes import START
from tests.doubles.world import World

SAYS = {"profile": "shop/tls-server", "leaf": {"names": ["dns:www.example.com"], "hash": None}}
INTENT = Intent("one", "ca-1", 2**158 + 5, "digest", START, SAYS)


@pytest.fixture(params=["memory", "dynamodb"])
def ledger(request: pytest.FixtureRequest) -> Ledger:
    return MemoryLedger() if request.param == "memory" else request.getfixturevalue("table")


@pytest.fixture
def table(world: World) -> DynamoDBLedger:
    world.ledger = world.authority_table("AuthorityLedgerTable")
    return DynamoDBLedger(world.operator.dynamodb, world.ledger)


def test_first_intent_is_kept(ledger: Ledger) -> None:
    assert ledger.intend(INTENT) == INTENT
    again = replace(INTENT, serial_number=2**158 + 6, order="other", says={})
    assert ledger.intend(again) == INTENT
    assert ledger.intend(INTENT) == INTENT


def test_serial_number_is_used_once_per_ca(ledger: Ledger) -> None:
    ledger.intend(INTENT)
    assert ledger.intend(replace(INTENT, id="two")) is None
    two = replace(INTENT, id="two", serial_number=2**158 + 6)
    assert ledger.intend(two) == two  # the refused intent has left nothing
    other = replace(INTENT, id="three", ca="ca-2")
    assert ledger.intend(other) == other


def test_first_result_is_kept(ledger: Ledger) -> None:
    ledger.intend(INTENT)
    assert ledger.conclude(INTENT, b"first") == b"first"
    assert ledger.conclude(INTENT, b"second") == b"first"
    assert ledger.conclude(replace(INTENT, id="two"), b"second") == b"second"


def test_result_too_large_to_store_is_still_unique(ledger: Ledger) -> None:
    long = bytes(LARGEST + 1)
    assert ledger.conclude(INTENT, long) == long
    with pytest.raises(Busy, match="another result is recorded"):
        ledger.conclude(INTENT, b"short")
    longest = bytes(LARGEST)
    two = replace(INTENT, id="two")
    assert ledger.conclude(two, longest) == longest
    assert ledger.conclude(two, b"short") == longest


# -- DynamoDB only ----------------------------------------------------------------------------------------------------
def items(world: World) -> dict[tuple[str, str], dict[str, Any]]:
    found = world.operator.dynamodb.scan(TableName=world.ledger, ConsistentRead=True)["Items"]
    return {(item["pk"]["S"], item["sk"]["S"]): item for item in found}


def test_row_names_the_certificate_before_it_is_signed(table: DynamoDBLedger, world: World) -> None:
    table.intend(INTENT)
    assert set(items(world)) == {("order#one", "intent"), (f"serial#ca-1#{INTENT.serial_number:x}", "serial")}
    row = items(world)["order#one", "intent"]
    assert row["says"]["M"]["leaf"]["M"]["names"] == {"L": [{"S": "dns:www.example.com"}]}
    assert row["at"] == {"S": "2026-01-15T12:00:00.000Z"}
    table.conclude(INTENT, b"der")
    assert items(world)["order#one", "result"]["der"]["B"] == b"der"


def test_concurrent_intents_keep_one(table: DynamoDBLedger) -> None:
    intents = [replace(INTENT, serial_number=2**158 + number) for number in range(20)]
    with ThreadPoolExecutor(20) as threads:
        stood = set(map(str, threads.map(table.intend, intents)))
        results = set(threads.map(lambda number: table.conclude(INTENT, b"%d" % number), range(20)))
    assert len(stood) == 1
    assert len(results) == 1


def test_ledger_uses_only_put_operations(table: DynamoDBLedger, world: World) -> None:
    """The signer's role has no other permission."""
    calls: list[str] = []
    world.operator.dynamodb.meta.events.register(
        "before-call.dynamodb", lambda model, **_: calls.append(model.name), unique_id="ledger-calls"
    )
    try:
        for _ in range(2):
            table.intend(INTENT)
            table.conclude(INTENT, b"der")
    finally:
        world.operator.dynamodb.meta.events.unregister("before-call.dynamodb", unique_id="ledger-calls")
    assert set(calls) == {"TransactWriteItems", "PutItem"}


def test_unparsable_intent_is_misconfigured(table: DynamoDBLedger, world: World) -> None:
    key = {"pk": {"S": "order#one"}, "sk": {"S": "intent"}}
    world.operator.dynamodb.put_item(TableName=world.ledger, Item={**key, "serial_number": {"S": "no number"}})
    with pytest.raises(Misconfigured, match="intent of order one cannot be read"):
        table.intend(INTENT)


def test_missing_table_is_misconfigured(world: World) -> None:
    ledger = DynamoDBLedger(world.operator.dynamodb, "nowhere")
    with pytest.raises(Misconfigured, match="cannot record the intent of order one"):
        ledger.intend(INTENT)
    with pytest.raises(Misconfigured, match="cannot record the result of order one"):
        ledger.conclude(INTENT, b"der")
