"""Contract of the token buckets of ACME accounts: the emulator's table and the fake."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest

from evercert.aws.dynamodb.order_buckets import SOON, DynamoDBOrderBuckets
from evercert.contracts.order_buckets import OrderBuckets, OrderLimit
from evercert.deadline import CLOCK_TOLERANCE
from evercert.errors import Misconfigured
from tests.doubles.acme import FakeOrderBuckets
from tests.doubles.fakes import START
from tests.doubles.strict_aws import refuse
from tests.doubles.strict_dynamodb import FAILURES
from tests.doubles.world import World

ID, OTHER = "a" * 32, "b" * 32
APART = timedelta(seconds=36)
LIMIT = OrderLimit(5, APART)
MOMENT = timedelta(milliseconds=1)
EMPTIEST = timedelta(hours=6) + CLOCK_TOLERANCE


@pytest.fixture(params=["fake", "dynamodb"])
def buckets(request: pytest.FixtureRequest) -> OrderBuckets:
    if request.param == "fake":
        return FakeOrderBuckets()
    world: World = request.getfixturevalue("world")
    return DynamoDBOrderBuckets(world.operator.dynamodb, world.table)


def take(buckets: OrderBuckets, count: int, now: datetime = START, limit: OrderLimit = LIMIT) -> list[datetime | None]:
    return [buckets.take(ID, limit, now) for _ in range(count)]


def test_bucket_holds_its_capacity(buckets: OrderBuckets) -> None:
    assert take(buckets, 6) == [None] * 5 + [START + APART]


def test_bucket_of_one_token(buckets: OrderBuckets) -> None:
    only = OrderLimit(1, APART)
    assert take(buckets, 2, limit=only) == [None, START + APART]
    assert take(buckets, 1, START + APART - MOMENT, only) == [START + 2 * APART]
    assert take(buckets, 1, START + APART, only) == [None]


def test_buckets_of_accounts_are_independent(buckets: OrderBuckets) -> None:
    take(buckets, 6)
    assert buckets.take(OTHER, LIMIT, START) is None


def test_bucket_refills_one_token_at_a_time(buckets: OrderBuckets) -> None:
    take(buckets, 5)
    assert take(buckets, 1, START + APART - MOMENT) == [START + APART]
    assert take(buckets, 2, START + APART) == [None, START + 2 * APART]
    assert take(buckets, 3, START + 3 * APART)[:2] == [None, None]


def test_bucket_holds_no_more_than_its_capacity(buckets: OrderBuckets) -> None:
    take(buckets, 5)
    later = START + timedelta(days=3)
    assert take(buckets, 6, later) == [None] * 5 + [later + APART]


def test_callers_without_a_token_come_again_one_by_one(buckets: OrderBuckets) -> None:
    take(buckets, 5)
    assert take(buckets, 4) == [START + n * APART for n in (1, 2, 3, 4)]
    now = START + APART
    assert take(buckets, 2, now) == [None, START + 5 * APART]


def test_queue_that_is_over_begins_at_the_next_token(buckets: OrderBuckets) -> None:
    take(buckets, 8)
    now = START + timedelta(hours=1)
    assert take(buckets, 6, now) == [None] * 5 + [now + APART]


def test_queue_longer_than_a_day_begins_again(buckets: OrderBuckets) -> None:
    slow = OrderLimit(2, timedelta(hours=6))
    times = take(buckets, 8, limit=slow)
    assert times == [None, None, *[START + n * timedelta(hours=6) for n in (1, 2, 3, 4, 5)], START + timedelta(hours=6)]


def test_caller_with_a_slow_clock_takes_no_extra_token(buckets: OrderBuckets) -> None:
    take(buckets, 5)
    before = START - timedelta(minutes=5)
    assert take(buckets, 1, before) == [START + APART]
    assert take(buckets, 1) == [START + 2 * APART]


@pytest.mark.parametrize(
    ("ahead", "believed"), [(EMPTIEST, True), (EMPTIEST + MOMENT, False), (timedelta(days=9), False)]
)
def test_bucket_of_a_wrong_clock_is_discarded(buckets: OrderBuckets, ahead: timedelta, believed: bool) -> None:
    """A discarded bucket counts as empty: an order too few is better than one that the CA refuses."""
    at = START + ahead - APART
    take(buckets, 1, at)
    if believed:
        assert take(buckets, 1) == [START + ahead - 4 * APART]
    else:
        assert take(buckets, 3) == [None, START + APART, START + 2 * APART]


def test_bucket_with_a_long_span_is_believed(buckets: OrderBuckets) -> None:
    weekly = OrderLimit(7, timedelta(days=1))
    assert take(buckets, 8, limit=weekly) == [None] * 7 + [START + timedelta(days=1)]


def test_bucket_is_taken_by_many_runs_at_once(buckets: OrderBuckets) -> None:
    limit = OrderLimit(20, APART)
    with ThreadPoolExecutor(30) as threads:
        found = list(threads.map(lambda _: buckets.take(ID, limit, START), range(60)))
    assert found.count(None) == 20
    assert sorted(at for at in found if at is not None) == [START + n * APART for n in range(1, 41)]


def test_bucket_is_taken_by_clocks_that_differ(buckets: OrderBuckets) -> None:
    """A token for each interval of the fastest clock, and no more."""
    limit, step = OrderLimit(10, APART), timedelta(seconds=1)
    with ThreadPoolExecutor(20) as threads:
        found = list(threads.map(lambda n: buckets.take(ID, limit, START + n % 40 * step), range(80)))
    assert 10 <= found.count(None) <= 11


# -- DynamoDB only ----------------------------------------------------------------------------------------------------
KEY = {"pk": {"S": f"acme-orders#{ID}"}, "sk": {"S": "bucket"}}
SPOILED: list[dict[str, Any]] = [
    {"S": "soon"}, {"NULL": True}, {"B": b"\xff"}, {"BOOL": True}, {"SS": ["a"]}, {"NS": ["1"]}, {"L": []}, {"M": {}},
    {"N": "9.99E+125"}, {"N": "1E+60"},
]  # fmt: skip


@pytest.fixture
def table(world: World) -> DynamoDBOrderBuckets:
    return DynamoDBOrderBuckets(world.operator.dynamodb, world.table)


def milliseconds(at: datetime) -> dict[str, str]:
    return {"N": str(int(at.timestamp() * 1_000))}


def test_bucket_item_expires_after_its_queue(table: DynamoDBOrderBuckets, world: World) -> None:
    expires = {"N": str(int((START + timedelta(days=2)).timestamp()))}
    table.take(ID, LIMIT, START)
    assert world.items() == [{**KEY, "full_at": milliseconds(START + APART), "expires_at": expires}]
    take(table, 5)
    queued = milliseconds(START + APART)
    assert world.items() == [
        {**KEY, "full_at": milliseconds(START + 5 * APART), "queued_until": queued, "expires_at": expires}
    ]


def test_interval_is_rounded_up(table: DynamoDBOrderBuckets, world: World) -> None:
    table.take(ID, OrderLimit(7, timedelta(seconds=1) / 7), START)
    assert world.items()[0]["full_at"] == milliseconds(START + timedelta(milliseconds=143))


def test_bucket_that_does_not_parse_counts_as_empty(table: DynamoDBOrderBuckets, world: World) -> None:
    for spoiled in SPOILED:
        item = {**KEY, "full_at": spoiled, "queued_until": spoiled}
        world.operator.dynamodb.put_item(TableName=world.table, Item=item)
        assert take(table, 3) == [None, START + APART, START + 2 * APART], spoiled


def test_bucket_in_the_past_is_full(table: DynamoDBOrderBuckets, world: World) -> None:
    for full_at in ({"N": "-5"}, {"N": "0"}, {"N": "-9E+100"}):
        world.operator.dynamodb.put_item(TableName=world.table, Item={**KEY, "full_at": full_at})
        assert take(table, 6) == [None] * 5 + [START + APART]


def test_bucket_is_replaced_only_as_it_was_stored(table: DynamoDBOrderBuckets, world: World) -> None:
    """One of many runs that meet a value of a wrong clock takes the last token."""
    world.operator.dynamodb.put_item(
        TableName=world.table, Item={**KEY, "full_at": milliseconds(START + 99 * EMPTIEST)}
    )
    with ThreadPoolExecutor(10) as threads:
        found = list(threads.map(lambda _: table.take(ID, LIMIT, START), range(10)))
    assert found.count(None) == 1


def test_bucket_that_another_run_replaced_stays(table: DynamoDBOrderBuckets, world: World) -> None:
    """The other run replaces the value between the reading and the writing of this one."""
    world.operator.dynamodb.put_item(
        TableName=world.table, Item={**KEY, "full_at": milliseconds(START + 99 * EMPTIEST)}
    )
    others: list[datetime | None] = []

    class Overtaken:
        def __getattr__(self, name: str) -> Callable[..., Any]:
            return getattr(world.operator.dynamodb, name)  # type: ignore[no-any-return]

        def get_item(self, **arguments: Any) -> Any:
            answer = world.operator.dynamodb.get_item(**arguments)
            if not others:
                others.append(table.take(ID, LIMIT, START))
            return answer

    late = DynamoDBOrderBuckets(Overtaken(), world.table)  # type: ignore[arg-type]
    assert late.take(ID, LIMIT, START) == START + APART
    assert others == [None]


def test_bucket_that_changes_all_the_time_is_put_off(
    table: DynamoDBOrderBuckets, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def overtaken(**_: Any) -> Any:
        raise refuse("ConditionalCheckFailedException", "UpdateItem", "no")

    world.operator.dynamodb.put_item(TableName=world.table, Item={**KEY, "full_at": {"S": "soon"}})
    monkeypatch.setattr(world.operator.dynamodb, "update_item", overtaken)
    assert table.take(ID, LIMIT, START) == START + SOON


@pytest.mark.parametrize("name", ["update_item", "get_item"])
@pytest.mark.parametrize(("code", "kind"), FAILURES)
def test_bucket_errors_name_the_operation(
    table: DynamoDBOrderBuckets,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    code: str,
    kind: type[Exception],
) -> None:
    def refused(**_: Any) -> Any:
        raise refuse(code, "UpdateItem", "no")

    take(table, 5)
    monkeypatch.setattr(world.operator.dynamodb, name, refused)
    with pytest.raises(kind, match=f"^cannot take a token for an order of an ACME account: {code}: no"):
        table.take(ID, LIMIT, START)


def test_buckets_report_a_missing_table(world: World) -> None:
    with pytest.raises(Misconfigured, match="cannot take a token for an order of an ACME account"):
        DynamoDBOrderBuckets(world.operator.dynamodb, "nowhere").take(ID, LIMIT, START)


def test_bucket_writes_carry_a_condition(world: World) -> None:
    sent: list[str] = []

    class Recorded:
        def __getattr__(self, name: str) -> Callable[..., Any]:
            def call(**arguments: Any) -> Any:
                if name != "get_item":
                    sent.append(arguments["ConditionExpression"])
                return getattr(world.operator.dynamodb, name)(**arguments)

            return call

    take(DynamoDBOrderBuckets(Recorded(), world.table), 7)  # type: ignore[arg-type]
    assert len(sent) > 10
    assert all(sent)
