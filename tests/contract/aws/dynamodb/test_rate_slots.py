"""Contract of the rate limiter: the emulator's table and the fake."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from evercert.aws.dynamodb.rate_slots import DynamoDBRateSlots
from evercert.contracts.ports import RateLimiter, RateSlot
from evercert.errors import Misconfigured
from tests.doubles.fakes import START, FakePace
from tests.doubles.strict_aws import refuse
from tests.doubles.world import World

ACM = "acm 111122223333 eu-central-1"
SECOND = timedelta(seconds=1)


@pytest.fixture(params=["fake", "dynamodb"])
def rate_limiter(request: pytest.FixtureRequest) -> RateLimiter:
    if request.param == "fake":
        return FakePace()
    world: World = request.getfixturevalue("world")
    return DynamoDBRateSlots(world.operator.dynamodb, world.table)


def test_slots_are_one_second_apart(rate_limiter: RateLimiter) -> None:
    assert [rate_limiter.take(ACM, START).at for _ in range(4)] == [START + n * SECOND for n in range(4)]


def test_slots_of_services_are_independent(rate_limiter: RateLimiter) -> None:
    rate_limiter.take(ACM, START)
    other = rate_limiter.take("acm 111122223333 us-east-1", START)
    assert (other.at, other.used) == (START, 1)


@pytest.mark.parametrize("later", [timedelta(seconds=1), timedelta(milliseconds=1_001), timedelta(days=1)])
def test_slot_after_a_gap_is_immediate(rate_limiter: RateLimiter, later: timedelta) -> None:
    rate_limiter.take(ACM, START)
    assert rate_limiter.take(ACM, START + later).at == START + later


def test_slot_half_a_second_later_waits(rate_limiter: RateLimiter) -> None:
    rate_limiter.take(ACM, START)
    assert rate_limiter.take(ACM, START + SECOND / 2).at == START + SECOND


def test_slot_for_a_slow_clock_joins_the_queue(rate_limiter: RateLimiter) -> None:
    rate_limiter.take(ACM, START)
    assert rate_limiter.take(ACM, START - timedelta(minutes=5)).at == START + SECOND


@pytest.mark.parametrize(
    ("ahead", "believed"),
    [(timedelta(hours=5), True), (timedelta(hours=6, minutes=1), False), (timedelta(days=3_650), False)],
)
def test_slot_queue_longer_than_six_hours_is_discarded(
    rate_limiter: RateLimiter, ahead: timedelta, believed: bool
) -> None:
    rate_limiter.take(ACM, START + ahead)
    at = START + ahead + SECOND if believed else START
    assert [rate_limiter.take(ACM, START).at for _ in range(2)] == [at, at + SECOND]


def test_write_count_of_a_year_covers_every_month_end(rate_limiter: RateLimiter) -> None:
    """Counts at least the last 365 days, and nothing older than the months that contain them."""
    taken = []
    for number in range(0, 800, 9):
        now = START + timedelta(days=number)
        taken.append(now)
        used = rate_limiter.take(ACM, now).used
        assert sum(at > now - timedelta(days=365) for at in taken) <= used
        assert used <= sum(at > now - timedelta(days=365 + 31) for at in taken)


def test_slot_that_is_given_back_is_not_counted(rate_limiter: RateLimiter) -> None:
    slots = [rate_limiter.take(ACM, START) for _ in range(3)]
    rate_limiter.give_back(ACM, slots[1].at)
    assert rate_limiter.take(ACM, START) == RateSlot(START + 3 * SECOND, 3)
    assert rate_limiter.take("acm 111122223333 us-east-1", START).used == 1


def test_write_count_is_never_below_zero(rate_limiter: RateLimiter) -> None:
    rate_limiter.give_back(ACM, START)
    rate_limiter.give_back(ACM, rate_limiter.take(ACM, START).at)
    rate_limiter.give_back(ACM, START)
    assert rate_limiter.take(ACM, START).used == 1


# -- DynamoDB only ----------------------------------------------------------------------------------------------------
@pytest.fixture
def table(world: World) -> DynamoDBRateSlots:
    return DynamoDBRateSlots(world.operator.dynamodb, world.table)


def item(world: World) -> dict[str, Any]:
    (found,) = [item for item in world.items() if item["pk"]["S"].startswith("pace#")]
    return found


def test_slots_are_unique_across_threads(table: DynamoDBRateSlots) -> None:
    with ThreadPoolExecutor(30) as threads:
        turns = list(threads.map(lambda _: table.take(ACM, START), range(60)))
    assert sorted(turn.at for turn in turns) == [START + n * SECOND for n in range(60)]
    assert sorted(turn.used for turn in turns) == list(range(1, 61))


def test_slots_taken_and_given_back_at_once_are_counted(table: DynamoDBRateSlots, world: World) -> None:
    def fail(_: int) -> None:
        table.give_back(ACM, table.take(ACM, START).at)

    table.take(ACM, START)  # so that the count is never 0, which moto takes for no count
    with ThreadPoolExecutor(30) as threads:
        failed, _ = threads.map(fail, range(30)), threads.map(lambda _: table.take(ACM, START), range(30))
        list(failed)
    assert item(world)["m2026_01"] == {"N": "31"}


def test_slots_are_unique_across_differing_clocks(table: DynamoDBRateSlots) -> None:
    with ThreadPoolExecutor(10) as threads:
        turns = list(threads.map(lambda n: table.take(ACM, START + timedelta(milliseconds=37 * n)).at, range(60)))
    turns.sort()
    assert all(after - before >= SECOND for before, after in pairwise(turns))


def test_slot_item_is_per_account_and_region_without_old_months(table: DynamoDBRateSlots, world: World) -> None:
    for month in range(30):
        table.take(ACM, START + timedelta(days=31 * month))
    found = item(world)
    assert found["pk"]["S"] == "pace#acm#111122223333#eu-central-1"
    assert len([name for name in found if name.startswith("m2")]) == 13


NUMBERS = [{"N": number} for number in ("-5", "-9.99E+125", "9.99E+125", "1E+60", "1E+37")]
OTHERS = [
    {"S": "soon"},
    {"NULL": True},
    {"B": b"\xff"},
    {"BOOL": True},
    {"SS": ["a"]},
    {"NS": ["1"]},
    {"L": []},
    {"M": {}},
]


def test_slot_queue_restarts_after_an_invalid_value(table: DynamoDBRateSlots, world: World) -> None:
    table.take(ACM, START)
    for number, spoiled in enumerate([*NUMBERS, *OTHERS]):
        world.operator.dynamodb.put_item(TableName=world.table, Item={**item(world), "next_free": spoiled})
        slots = [table.take(ACM, START) for _ in range(2)]
        assert [slot.at for slot in slots] == [START, START + SECOND], spoiled
        assert [slot.used for slot in slots] == [2 * number + 2, 2 * number + 3], spoiled


def test_write_count_ignores_an_invalid_month(table: DynamoDBRateSlots, world: World) -> None:
    for number, spoiled in enumerate([*NUMBERS, *OTHERS]):
        months = {"m2025_12": spoiled, "m2025_11": {"N": "2"}}
        world.operator.dynamodb.put_item(
            TableName=world.table, Item={**(item(world) if number else pace_key()), **months}
        )
        assert table.take(ACM, START).used == number + 3, spoiled


def test_write_count_restarts_after_an_invalid_month(table: DynamoDBRateSlots, world: World) -> None:
    table.take(ACM, START)
    for number, spoiled in enumerate([*NUMBERS, *OTHERS]):
        world.operator.dynamodb.put_item(TableName=world.table, Item={**item(world), "m2026_01": spoiled})
        slots = [table.take(ACM, START + timedelta(minutes=number)) for _ in range(2)]
        assert [slot.used for slot in slots] == [1, 2], spoiled


def test_invalid_write_count_is_not_subtracted_from(table: DynamoDBRateSlots, world: World) -> None:
    table.take(ACM, START)
    for spoiled in [*NUMBERS, *OTHERS, {"N": "0"}]:
        world.operator.dynamodb.put_item(TableName=world.table, Item={**item(world), "m2026_01": spoiled})
        stored = item(world)
        table.give_back(ACM, START)
        assert item(world) == stored


@pytest.mark.parametrize("why", ["more than 38 significant digits", "Item size to update has exceeded the maximum"])
def test_slot_item_that_dynamodb_refuses_is_replaced(
    table: DynamoDBRateSlots, world: World, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    stored = {**pace_key(), "next_free": {"N": "5"}, "m2026_01": {"N": "0.3"}, "m2025_12": {"N": "4"}, "x": {"S": "x"}}
    world.operator.dynamodb.put_item(TableName=world.table, Item=stored)

    def refused(**_: Any) -> Any:  # as DynamoDB does and the emulator does not
        raise refuse("ValidationException", "UpdateItem", why)

    with monkeypatch.context() as patched:
        patched.setattr(world.operator.dynamodb, "update_item", refused)
        slot = table.take(ACM, START)
    assert (slot.at, slot.used) == (START, 5)
    assert "x" not in item(world)
    assert table.take(ACM, START) == RateSlot(START + SECOND, 6)


def test_slot_item_is_replaced_only_as_it_was_stored(
    table: DynamoDBRateSlots, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoiled = {**pace_key(), "next_free": {"S": "soon"}}
    world.operator.dynamodb.put_item(TableName=world.table, Item=spoiled)
    client, put = world.operator.dynamodb, world.operator.dynamodb.put_item

    def overtaken(**arguments: Any) -> Any:
        patched.undo()
        table.take(ACM, START)  # another run is faster
        return put(**arguments)

    with monkeypatch.context() as patched:
        patched.setattr(client, "put_item", overtaken)
        assert table.take(ACM, START) == RateSlot(START + SECOND, 2)


def test_slot_that_dynamodb_refuses_to_give_back_stays_counted(
    table: DynamoDBRateSlots, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(**_: Any) -> Any:  # as DynamoDB does and the emulator does not
        raise refuse("ValidationException", "UpdateItem", "more than 38 significant digits")

    table.take(ACM, START)
    with monkeypatch.context() as patched:
        patched.setattr(world.operator.dynamodb, "update_item", refused)
        table.give_back(ACM, START)
    assert table.take(ACM, START).used == 2


def pace_key() -> dict[str, Any]:
    return {"pk": {"S": "pace#acm#111122223333#eu-central-1"}, "sk": {"S": "pace"}}


def test_slots_report_a_missing_table(world: World) -> None:
    with pytest.raises(Misconfigured, match=f"cannot take a rate slot of {ACM}"):
        DynamoDBRateSlots(world.operator.dynamodb, "nowhere").take(ACM, START)
    with pytest.raises(Misconfigured, match=f"cannot give back a rate slot of {ACM}"):
        DynamoDBRateSlots(world.operator.dynamodb, "nowhere").give_back(ACM, START)
