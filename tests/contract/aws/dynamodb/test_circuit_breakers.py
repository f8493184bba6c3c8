"""Contract of the circuit breaker store: the emulator's table and the fake."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from evercert.aws.dynamodb.circuit_breakers import DynamoDBBreakers
from evercert.contracts.ports import BreakerState, BreakerStore
from evercert.errors import Misconfigured
from tests.doubles.fakes import START, FakeBreakers
from tests.doubles.world import World

MAIN = "issuer main"
SOON, LATER = START + timedelta(seconds=30), START + timedelta(minutes=2)


@pytest.fixture(params=["fake", "dynamodb"])
def breakers(request: pytest.FixtureRequest) -> BreakerStore:
    if request.param == "fake":
        return FakeBreakers()
    world: World = request.getfixturevalue("world")
    return DynamoDBBreakers(world.operator.dynamodb, world.table)


def test_breaker_without_failures_is_closed(breakers: BreakerStore) -> None:
    assert breakers.read(MAIN) == BreakerState(MAIN)


def test_breaker_trips_for_all_callers_of_its_service_only(breakers: BreakerStore) -> None:
    assert breakers.open(breakers.read(MAIN), 1, SOON)
    assert breakers.read(MAIN) == BreakerState(MAIN, 1, SOON)
    assert breakers.read("issuer other") == BreakerState("issuer other")


def test_breaker_is_reset_when_the_service_responds(breakers: BreakerStore) -> None:
    breakers.open(breakers.read(MAIN), 3, SOON)
    breakers.close(breakers.read(MAIN))
    assert breakers.read(MAIN) == BreakerState(MAIN)


def test_breaker_is_tripped_by_one_of_two_callers(breakers: BreakerStore) -> None:
    seen = breakers.read(MAIN)
    assert breakers.open(seen, 1, SOON)
    assert not breakers.open(seen, 1, LATER)
    assert breakers.read(MAIN) == BreakerState(MAIN, 1, SOON)


def test_breaker_lets_one_of_two_callers_probe(breakers: BreakerStore) -> None:
    breakers.open(breakers.read(MAIN), 1, SOON)
    seen = breakers.read(MAIN)
    assert breakers.open(seen, 1, LATER)
    assert not breakers.open(seen, 1, LATER + timedelta(seconds=1))
    assert breakers.read(MAIN).open_until == LATER


def test_breaker_keeps_a_newer_failure_on_reset(breakers: BreakerStore) -> None:
    breakers.open(breakers.read(MAIN), 1, SOON)
    seen = breakers.read(MAIN)
    breakers.open(seen, 2, LATER)
    breakers.close(seen)
    assert breakers.read(MAIN) == BreakerState(MAIN, 2, LATER)
    breakers.close(BreakerState(MAIN))
    assert breakers.read(MAIN) == BreakerState(MAIN, 2, LATER)


# -- DynamoDB only ----------------------------------------------------------------------------------------------------
@pytest.fixture
def table(world: World) -> DynamoDBBreakers:
    return DynamoDBBreakers(world.operator.dynamodb, world.table)


def item(world: World) -> dict[str, Any]:
    (found,) = [item for item in world.items() if item["pk"]["S"].startswith("breaker#")]
    return found


def test_breaker_outage_is_written_once_by_many_callers(table: DynamoDBBreakers) -> None:
    seen = table.read(MAIN)
    with ThreadPoolExecutor(20) as threads:
        wrote = list(threads.map(lambda n: table.open(seen, 1, SOON + timedelta(seconds=n)), range(20)))
    assert wrote.count(True) == 1
    assert table.read(MAIN).open_until == SOON + timedelta(seconds=wrote.index(True))


def test_breaker_item_expires_a_day_after_the_outage(table: DynamoDBBreakers, world: World) -> None:
    table.open(table.read(MAIN), 1, SOON)
    assert item(world)["pk"]["S"] == "breaker#issuer#main"
    assert item(world)["expires_at"] == {"N": str(int((SOON + timedelta(days=1)).timestamp()))}
    table.close(table.read(MAIN))
    assert set(item(world)) <= {"pk", "sk"}


GARBAGE = [
    {"shut_until": {"S": "soon"}, "failures": {"N": "1"}},
    {"shut_until": {"N": "5"}, "failures": {"N": "1"}},
    {"shut_until": {"NULL": True}, "failures": {"N": "1"}},
    {"shut_until": {"L": []}},
    {"shut_until": {"M": {"S": {"S": "x"}}}},
    {"shut_until": {"S": "2026-01-15T12:00:30.000Z"}, "failures": {"S": "many"}},
    {"shut_until": {"S": "2026-01-15T12:00:30.000Z"}, "failures": {"M": {}}},
    {"shut_until": {"S": "2026-01-15T12:00:30.000Z"}},
    {"failures": {"N": "1"}},
    {},
]


@pytest.mark.parametrize("garbage", GARBAGE, ids=[str(number) for number in range(len(GARBAGE))])
def test_breaker_ignores_and_replaces_invalid_items(
    table: DynamoDBBreakers, world: World, garbage: dict[str, Any]
) -> None:
    key = {"pk": {"S": "breaker#issuer#main"}, "sk": {"S": "breaker"}}
    world.operator.dynamodb.put_item(TableName=world.table, Item={**key, **garbage})
    seen = table.read(MAIN)
    assert seen == BreakerState(MAIN)
    assert table.open(seen, 1, LATER)
    assert table.read(MAIN) == BreakerState(MAIN, 1, LATER)


def test_breaker_reports_a_missing_table(world: World) -> None:
    breakers = DynamoDBBreakers(world.operator.dynamodb, "nowhere")
    with pytest.raises(Misconfigured, match="cannot look whether issuer main answers"):
        breakers.read(MAIN)
    with pytest.raises(Misconfigured, match="cannot note that issuer main does not answer"):
        breakers.open(BreakerState(MAIN), 1, SOON)
    with pytest.raises(Misconfigured, match="cannot note that issuer main answers again"):
        breakers.close(BreakerState(MAIN))
