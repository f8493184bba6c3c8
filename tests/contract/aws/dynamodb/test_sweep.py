"""The sweep repairs a table after manual edits or a restore from a backup."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from evercert.aws.dynamodb import items
from evercert.aws.dynamodb.sweep import DynamoDBPages
from evercert.scheduling.sweeper import Progress, Swept, sweep
from evercert.timestamps import to_text
from tests.doubles.fakes import START, spec
from tests.doubles.world import World


@pytest.fixture
def pages(world: World) -> DynamoDBPages:
    return DynamoDBPages(world.clients.dynamodb, world.table)


def change(world: World, expression: str, **values: Any) -> None:
    more = {"ExpressionAttributeValues": {f":{name}": value for name, value in values.items()}} if values else {}
    world.operator.dynamodb.update_item(
        TableName=world.table, Key=items.key("web"), UpdateExpression=expression, **more
    )


def want(world: World) -> None:
    world.want(spec(destinations=[{"type": "secrets-manager", "secret": world.secret}]), {"type": "self-signed"})


def swept(world: World, pages: DynamoDBPages) -> Swept:
    return sweep(pages, clock=world.clock, stop_at=world.clock() + timedelta(seconds=48))


@pytest.mark.parametrize(
    ("expression", "values"),
    [
        pytest.param("REMOVE due_at, due_shard", {}, id="lost"),
        pytest.param("REMOVE due_at", {}, id="half lost"),
        pytest.param("SET due_shard = :v", {"v": {"S": "77"}}, id="another shard"),
        pytest.param("SET due_at = :v", {"v": {"S": "next week"}}, id="mistyped"),
    ],
)
def test_sweep_makes_unindexed_records_due(world: World, pages, expression: str, values: dict) -> None:
    want(world)
    change(world, expression, **values)
    assert swept(world, pages).repaired == 1
    world.settle(world.settled)


def test_sweep_ignores_indexed_and_resting_records(world: World, pages: DynamoDBPages) -> None:
    want(world)
    world.settle(world.settled)
    before = world.items()
    found = swept(world, pages)
    assert (found.repaired, found.finished) == (0, True)
    assert [item for item in world.items() if item["pk"]["S"] != "sweep"] == before


def test_sweep_rejects_an_unparsable_item_once(world: World, pages: DynamoDBPages) -> None:
    item = {**items.key("web"), "spec": {"S": "not json"}, "schema": {"N": "1"}}
    world.operator.dynamodb.put_item(TableName=world.table, Item=item)
    for _ in range(3):
        swept(world, pages)
        world.tick()
        world.deliver_messages()
        world.clock.advance(days=1, hours=1)
    assert [event["type"] for event in world.events()] == ["spec.rejected"]


def test_sweep_announces_an_outcome_without_due_time(world: World, pages: DynamoDBPages) -> None:
    want(world)
    world.settle(world.settled)
    world.events()
    (key,) = [item["sk"] for item in world.items() if item["sk"]["S"].startswith("outcome#")]
    world.operator.dynamodb.update_item(
        TableName=world.table, Key={"pk": {"S": "certificate#web"}, "sk": key}, UpdateExpression="REMOVE published_at"
    )
    assert swept(world, pages).repaired == 1
    world.settle(world.settled)
    assert [event["type"] for event in world.events()] == ["certificate.issued"]


def test_sweep_progress_is_bound_to_the_cursor_read(pages: DynamoDBPages) -> None:
    begun, further = Progress("1"), Progress("2", START)
    assert pages.progress() == Progress()
    assert pages.save(Progress(), begun) is True
    assert pages.progress() == begun
    assert pages.save(Progress("7"), further) is False
    assert pages.save(begun, further) is True
    assert pages.progress() == further


def test_sweep_restarts_after_an_invalid_cursor(world: World, pages: DynamoDBPages) -> None:
    cursor = {"pk": {"S": "sweep"}, "sk": {"S": "cursor"}, "progress": {"S": "page five"}}
    world.operator.dynamodb.put_item(TableName=world.table, Item=cursor)
    want(world)
    assert swept(world, pages).finished is True


def test_sweep_reads_neither_specs_nor_sealed_keys(world: World, pages: DynamoDBPages) -> None:
    want(world)
    sizes = []
    world.clients.dynamodb.meta.events.register(
        "after-call.dynamodb.Scan", lambda parsed, **_: sizes.extend(parsed["Items"])
    )
    swept(world, pages)
    assert sizes
    assert all(set(item) <= {"pk", "sk", "due_shard", "due_at", "resting", "published_at"} for item in sizes)


def test_sweep_ignores_an_item_changed_since_it_was_read(world: World, pages: DynamoDBPages) -> None:
    want(world)
    change(world, "REMOVE due_at, due_shard")
    (entry,) = [e for e in pages.page(None)[0] if e.key[1] == "record"]
    world.specs.request("web", START)
    assert pages.make_due(entry, START + timedelta(days=1)) is False
    assert world.record().due_at is not None
    assert to_text(world.record().due_at) == to_text(START)
