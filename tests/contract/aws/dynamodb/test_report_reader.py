"""The reader of the report function: the records that operators see, without sealed keys; pauses without definitions."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from evercert.aws.dynamodb import items
from evercert.aws.dynamodb.report_reader import PAUSE_ATTRIBUTES, RECORD_ATTRIBUTES, DynamoDBReportReader
from evercert.aws.dynamodb.spec_store import DynamoDBSpecs
from evercert.contracts.ports import Unreadable
from evercert.contracts.record import Record
from evercert.contracts.spec_store import STACK, Change, Pause, PauseTarget
from evercert.documents.spec import Component
from evercert.errors import Misconfigured, Unavailable
from evercert.operations.report.rows import rows
from tests.doubles.fakes import START, spec
from tests.doubles.strict_aws import refuse
from tests.doubles.world import World

SECRET = "SECRET-of-the-record"
SEALED: dict[str, Any] = {
    "pending": {"sealed_key": SECRET}, "kept_key": {"sealed_key": SECRET}, "claim": {"id": SECRET}, "deliveries": {},
}  # fmt: skip


@pytest.fixture
def specs(world: World) -> DynamoDBSpecs:
    return DynamoDBSpecs(world.operator.dynamodb, world.table, world.issuers_table)


@pytest.fixture
def reader(world: World) -> DynamoDBReportReader:
    world.judge_as({"ReportBucket": "bucket-of-reports"})
    return DynamoDBReportReader(world.clients.dynamodb, world.table, world.issuers_table, lambda _: None)


def store(world: World, name: str, /, **attributes: Any) -> None:
    item = items.new_record(Record(name=name, uid=str(uuid4()), spec=spec(name), generation=1), START)
    written = {key: items.attribute(value) for key, value in attributes.items()}
    world.operator.dynamodb.put_item(TableName=world.table, Item=item | written)


def answers(client: Any, monkeypatch: pytest.MonkeyPatch, operation: str) -> list[Any]:
    """Return a list that collects the answers of a call."""
    found: list[Any] = []
    call = getattr(client, operation)

    def collected(**given: Any) -> Any:
        found.append(call(**given))
        return found[-1]

    monkeypatch.setattr(client, operation, collected)
    return found


def test_reader_returns_the_rows_that_operators_see(
    world: World, specs: DynamoDBSpecs, reader: DynamoDBReportReader
) -> None:
    names = [f"web-{number:03}" for number in range(130)]
    specs.write([Change(Record(name=n, uid=str(uuid4()), spec=spec(n), generation=1), None) for n in names[:65]], START)
    specs.write([Change(Record(name=n, uid=str(uuid4()), spec=spec(n), generation=1), None) for n in names[65:]], START)
    world.operator.dynamodb.update_item(
        TableName=world.table,
        Key=items.key("web-007"),
        UpdateExpression="SET renew_at = :at, requested_at = :at, request_reason = :why, #revision = :one",
        ExpressionAttributeNames={"#revision": "revision"},
        ExpressionAttributeValues={
            ":at": items.attribute(START), ":why": {"S": "a reason"}, ":one": {"N": "1"},
        },
    )  # fmt: skip
    store(world, "broken", spec="{")
    store(world, "newer", schema=99)
    found = list(rows(reader.records(), {}, START))
    assert [row["name"] for row in found] == ["broken", "newer", *names]
    assert found == list(rows(specs.records(), {}, START))


def test_reader_reads_no_sealed_key(
    world: World, reader: DynamoDBReportReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(world, "web", **SEALED)
    read = answers(reader._client, monkeypatch, "batch_get_item")
    (record,) = reader.records()
    assert isinstance(record, Record), record
    (item,) = read[0]["Responses"][world.table]
    assert item.keys() <= set(RECORD_ATTRIBUTES)
    assert SECRET not in str(read)


@pytest.mark.parametrize("attribute", [name for name in RECORD_ATTRIBUTES if name not in ("pk", "sk", "due_at")])
def test_reader_survives_any_attribute(world: World, reader: DynamoDBReportReader, attribute: str) -> None:
    store(world, "web", **{attribute: {"x": [1]}})
    (record,) = reader.records()
    assert isinstance(record, Unreadable | Record)
    assert record.name == "web"


def test_reader_does_not_scan_a_table_without_index(
    world: World, reader: DynamoDBReportReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(**_: Any) -> Any:
        raise refuse("ValidationException", "Query", "The table does not have the specified index: records")

    monkeypatch.setattr(reader._client, "query", refused)
    with pytest.raises(Misconfigured, match="it has no index records; add the index to the table"):
        list(reader.records())


def test_reader_returns_pauses_and_reads_no_definition(
    specs: DynamoDBSpecs, reader: DynamoDBReportReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    specs.write_issuer("main", Component.model_validate({"type": "scripted", "token": SECRET}))
    specs.pause(STACK, Pause(START, "a reason"), START)
    specs.pause(PauseTarget(certificate="web"), Pause(START, until=START + timedelta(days=1)), START)
    specs.pause(PauseTarget(issuer="main"), Pause(START, until=START + timedelta(hours=1)), START)
    now = START + timedelta(hours=2)
    read: list[Any] = []
    reader._client.meta.events.register("after-call.dynamodb.Scan", lambda parsed, **_: read.append(parsed))
    assert reader.pauses(now) == specs.pauses(now)
    assert reader.pauses(now).keys() == {STACK, PauseTarget(certificate="web")}
    assert read and all(item.keys() <= set(PAUSE_ATTRIBUTES) for page in read for item in page["Items"])
    assert SECRET not in str(read)


@pytest.mark.parametrize("call", ["records", "pauses"])
def test_outage_is_unavailable(reader: DynamoDBReportReader, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    def refused(*_: Any, **__: Any) -> Any:
        raise refuse("InternalServerError", "Query")

    monkeypatch.setattr(reader._client, "query", refused)
    monkeypatch.setattr(reader._client, "get_paginator", lambda _: type("Pages", (), {"paginate": refused})())
    with pytest.raises(Unavailable):
        list(reader.records()) if call == "records" else reader.pauses(START)
