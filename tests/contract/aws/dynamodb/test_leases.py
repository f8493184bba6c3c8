"""Contract of leases: the emulator's table and the fake."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from evercert.aws.dynamodb.leases import DynamoDBLeases
from evercert.contracts.solver import LONGEST_LEASE, Leases
from evercert.deadline import CLOCK_TOLERANCE
from evercert.errors import Misconfigured, Throttled, Unavailable
from tests.doubles.fakes import START
from tests.doubles.route53 import FakeLeases
from tests.doubles.strict_aws import refuse
from tests.doubles.world import World

NAME, OTHER = "Z1#_acme-challenge.example.com", "Z2#_acme-challenge.example.com"
UNTIL = START + LONGEST_LEASE
MOMENT = timedelta(milliseconds=1)


@pytest.fixture(params=["fake", "dynamodb"])
def leases(request: pytest.FixtureRequest) -> Leases:
    if request.param == "fake":
        return FakeLeases()
    world: World = request.getfixturevalue("world")
    return DynamoDBLeases(world.operator.dynamodb, world.table)


def test_lease_has_one_owner(leases: Leases) -> None:
    assert leases.take(NAME, "a", START, UNTIL)
    assert not leases.take(NAME, "b", START, UNTIL)
    assert not leases.take(NAME, "a", START, UNTIL)
    assert leases.take(OTHER, "b", START, UNTIL)


def test_lease_is_free_after_its_release(leases: Leases) -> None:
    assert leases.take(NAME, "a", START, UNTIL)
    leases.release(NAME, "a")
    assert leases.take(NAME, "b", START, UNTIL)


def test_lease_ends_by_itself(leases: Leases) -> None:
    assert leases.take(NAME, "a", START, UNTIL)
    assert not leases.take(NAME, "b", UNTIL - MOMENT, UNTIL)
    assert leases.take(NAME, "b", UNTIL, UNTIL + LONGEST_LEASE)


def test_lease_of_another_owner_is_not_released(leases: Leases) -> None:
    assert leases.take(NAME, "a", START, UNTIL)
    leases.release(NAME, "b")
    assert not leases.take(NAME, "b", START, UNTIL)
    assert leases.take(NAME, "b", UNTIL, UNTIL + LONGEST_LEASE)
    leases.release(NAME, "a")  # late
    assert not leases.take(NAME, "c", UNTIL, UNTIL + LONGEST_LEASE)


def test_missing_lease_may_be_released(leases: Leases) -> None:
    leases.release(NAME, "a")
    assert leases.take(NAME, "a", START, UNTIL)


def test_lease_is_at_most_a_minute(leases: Leases) -> None:
    with pytest.raises(ValueError):
        leases.take(NAME, "a", START, UNTIL + MOMENT)


def test_lease_of_a_wrong_clock_does_not_count(leases: Leases) -> None:
    late = START + LONGEST_LEASE + CLOCK_TOLERANCE
    assert leases.take(NAME, "a", late, late + MOMENT)
    assert leases.take(NAME, "b", START, UNTIL)


def test_lease_of_a_fast_clock_counts(leases: Leases) -> None:
    ahead = START + CLOCK_TOLERANCE
    assert leases.take(NAME, "a", ahead, ahead + LONGEST_LEASE)
    assert not leases.take(NAME, "b", START, UNTIL)


# -- DynamoDB only ----------------------------------------------------------------------------------------------------
KEY = {"pk": {"S": f"lease#{NAME}"}, "sk": {"S": "lease"}}
CALLS: dict[str, Callable[[DynamoDBLeases], Any]] = {
    "take": lambda leases: leases.take(NAME, "a", START, UNTIL),
    "release": lambda leases: leases.release(NAME, "a"),
}


@pytest.fixture
def table(world: World) -> DynamoDBLeases:
    return DynamoDBLeases(world.operator.dynamodb, world.table)


def test_lease_item_expires_a_day_later(table: DynamoDBLeases, world: World) -> None:
    table.take(NAME, "a", START, UNTIL)
    second = int(UNTIL.timestamp())
    assert world.items() == [
        {**KEY, "owner": {"S": "a"}, "until": {"N": f"{second}000"}, "expires_at": {"N": str(second + 86_400)}}
    ]
    table.release(NAME, "a")
    assert world.items() == [{**KEY, "expires_at": {"N": str(second + 86_400)}}]


@pytest.mark.parametrize("spoiled", [None, {"S": "2030"}, {"NULL": True}, {"N": "9E+100"}, {"NS": ["1"]}], ids=str)
def test_lease_that_does_not_parse_is_free(table: DynamoDBLeases, world: World, spoiled: dict[str, Any] | None) -> None:
    item = {**KEY, "owner": {"S": "a"}, **({"until": spoiled} if spoiled else {})}
    world.operator.dynamodb.put_item(TableName=world.table, Item=item)
    assert table.take(NAME, "b", START, UNTIL)
    assert not table.take(NAME, "c", START, UNTIL)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("ThrottlingException", Throttled),
        ("InternalServerError", Unavailable),
        ("AccessDeniedException", Misconfigured),
    ],
)
def test_lease_errors_name_the_operation(
    table: DynamoDBLeases, world: World, monkeypatch: pytest.MonkeyPatch, call: str, code: str, kind: type[Exception]
) -> None:
    def refused(**_: Any) -> Any:
        raise refuse(code, "PutItem", "no")

    for name in ("put_item", "update_item"):
        monkeypatch.setattr(world.operator.dynamodb, name, refused)
    with pytest.raises(kind, match=f"^cannot {call} the lease of {NAME}: {code}: no"):
        CALLS[call](table)


def test_lease_writes_carry_a_condition(world: World) -> None:
    sent = []

    class Recorded:
        def __getattr__(self, name: str) -> Any:
            def call(**arguments: Any) -> Any:
                sent.append((name, arguments["ConditionExpression"]))
                return getattr(world.operator.dynamodb, name)(**arguments)

            return call

    leases: Any = DynamoDBLeases(Recorded(), world.table)  # type: ignore[arg-type]
    leases.take(NAME, "a", START, UNTIL)
    leases.release(NAME, "a")
    assert sent == [
        ("put_item", "NOT attribute_type(#until, :number) OR #until <= :now OR #until > :never"),
        ("update_item", "#owner = :owner"),
    ]
