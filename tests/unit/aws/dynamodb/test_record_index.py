"""Partial answers of DynamoDB while the records are read, and the cost of reading them."""

from __future__ import annotations

from datetime import timedelta
from itertools import islice
from typing import Any

import pytest

from evercert.aws.dynamodb import items
from evercert.aws.dynamodb.record_index import DynamoDBRecordIndex
from evercert.aws.dynamodb.sweep import DynamoDBPages
from evercert.contracts.record import Record
from evercert.errors import EvercertError, Unavailable
from evercert.scheduling.sweeper import sweep
from evercert.timestamps import to_text
from tests.doubles.fakes import START, HandClock, spec
from tests.doubles.large_table import LargeTable
from tests.doubles.strict_aws import refuse
from tests.samples.outcomes import outcome

NAMES = [f"web-{number}" for number in range(5)]
UID = "5f6e3a51-5a0f-4a47-9f2a-0d3b3f4c6b2e"


class Client:
    """Answers with at most `each` records of a batch; `each` is taken from the list, the last one remains."""

    def __init__(self, each: list[int], missing: tuple[str, ...] = (), refused: Exception | None = None) -> None:
        self.each = each
        self.missing = missing
        self.refused = refused
        self.batches: list[int] = []

    def query(self, **_: Any) -> Any:
        if self.refused is not None:
            raise self.refused
        return {"Items": [{"pk": {"S": items.pk(name)}} for name in NAMES]}

    def batch_get_item(self, RequestItems: Any) -> Any:
        wanted = RequestItems["table"]["Keys"]
        self.batches.append(len(wanted))
        most = self.each.pop(0) if len(self.each) > 1 else self.each[0]
        found = [self._item(key["pk"]["S"]) for key in wanted[:most]]
        rest = {"table": {"Keys": wanted[most:]}} if wanted[most:] else {}
        present = [item for item in found if item["name"]["S"] not in self.missing]
        return {"Responses": {"table": present[::-1]}, "UnprocessedKeys": rest}

    @staticmethod
    def _item(pk: str) -> Any:
        name = pk.removeprefix("certificate#")
        return items.new_record(Record(name=name, uid=UID, spec=spec(name), generation=1), START)


def index(client: Client) -> tuple[DynamoDBRecordIndex, list[float]]:
    slept: list[float] = []
    return DynamoDBRecordIndex(client, "table", slept.append), slept  # type: ignore[arg-type]


def test_record_index_reads_unprocessed_keys_again() -> None:
    client = Client([2])
    records, slept = index(client)
    assert [record.name for record in records.records()] == NAMES
    assert (client.batches, slept) == ([5, 3, 1], [])


def test_record_index_waits_while_the_table_is_busy() -> None:
    client = Client([0, 0, 5])
    records, slept = index(client)
    assert [record.name for record in records.records()] == NAMES
    assert slept == [0.1, 0.2]


def test_record_index_gives_up_on_a_busy_table() -> None:
    client = Client([0])
    records, slept = index(client)
    with pytest.raises(Unavailable, match="it is busy"):
        list(records.records())
    assert (len(client.batches), len(slept)) == (6, 5)


def test_record_index_skips_deleted_records() -> None:
    records, _ = index(Client([5], missing=("web-1", "web-4")))
    assert [record.name for record in records.records()] == ["web-0", "web-2", "web-3"]


def test_record_index_reports_other_refusals() -> None:
    refused = refuse("ValidationException", "Query", "The provided starting key is invalid")
    records, _ = index(Client([5], refused=refused))
    with pytest.raises(EvercertError, match="starting key"):
        list(records.records())


def large(certificates: int, outcomes: int) -> LargeTable:
    record = items.new_record(Record(name="web", uid=UID, spec=spec(), generation=1), START + timedelta(days=1))
    published = {**items.outcome_item(outcome()), "published_at": {"S": to_text(START)}}
    return LargeTable(certificates, outcomes, record, published)


def test_records_cost_the_same_beside_any_history() -> None:
    units = set()
    for outcomes in (0, 50):
        table = large(1_250, outcomes)
        found = [record.name for record in DynamoDBRecordIndex(table, "table", print).records()]  # type: ignore[arg-type]
        assert found == [f"certificate-{number:07d}" for number in range(1_250)]
        assert table.calls == {"Query": 3, "BatchGetItem": 2 + 10 + 2}
        units.add(table.units)
    assert len(units) == 1 and units.pop() < 0.6 * 1_250


def test_page_of_records_costs_the_same_in_any_table() -> None:
    for certificates in (200, 5_000):
        table = large(certificates, 1)
        found = DynamoDBRecordIndex(table, "table", print).records("certificate-0000050")  # type: ignore[arg-type]
        assert len(list(islice(found, 101))) == 101
        assert (table.calls, table.units) == ({"Query": 1, "BatchGetItem": 2}, 51.5)


def test_sweep_is_sent_unfinished_items_only() -> None:
    table, clock = large(1_000, 20), HandClock()
    swept = sweep(DynamoDBPages(table, "table"), clock=clock, stop_at=clock() + timedelta(hours=1))  # type: ignore[arg-type]
    assert (swept.seen, swept.repaired, swept.finished, table.sent) == (1_000, 0, True, 1_000)
    assert table.calls["Scan"] > 5  # the pages hold the outcomes too
