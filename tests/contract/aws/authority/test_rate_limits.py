"""Contract of the token buckets of the ACME server: the emulator's table and the double."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from evercert.authority.acme.limits import Buckets
from evercert.authority.configuration.acme_limits import Rate
from evercert.aws.authority.rate_limits import DynamoDBBuckets
from tests.doubles.acme_storage import FakeBuckets
from tests.doubles.fakes import START
from tests.doubles.world import World

RATE = Rate(at_most=10, per=timedelta(hours=1))
MINUTE = timedelta(minutes=1)


@pytest.fixture(params=["fake", "dynamodb"])
def buckets(request: pytest.FixtureRequest) -> Buckets:
    if request.param == "fake":
        return FakeBuckets()
    return DynamoDBBuckets(request.getfixturevalue("world").operator.dynamodb, request.getfixturevalue("table"))


def test_full_bucket_has_all_tokens_and_no_more(buckets: Buckets) -> None:
    assert [buckets.take("a", 1, RATE, START) for _ in range(10)] == [None] * 10
    assert buckets.take("a", 1, RATE, START) == START + 6 * MINUTE
    assert buckets.take("b", 1, RATE, START) is None


def test_tokens_come_back_evenly(buckets: Buckets) -> None:
    assert buckets.take("a", 10, RATE, START) is None
    assert buckets.take("a", 3, RATE, START) == START + 18 * MINUTE
    assert buckets.take("a", 3, RATE, START + 17 * MINUTE) == START + 18 * MINUTE
    assert buckets.take("a", 3, RATE, START + 18 * MINUTE) is None
    assert buckets.take("a", 1, RATE, START + 18 * MINUTE) == START + 24 * MINUTE


def test_refused_request_takes_nothing(buckets: Buckets) -> None:
    assert buckets.take("a", 8, RATE, START) is None
    assert buckets.take("a", 5, RATE, START) is not None
    assert buckets.take("a", 2, RATE, START) is None


def test_full_bucket_is_enough_for_any_request(buckets: Buckets) -> None:
    assert buckets.take("a", 100, RATE, START) is None
    assert buckets.take("a", 100, RATE, START) == START + 60 * MINUTE
    assert buckets.take("a", 100, RATE, START + 60 * MINUTE) is None


def test_callers_at_the_same_time_get_no_token_twice(world: World, table: str) -> None:
    with ThreadPoolExecutor(8) as threads:
        found = list(
            threads.map(lambda _: DynamoDBBuckets(world.operator.dynamodb, table).take("a", 1, RATE, START), range(30))
        )
    assert found.count(None) == 10


def test_bucket_of_a_wrong_clock_begins_again(world: World, table: str) -> None:
    buckets = DynamoDBBuckets(world.operator.dynamodb, table)
    buckets.take("a", 10, RATE, START + timedelta(days=365))
    assert [buckets.take("a", 5, RATE, START) for _ in range(3)] == [None, None, START + 30 * MINUTE]
