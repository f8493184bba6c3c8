"""The sweep repairs a table after manual edits or a restore from a backup."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from evercert.aws.dynamodb import items
from evercert.aws.dynamodb.sweep import DynamoDBPages
from evercert.scheduling.sweeper import Progress, Swept, sweep
from evercert.timestamps import to_text
from tests.doubles.fakes import START, spec
from tests.doubles.strict_aws import refuse
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


@pytest.mark.parametrize(
    ("part", "name"),
    [("facts", "not_before"), ("facts", "obtained_at"), ("pending", "obtained_at"), ("last_error", "at"), ("claim", "until")],
)  # fmt: skip
def test_sweep_makes_records_of_a_wrong_clock_due(world: World, pages, part: str, name: str) -> None:
    want(world)
    world.settle(world.settled)
    ahead = {"M": {name: {"S": to_text(world.clock() + timedelta(days=30))}}}
    change(world, f"SET {part} = :v", v=ahead)
    assert swept(world, pages).repaired == 1


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


def test_page_of_the_sweep_leaves_published_outcomes_out(world: World, pages: DynamoDBPages) -> None:
    published, due = (
        {"published_at": {"S": to_text(START)}},
        {"due_at": {"S": to_text(START)}, "due_shard": {"S": "00"}},
    )
    rows = [
        (1, published, False),
        (2, due, True),
        (3, {}, True),
        (4, published | due, True),
        (5, published | {"due_at": due["due_at"]}, True),
        (6, published | {"due_shard": due["due_shard"]}, True),
    ]
    for number, attributes, _ in rows:
        world.operator.dynamodb.put_item(
            TableName=world.table, Item={**items.key("web", f"outcome#{number}"), **attributes}
        )
    world.operator.dynamodb.put_item(TableName=world.table, Item={**items.key("web"), **published})
    entries, following = pages.page(None)
    assert {entry.key[1] for entry in entries} == {"record", *(f"outcome#{number}" for number, _, seen in rows if seen)}
    assert following is None


def test_sweep_progress_is_bound_to_the_cursor_read(pages: DynamoDBPages) -> None:
    begun, further, other = (
        Progress(json.dumps({"pk": {"S": f"certificate#{number}"}, "sk": {"S": "record"}}), at)
        for number, at in enumerate([None, START, None])
    )
    assert pages.progress() == Progress()
    assert pages.save(Progress(), begun) is True
    assert pages.progress() == begun
    assert pages.save(other, further) is False
    assert pages.save(begun, further) is True
    assert pages.progress() == further


KEY = {"pk": {"S": "certificate#web"}, "sk": {"S": "record"}}
DEEP = "[" * 100_000
POSITIONS = [
    *(5, True, [], {}, "", "page five", DEEP, "null", "NaN", "[]", "{}", '"x"'),
    *(
        json.dumps(key)
        for key in (
            {"pk": {"S": "certificate#web"}},
            {**KEY, "due_at": {"S": "x"}},
            {**KEY, "sk": {"N": "1"}},
            {**KEY, "sk": {"B": "AA=="}},
            {**KEY, "sk": "record"},
            {**KEY, "sk": {"S": ""}},
            {**KEY, "sk": {"S": "record", "N": "1"}},
            {**KEY, "pk": {"S": 5}},
        )
    ),
]
CURSORS = [
    *({"S": text} for text in ("", "page five", "null", "[]", "5", DEEP, "{}", '{"position": null}')),
    *({"S": json.dumps({"position": position, "finished_at": None})} for position in POSITIONS),
    *({"S": json.dumps({"position": None, "finished_at": at})} for at in (5, "soon", [], "2026-02-30T00:00:00.000Z")),
    *({"N": "9.99E+125"}, {"B": b"\xff"}, {"BOOL": True}, {"NULL": True}, {"SS": ["a"]}, {"M": {}}, {"L": []}),
]


def test_sweep_restarts_after_an_invalid_cursor(pages: DynamoDBPages, world: World) -> None:
    for cursor in CURSORS:
        world.operator.dynamodb.put_item(
            TableName=world.table, Item={"pk": {"S": "sweep"}, "sk": {"S": "cursor"}, "progress": cursor}
        )
        found = swept(world, pages)
        assert (found.finished, found.restarted, found.seen) == (True, True, 1), cursor
        assert pages.progress().finished_at is not None
        assert swept(world, pages) == Swept()


def test_sweep_restarts_from_a_key_that_dynamodb_refuses(
    pages: DynamoDBPages, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = {**KEY, "pk": {"S": "x" * 5_000}}  # the emulator accepts it, DynamoDB does not
    pages.save(Progress(), Progress(json.dumps(key)))
    scan = world.clients.dynamodb.scan

    def strict(**arguments: Any) -> Any:
        if arguments.get("ExclusiveStartKey") == key:
            raise refuse("ValidationException", "Scan", "The provided starting key is invalid")
        return scan(**arguments)

    monkeypatch.setattr(world.clients.dynamodb, "scan", strict)
    found = swept(world, pages)
    assert (found.finished, found.restarted) == (True, True)


def test_sweep_saves_over_the_cursor_as_it_was_stored(pages: DynamoDBPages, world: World) -> None:
    key = {"pk": {"S": "sweep"}, "sk": {"S": "cursor"}}
    spaced = {"S": '{ "finished_at": null,\n"position": null }'}
    world.operator.dynamodb.put_item(TableName=world.table, Item={**key, "progress": spaced})
    seen = pages.progress()
    assert not seen.spoiled
    world.operator.dynamodb.put_item(TableName=world.table, Item={**key, "progress": {"N": "1"}})
    assert pages.save(seen, Progress(None, START)) is False
    world.operator.dynamodb.put_item(TableName=world.table, Item={**key, "progress": spaced})
    assert pages.save(seen, Progress(None, START)) is True


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
