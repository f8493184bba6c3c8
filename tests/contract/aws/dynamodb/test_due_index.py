"""Contract of the due index: DynamoDB and the fake."""

from __future__ import annotations

from datetime import timedelta

import pytest

from evercert.aws.dynamodb.due_index import PAGE, DynamoDBDueIndex
from evercert.aws.dynamodb.record_store import DynamoDBRecordStore
from evercert.aws.dynamodb.spec_store import DynamoDBSpecs
from evercert.contracts.queue import Due, shard
from evercert.contracts.record import Claim, Record
from evercert.contracts.spec_store import Change
from evercert.timestamps import to_text
from tests.doubles.fakes import LEASE, START, FakeTable, spec
from tests.unit.scheduling.test_decision import FACTS


@pytest.fixture(params=["fake", "dynamodb"])
def both(request: pytest.FixtureRequest):
    """Return the index and the specs behind it."""
    if request.param == "fake":
        fake = FakeTable()
        return fake, fake
    world = request.getfixturevalue("world")
    client = world.operator.dynamodb
    return DynamoDBDueIndex(client, world.table), DynamoDBSpecs(client, world.table, world.issuers_table)


def specs_inventory(specs):
    return specs if isinstance(specs, FakeTable) else DynamoDBRecordStore(specs._client, specs._table)


def add(specs, name: str, due_at) -> None:
    record = Record(name=name, uid="8a4e1c9e-6a5e-4b6e-9a53-0d7a3c1f2b44", spec=spec(name), generation=1)
    specs.write([Change(record, None)], due_at)


def names(index, now) -> list[str]:
    return [due.key[0].removeprefix("certificate#") for due in index.due(now)]


def test_due_returns_longest_overdue_first_over_all_shards(both) -> None:
    index, specs = both
    moments = {f"c{number:02d}": START - timedelta(minutes=(7 * number) % 40) for number in range(40)}
    for name, moment in moments.items():
        add(specs, name, moment)
    add(specs, "later", START + timedelta(milliseconds=1))
    assert len({shard(name) for name in moments}) > 8
    found = names(index, START)
    assert sorted(found) == sorted(moments)
    assert [moments[name] for name in found] == sorted(moments.values())


def test_due_reads_all_pages_of_a_shard(both) -> None:
    index, specs = both
    same = [name for number in range(5000) if shard(name := f"n{number}") == "03"][: PAGE + 20]
    for name in same:
        add(specs, name, START)
    assert sorted(names(index, START)) == sorted(same)


def test_postpone_moves_an_unchanged_entry(both) -> None:
    index, specs = both
    add(specs, "web", START)
    (due,) = index.due(START)
    assert index.put_off(due, START + timedelta(minutes=10)) is True
    assert names(index, START) == []
    assert names(index, START + timedelta(minutes=10)) == ["web"]


def test_postpone_ignores_a_stale_entry(both) -> None:
    index, specs = both
    add(specs, "web", START)
    (due,) = index.due(START)
    specs.request("web", START + timedelta(days=30))
    assert index.put_off(due, START + timedelta(minutes=10)) is False
    assert specs.record("web").due_at == START + timedelta(days=30)


def test_postpone_never_recreates_a_deleted_record(both) -> None:
    index, specs = both
    add(specs, "web", START)
    (due,) = index.due(START)
    specs.remove(specs.record("web"))
    assert index.put_off(due, START) is False
    assert specs.record("web") is None


def test_due_reads_sixteen_pages_when_nothing_is_due(world) -> None:
    world.switch.arm(None)
    assert list(world.index.due(START)) == []
    assert world.switch.calls == ["before-send.dynamodb.Query"] * 16


def test_due_entry_carries_the_projected_attributes(both) -> None:
    index, specs = both
    add(specs, "web", START)
    assert list(index.due(START)) == [Due(("certificate#web", "record"), shard("web"), to_text(START))]


def test_expiring_returns_soonest_first_over_all_shards(both) -> None:
    index, specs = both
    names = [f"web-{number}" for number in range(40)]
    for number, name in enumerate(names):
        add(specs, name, START)
        held, _ = specs_inventory(specs).claim(name, Claim(id="mine", until=START + LEASE), START)
        facts = FACTS.model_copy(update={"not_after": START + timedelta(days=100 - number)})
        specs_inventory(specs).release(held, {"facts": facts}, START, START)
    for page in (1, 100):
        found = list(index.expiring(page))
        assert [entry.key[0] for entry in found] == [f"certificate#{name}" for name in reversed(names)]
    assert next(index.expiring(1)).not_after == to_text(START + timedelta(days=61))


def test_expiring_omits_undelivered_certificates(both) -> None:
    index, specs = both
    add(specs, "web", START)
    assert list(index.expiring(1)) == []
