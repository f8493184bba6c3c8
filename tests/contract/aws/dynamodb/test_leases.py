"""Contract of leases: the emulator's table and the fake."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from evercert.aws.dynamodb.leases import DynamoDBLeases
from evercert.contracts.solver import LONGEST_LEASE, Lease, LeasedValue, Leases
from evercert.deadline import CLOCK_TOLERANCE
from evercert.errors import Misconfigured, Throttled, Unavailable
from tests.doubles.fakes import START
from tests.doubles.route53 import FakeLeases
from tests.doubles.strict_aws import refuse
from tests.doubles.world import World

NAME, OTHER = "Z1#_acme-challenge.example.com", "Z2#_acme-challenge.example.com"
UNTIL, ENDS = START + LONGEST_LEASE, START + timedelta(hours=1)
MOMENT = timedelta(milliseconds=1)


@pytest.fixture(params=["fake", "dynamodb"])
def leases(request: pytest.FixtureRequest) -> Leases:
    if request.param == "fake":
        return FakeLeases()
    world: World = request.getfixturevalue("world")
    return DynamoDBLeases(world.operator.dynamodb, world.table)


def lease(owner: str, until: datetime = UNTIL, resource: str = NAME, text: str = "", ends: datetime = ENDS) -> Lease:
    """Return a lease with one value, by default one that its owner alone has."""
    return Lease(resource, owner, until, frozenset({LeasedValue(text or f"value of {owner}", ends)}))


def take(leases: Leases, owner: str, now: datetime = START, until: datetime = UNTIL, **more: Any) -> list[str] | None:
    """Take a lease; return the texts of its values."""
    found = leases.take(lease(owner, until, **more), now)
    return None if found is None else sorted(value.text for value in found.values)


def test_lease_has_one_owner(leases: Leases) -> None:
    assert take(leases, "a") == ["value of a"]
    assert take(leases, "b") is None
    assert take(leases, "a") is None
    assert take(leases, "b", resource=OTHER) == ["value of b"]


def test_lease_is_free_after_its_release(leases: Leases) -> None:
    take(leases, "a")
    leases.release(lease("a"), lease("a").values)
    assert take(leases, "b") == ["value of b"]


def test_lease_ends_by_itself(leases: Leases) -> None:
    take(leases, "a")
    assert take(leases, "b", UNTIL - MOMENT) is None
    assert take(leases, "b", UNTIL, UNTIL + LONGEST_LEASE) == ["value of a", "value of b"]


def test_lease_of_another_owner_is_not_released(leases: Leases) -> None:
    take(leases, "a")
    leases.release(lease("b"), ())
    assert take(leases, "b") is None
    take(leases, "b", UNTIL, UNTIL + LONGEST_LEASE)
    leases.release(lease("a"), lease("a").values)  # late
    assert take(leases, "c", UNTIL, UNTIL + LONGEST_LEASE) is None
    leases.release(lease("b"), ())
    assert take(leases, "c", UNTIL, UNTIL + LONGEST_LEASE) == ["value of a", "value of b", "value of c"]


def test_missing_lease_may_be_released(leases: Leases) -> None:
    leases.release(lease("a"), lease("a").values)
    assert take(leases, "a") == ["value of a"]


def test_lease_is_at_most_a_minute(leases: Leases) -> None:
    with pytest.raises(ValueError):
        take(leases, "a", START, UNTIL + MOMENT)


def test_lease_of_a_wrong_clock_does_not_count(leases: Leases) -> None:
    late = START + LONGEST_LEASE + CLOCK_TOLERANCE
    assert take(leases, "a", late, late + MOMENT) is not None
    assert take(leases, "b") is not None


def test_lease_of_a_fast_clock_counts(leases: Leases) -> None:
    ahead = START + CLOCK_TOLERANCE
    assert take(leases, "a", ahead, ahead + LONGEST_LEASE) is not None
    assert take(leases, "b") is None


# -- values ----------------------------------------------------------------------------------------------------------
def test_values_remain_until_they_are_removed(leases: Leases) -> None:
    take(leases, "a")
    leases.release(lease("a"), ())
    assert take(leases, "b") == ["value of a", "value of b"]
    leases.release(lease("b"), lease("a").values)
    assert take(leases, "c") == ["value of b", "value of c"]


def test_value_has_every_end_that_it_was_given(leases: Leases) -> None:
    first, second = lease("a", text="v"), lease("b", text="v", ends=ENDS - MOMENT)
    leases.take(first, START)
    leases.release(first, ())
    found = leases.take(second, START)
    assert found is not None and found.values == first.values | second.values
    leases.release(found, found.values)
    assert take(leases, "c") == ["value of c"]


def test_value_is_remembered_before_anything_else_happens(leases: Leases) -> None:
    """A process that dies after the lease leaves no value that the next one does not know."""
    take(leases, "a")
    found = leases.take(lease("b", UNTIL + LONGEST_LEASE), UNTIL)
    assert found is not None and lease("a").values < found.values


def test_refused_lease_remembers_nothing(leases: Leases) -> None:
    take(leases, "a")
    take(leases, "b")
    leases.release(lease("a"), ())
    assert take(leases, "c") == ["value of a", "value of c"]


# -- DynamoDB only ----------------------------------------------------------------------------------------------------
KEY = {"pk": {"S": f"lease#{NAME}"}, "sk": {"S": "lease"}}
CALLS: dict[str, Callable[[DynamoDBLeases], Any]] = {
    "take": lambda leases: leases.take(lease("a"), START),
    "release": lambda leases: leases.release(lease("a"), ()),
}


@pytest.fixture
def table(world: World) -> DynamoDBLeases:
    return DynamoDBLeases(world.operator.dynamodb, world.table)


def milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1_000)


def test_lease_item_expires_a_day_later(table: DynamoDBLeases, world: World) -> None:
    held = lease("a")
    table.take(held, START)
    expires, values = int(UNTIL.timestamp()), {"SS": [f"{milliseconds(ENDS)} value of a"]}
    later = {"N": str(expires + 400 * 86_400)}
    assert world.items() == [
        {**KEY, "owner": {"S": "a"}, "until": {"N": f"{expires}000"}, "expires_at": later, "values": values}
    ]
    table.release(held, held.values)
    assert world.items() == [{**KEY, "expires_at": {"N": str(expires + 86_400)}}]


def test_lease_item_with_a_value_expires_after_400_days(table: DynamoDBLeases, world: World) -> None:
    table.take(lease("a"), START)
    table.release(lease("a"), ())
    later = {"N": str(int(UNTIL.timestamp()) + 400 * 86_400)}
    assert world.items() == [{**KEY, "expires_at": later, "values": {"SS": [f"{milliseconds(ENDS)} value of a"]}}]


@pytest.mark.parametrize("spoiled", [None, {"S": "2030"}, {"NULL": True}, {"N": "9E+100"}, {"NS": ["1"]}], ids=str)
def test_lease_that_does_not_parse_is_free(table: DynamoDBLeases, world: World, spoiled: dict[str, Any] | None) -> None:
    item = {**KEY, "owner": {"S": "a"}, **({"until": spoiled} if spoiled else {})}
    world.operator.dynamodb.put_item(TableName=world.table, Item=item)
    assert take(table, "b") == ["value of b"]
    assert take(table, "c") is None


@pytest.mark.parametrize(
    "spoiled", [{"S": "v"}, {"NULL": True}, {"N": "1"}, {"NS": ["1"]}, {"L": [{"S": "v"}]}, {"M": {}}], ids=str
)
def test_values_that_do_not_parse_are_replaced(table: DynamoDBLeases, world: World, spoiled: dict[str, Any]) -> None:
    world.operator.dynamodb.put_item(TableName=world.table, Item={**KEY, "values": spoiled})
    assert take(table, "a") == ["value of a"]
    assert take(table, "b") is None


def test_texts_that_do_not_parse_are_ignored(table: DynamoDBLeases, world: World) -> None:
    texts = ["v", "soon v", "-1 v", f"{'9' * 15} v", f"{'9' * 300} v", f"{milliseconds(ENDS)} v w"]
    world.operator.dynamodb.put_item(TableName=world.table, Item={**KEY, "values": {"SS": texts}})
    assert take(table, "a") == ["v w", "value of a"]


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
        raise refuse(code, "UpdateItem", "no")

    monkeypatch.setattr(world.operator.dynamodb, "update_item", refused)
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
    leases.take(lease("a"), START)
    leases.release(lease("a"), ())
    free = "(NOT attribute_type(#until, :number) OR #until <= :now OR #until > :never)"
    assert sent == [
        ("update_item", f"{free} AND (attribute_not_exists(#values) OR attribute_type(#values, :set))"),
        ("update_item", "#owner = :owner"),
    ]
