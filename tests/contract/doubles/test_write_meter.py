"""The meter of write units, against tables of the template on the emulator."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.doubles.world import World
from tests.doubles.write_meter import WriteMeter

KEY = {"pk": {"S": "a"}, "sk": {"S": "b"}}
LISTED = {"listed_under": {"S": "c"}, "created_at": {"S": "d"}}  # the key of an index with keys only


def text(characters: int) -> dict[str, str]:
    return {"S": "x" * characters}


@pytest.fixture
def table(world: World) -> str:
    return world.authority_table("AuthorityTable")


def units(world: World, operation: str, **parameters: Any) -> int:
    with WriteMeter(world.operator.dynamodb, world.clients.dynamodb) as meter:
        getattr(world.operator.dynamodb, operation)(**parameters)
    return meter.units


def test_write_units_are_those_of_the_larger_item(world: World, table: str) -> None:
    def put(**values: Any) -> int:
        return units(world, "put_item", TableName=table, Item={**KEY, **values})

    assert put(v=text(100)) == 1
    assert put(v=text(2_048)) == 3
    assert put(v=text(100)) == 3  # the item before it
    assert units(world, "delete_item", TableName=table, Key=KEY) == 1


def test_write_units_of_a_transaction_are_doubled(world: World, table: str) -> None:
    items = [{**KEY, "sk": {"S": name}, "v": text(1_100)} for name in ("one", "two")]
    writes = [{"Put": {"TableName": table, "Item": item}} for item in items]
    assert units(world, "transact_write_items", TransactItems=writes) == 2 * (2 + 2)


def test_write_units_include_changed_index_entries(world: World, table: str) -> None:
    def put(**values: Any) -> int:
        return units(world, "put_item", TableName=table, Item={**KEY, **values})

    assert put(**LISTED) == 1 + 1
    assert put(**LISTED, other=text(1)) == 1  # not in the index
    assert put(**{**LISTED, "created_at": {"S": "e"}}) == 1 + 2
    assert put() == 1 + 1


def test_refused_write_costs_its_units(world: World, table: str) -> None:
    client = world.operator.dynamodb
    client.put_item(TableName=table, Item={**KEY, "v": text(1_500)})
    with WriteMeter(client, world.clients.dynamodb) as meter, pytest.raises(ClientError):
        client.put_item(TableName=table, Item=KEY, ConditionExpression="attribute_not_exists(pk)")
    assert (meter.units, meter.refused) == (2, 1)
