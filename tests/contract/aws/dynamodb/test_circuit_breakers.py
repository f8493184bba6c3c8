"""Contract of the circuit breaker store: the emulator's table and the fake."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from evercert.aws.dynamodb.circuit_breakers import DynamoDBBreakers
from evercert.contracts.ports import BreakerState, BreakerStore
from evercert.errors import Misconfigured, Slowed, Throttled, Unavailable
from evercert.issuance.circuit_breaker import LONGEST_TURN, PACES, SLOW_FOR, STEPS, Breaker
from evercert.timestamps import to_text
from tests.doubles.fakes import START, FakeBreakers
from tests.doubles.strict_aws import refuse
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


PACE, WITHIN = timedelta(milliseconds=100), timedelta(milliseconds=250)


def test_pace_is_seen_by_all_callers_of_its_service(breakers: BreakerStore) -> None:
    assert breakers.slow_down(breakers.read(MAIN), PACE, SOON)
    assert breakers.read(MAIN) == BreakerState(MAIN, apart=PACE, slow_until=SOON)
    assert breakers.read("issuer other") == BreakerState("issuer other")


def test_pace_is_slowed_by_one_of_two_callers(breakers: BreakerStore) -> None:
    seen = breakers.read(MAIN)
    assert breakers.slow_down(seen, PACE, SOON)
    assert not breakers.slow_down(seen, 2 * PACE, LATER)
    assert breakers.slow_down(breakers.read(MAIN), 2 * PACE, LATER)
    assert breakers.read(MAIN) == BreakerState(MAIN, apart=2 * PACE, slow_until=LATER)


def test_pace_stored_by_a_wrong_clock_is_replaced(breakers: BreakerStore) -> None:
    seen = breakers.read(MAIN)
    breakers.slow_down(seen, PACE, SOON + timedelta(days=9))
    assert breakers.slow_down(seen, PACE, SOON)
    assert breakers.read(MAIN).slow_until == SOON


def test_pace_and_outage_are_independent(breakers: BreakerStore) -> None:
    breakers.open(breakers.read(MAIN), 1, SOON)
    breakers.slow_down(breakers.read(MAIN), PACE, LATER)
    assert breakers.read(MAIN) == BreakerState(MAIN, 1, SOON, PACE, LATER)
    breakers.close(breakers.read(MAIN))
    assert breakers.read(MAIN) == BreakerState(MAIN, apart=PACE, slow_until=LATER)


def test_turns_are_apart_and_end_at_the_limit(breakers: BreakerStore) -> None:
    state = BreakerState(MAIN, apart=PACE, slow_until=LATER)
    turns = [breakers.take_turn(state, START, WITHIN) for _ in range(4)]
    assert turns == [START, START + PACE, START + 2 * PACE, None]
    assert breakers.take_turn(state, START + PACE, WITHIN) == START + 3 * PACE
    assert breakers.take_turn(state, LATER, WITHIN) == LATER


def test_turn_stored_by_a_wrong_clock_is_replaced(breakers: BreakerStore) -> None:
    state = BreakerState(MAIN, apart=PACE, slow_until=LATER)
    breakers.take_turn(state, START + timedelta(hours=1), WITHIN)
    assert breakers.take_turn(state, START, WITHIN) == START


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


VALUES: list[dict[str, Any]] = [
    *({"S": text} for text in ("", "NaN", "9999-12-31T23:59:59.999Z", "2026-02-30T00:00:00.000Z", "x" * 5_000)),
    *({"N": number} for number in ("-1", "0.5", "9.99E+125", "-9.99E+125", "1E-130", "9" * 38)),
    *({"B": b"\xff"}, {"BOOL": True}, {"NULL": True}, {"SS": ["a", "b"]}, {"NS": ["1", "2"]}, {"BS": [b"\xff"]}),
    *({"L": [{"L": [{"M": {}}]}]}, {"M": {"a": {"B": b""}}}),
]
GARBAGE += [{"shut_until": value, "failures": {"N": "1"}} for value in VALUES if "9999" not in str(value)]
GARBAGE += [
    {"shut_until": {"S": "2026-01-15T12:00:30.000Z"}, "failures": value}
    for value in VALUES
    if value not in ({"N": "0.5"}, {"N": "1E-130"})
]


def test_breaker_ignores_and_replaces_invalid_items(table: DynamoDBBreakers, world: World) -> None:
    key = {"pk": {"S": "breaker#issuer#main"}, "sk": {"S": "breaker"}}
    for garbage in GARBAGE:
        world.operator.dynamodb.put_item(TableName=world.table, Item={**key, **garbage})
        seen = table.read(MAIN)
        assert seen == BreakerState(MAIN), garbage
        assert table.open(seen, 1, LATER), garbage
        assert table.read(MAIN) == BreakerState(MAIN, 1, LATER)


def test_breaker_admits_calls_whatever_is_stored(table: DynamoDBBreakers, world: World) -> None:
    """Each spoiled value delays no run beyond the longest pause of a breaker."""
    key = {"pk": {"S": "breaker#issuer#main"}, "sk": {"S": "breaker"}}
    breaker = Breaker(table, lambda: START, lambda _: None)
    for value in VALUES:
        for name in ("shut_until", "failures"):
            spoiled = {"shut_until": {"S": to_text(START)}, "failures": {"N": "1"}, name: value}
            world.operator.dynamodb.put_item(TableName=world.table, Item={**key, **spoiled})
            with breaker.watch(breaker.admit(MAIN, "uid")):
                pass
            world.operator.dynamodb.put_item(TableName=world.table, Item={**key, **spoiled})
            with pytest.raises(Unavailable, match="down"), breaker.watch(breaker.admit(MAIN, "uid")):
                raise Unavailable("down")
            assert START < table.read(MAIN).open_until <= START + STEPS[-1]


def test_slow_service_is_called_whatever_is_stored(table: DynamoDBBreakers, world: World) -> None:
    """Each spoiled value of a pace delays no run beyond a turn, and the next throttle replaces it."""
    key = {"pk": {"S": "breaker#issuer#main"}, "sk": {"S": "breaker"}}
    slept: list[timedelta] = []
    breaker = Breaker(table, lambda: START, slept.append)
    for value in VALUES:
        for name in ("slow_until", "apart", "next_free"):
            spoiled = {"slow_until": {"S": to_text(SOON)}, "apart": {"N": "100"}, name: value}
            world.operator.dynamodb.put_item(TableName=world.table, Item={**key, **spoiled})
            with breaker.watch(breaker.admit(MAIN, "uid")):
                pass
            with pytest.raises(Slowed), breaker.watch(breaker.admit(MAIN, "uid")):
                raise Throttled("too many requests")
            found = table.read(MAIN)
            assert timedelta(0) < found.apart <= PACES[-1], (name, value)
            assert START < found.slow_until <= START + SLOW_FOR, (name, value)
    assert all(timedelta(0) <= span <= LONGEST_TURN for span in slept)


def test_breaker_that_cannot_be_reset_is_closed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """DynamoDB may refuse the write for any reason; the service must not be lost to all certificates."""
    client = world.operator.dynamodb
    client.put_item(
        TableName=world.table,
        Item={"pk": {"S": "breaker#issuer#main"}, "sk": {"S": "breaker"}, "shut_until": {"B": b"x"}},
    )

    def refused(**_: Any) -> Any:
        raise refuse("ValidationException", "UpdateItem")

    monkeypatch.setattr(client, "update_item", refused)
    breakers = DynamoDBBreakers(client, world.table)
    assert breakers.read(MAIN) == BreakerState(MAIN)
    breaker = Breaker(breakers, lambda: START, lambda _: None)
    with pytest.raises(Unavailable, match="down"), breaker.watch(breaker.admit(MAIN, "uid")):
        raise Unavailable("down")


def test_breaker_reports_a_missing_table(world: World) -> None:
    breakers = DynamoDBBreakers(world.operator.dynamodb, "nowhere")
    with pytest.raises(Misconfigured, match="cannot read the circuit breaker of issuer main"):
        breakers.read(MAIN)
    with pytest.raises(Misconfigured, match="cannot open the circuit breaker of issuer main"):
        breakers.open(BreakerState(MAIN), 1, SOON)
    with pytest.raises(Misconfigured, match="cannot close the circuit breaker of issuer main"):
        breakers.close(BreakerState(MAIN))
