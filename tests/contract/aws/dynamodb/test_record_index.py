"""All records by name, from the index on the emulator, without the outcomes beside them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from evercert.aws.answers import check
from evercert.aws.dynamodb import items
from evercert.aws.dynamodb.record_index import DynamoDBRecordIndex
from evercert.contracts.ports import Unreadable
from evercert.contracts.record import Record
from tests.doubles.fakes import START, spec
from tests.doubles.read_meter import ReadMeter
from tests.doubles.world import World
from tests.samples.outcomes import outcome

NAMES = [f"web-{number:03d}" for number in range(230)]


@pytest.fixture(scope="module")
def filled(shared_world: World) -> World:
    """A table with records that were written out of order, and outcomes."""
    shared_world.fresh()
    put(shared_world, *(record_item(name) for name in NAMES[::-1]))
    put(shared_world, *(items.outcome_item(outcome(name=NAMES[3], number=number)) for number in range(1, 200)))
    put(shared_world, {"pk": {"S": "sweep"}, "sk": {"S": "cursor"}}, {"pk": {"S": "foreign"}, "sk": {"S": items.SK}})
    return shared_world


def record_item(name: str) -> dict[str, Any]:
    return items.new_record(Record(name=name, uid=str(uuid.uuid4()), spec=spec(name), generation=1), START)


def put(world: World, *written: dict[str, Any]) -> None:
    for start in range(0, len(written), 25):
        puts: Any = [{"PutRequest": {"Item": item}} for item in written[start : start + 25]]
        world.operator.dynamodb.batch_write_item(RequestItems={world.table: puts})


def names(found: Iterator[Record | Unreadable]) -> list[str]:
    return [record.name for record in found]


def test_records_come_by_name_and_without_outcomes(filled: World) -> None:
    with ReadMeter(filled.operator.dynamodb) as meter:
        assert names(filled.specs.records()) == NAMES
    assert meter.calls == {"Query": 2, "BatchGetItem": 4}
    assert meter.units <= len(NAMES) * 0.5 + 4  # half a unit for each record; the keys share pages


def test_records_after_a_name_continue_there(filled: World) -> None:
    assert names(filled.specs.records(after=NAMES[99])) == NAMES[100:]
    assert names(filled.specs.records(after="web-0995")) == NAMES[100:]  # a name that does not exist
    assert names(filled.specs.records(after="web-229")) == []


def test_first_records_cost_one_page(filled: World) -> None:
    with ReadMeter(filled.operator.dynamodb) as meter:
        found = filled.specs.records()
        assert names(next(found) for _ in range(100)) == NAMES[:100]
    assert meter.calls == {"Query": 1, "BatchGetItem": 1}  # and one more for the 101st


def test_named_records_are_read_consistently(filled: World) -> None:
    wanted = [*NAMES[5:120], "unknown", NAMES[5]]
    with ReadMeter(filled.operator.dynamodb) as meter:
        assert names(filled.specs.named(wanted)) == NAMES[5:120]
    assert meter.calls == {"BatchGetItem": 2}
    assert meter.units >= 115  # a whole unit each


def test_answers_of_the_index_pass_the_checks_of_the_command(filled: World) -> None:
    events = filled.operator.dynamodb.meta.events
    events.register("after-call", check)
    try:
        assert names(filled.specs.records(after="web-220")) == NAMES[221:]
    finally:
        events.unregister("after-call", check)


def test_unparsable_records_are_in_the_index(world: World) -> None:
    for number, broken in enumerate([{}, {"spec": {"S": "not json"}}, {"uid": {"BOOL": True}}]):
        put(world, {**items.key(f"broken-{number}"), **broken})
    put(world, record_item("web"))
    found = list(world.specs.records())
    assert [(record.name, isinstance(record, Unreadable)) for record in found] == [
        *((f"broken-{number}", True) for number in range(3)),
        ("web", False),
    ]


def test_table_without_the_index_is_scanned(world: World) -> None:
    client, name = world.operator.dynamodb, f"restored-{uuid.uuid4().hex[:12]}"
    client.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in ("pk", "sk")],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
    )
    for each in ("c", "a", "b"):
        client.put_item(TableName=name, Item=record_item(each))
    client.put_item(TableName=name, Item=items.outcome_item(outcome()))
    index = DynamoDBRecordIndex(client, name, lambda _: None)
    assert names(index.records()) == ["a", "b", "c"]
    assert names(index.records("a")) == ["b", "c"]
