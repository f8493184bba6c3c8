"""Contract of access tokens, lockouts and used signatures: the emulator's table and the double."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from evercert.authority.contracts.ports import Tokens
from evercert.authority.contracts.records import Token
from evercert.aws.authority.access_tokens import DynamoDBTokens
from evercert.errors import Misconfigured, Unavailable
from tests.doubles.authority.access_tokens import FakeTokens
from tests.doubles.fakes import START
from tests.doubles.world import World

TOKEN = Token("a" * 64, "identity", START, START + timedelta(hours=1), START + timedelta(days=1), 3_600)
CLIENT = "client"


def after(**span: float) -> datetime:
    return START + timedelta(**span)


@pytest.fixture
def table(world: World) -> str:
    name = f"authority-{uuid.uuid4().hex[:12]}"
    keys = [("pk", "HASH"), ("sk", "RANGE")]
    world.operator.dynamodb.create_table(
        TableName=name,
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key, _ in keys],
        KeySchema=[{"AttributeName": key, "KeyType": kind} for key, kind in keys],
        BillingMode="PAY_PER_REQUEST",
    )
    return name


@pytest.fixture(params=["fake", "dynamodb"])
def tokens(request: pytest.FixtureRequest) -> Tokens:
    if request.param == "fake":
        return FakeTokens()
    world: World = request.getfixturevalue("world")
    return DynamoDBTokens(world.operator.dynamodb, request.getfixturevalue("table"))


# -- tokens -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "token",
    [
        TOKEN,
        replace(TOKEN, uses=3),
        replace(TOKEN, expires_at=None, latest_at=None, ttl_seconds=0),
        replace(TOKEN, uses=0),
    ],
)
def test_token_round_trip(tokens: Tokens, token: Token) -> None:
    assert tokens.find(token.digest) is None
    tokens.keep(token)
    assert tokens.find(token.digest) == token
    assert tokens.find("b" * 64) is None


def test_token_revocation_is_idempotent(tokens: Tokens) -> None:
    tokens.keep(TOKEN)
    tokens.forget(TOKEN.digest)
    tokens.forget(TOKEN.digest)
    assert tokens.find(TOKEN.digest) is None


@pytest.mark.parametrize("end", [after(hours=2), None])
def test_token_renewal_moves_its_end(tokens: Tokens, end: datetime | None) -> None:
    tokens.keep(replace(TOKEN, uses=2))
    assert tokens.prolong(TOKEN, end)
    assert tokens.find(TOKEN.digest) == replace(TOKEN, expires_at=end, uses=2)


def test_token_renewal_never_recreates_a_revoked_token(tokens: Tokens) -> None:
    tokens.keep(TOKEN)
    tokens.forget(TOKEN.digest)
    assert not tokens.prolong(TOKEN, after(hours=2))
    assert not tokens.use(TOKEN.digest)
    assert tokens.find(TOKEN.digest) is None


def test_token_uses_are_limited(tokens: Tokens) -> None:
    tokens.keep(replace(TOKEN, uses=2))
    assert [tokens.use(TOKEN.digest) for _ in range(4)] == [True, True, False, False]
    assert tokens.find(TOKEN.digest) == replace(TOKEN, uses=0)


def test_token_uses_are_limited_across_threads(tokens: Tokens) -> None:
    tokens.keep(replace(TOKEN, uses=3))
    with ThreadPoolExecutor(10) as threads:
        assert sum(threads.map(lambda _: tokens.use(TOKEN.digest), range(10))) == 3


# -- signatures -------------------------------------------------------------------------------------------------------
def test_signature_is_accepted_once(tokens: Tokens) -> None:
    assert tokens.take_signature("s" * 64, after(minutes=15))
    assert not tokens.take_signature("s" * 64, after(minutes=15))
    assert tokens.take_signature("t" * 64, after(minutes=15))


def test_holder_may_use_signature_again(tokens: Tokens) -> None:
    until = after(minutes=15)
    assert tokens.take_signature("s" * 64, until, "one")
    assert tokens.take_signature("s" * 64, until, "one")
    assert not tokens.take_signature("s" * 64, until, "another")
    assert not tokens.take_signature("s" * 64, until)
    assert not tokens.take_signature("s" * 64, after(minutes=16), "one")
    assert tokens.take_signature("t" * 64, until)
    assert not tokens.take_signature("t" * 64, until, "one")


def test_signature_is_accepted_once_across_threads(tokens: Tokens) -> None:
    with ThreadPoolExecutor(10) as threads:
        assert sum(threads.map(lambda _: tokens.take_signature("s" * 64, after(minutes=15)), range(10))) == 1


# -- client secrets: the default lockout of Infisical -----------------------------------------------------------------
def failed(tokens: Tokens, now: datetime, client: str = CLIENT, most: int = 3) -> datetime | None:
    return tokens.failed(client, now, most, 30.0, 300.0)


def test_third_wrong_secret_locks_for_five_minutes(tokens: Tokens) -> None:
    assert tokens.locked_until(CLIENT) is None
    assert failed(tokens, START) is None
    assert failed(tokens, after(seconds=29)) is None
    assert tokens.locked_until(CLIENT) is None
    assert failed(tokens, after(seconds=58)) == after(seconds=358)
    assert tokens.locked_until(CLIENT) == after(seconds=358)
    assert tokens.locked_until("other") is None


def test_wrong_secrets_are_forgotten_after_the_window(tokens: Tokens) -> None:
    moments = (0, 1, 31, 61, 91, 121)
    assert [failed(tokens, after(seconds=moment)) for moment in moments] == [None] * len(moments)


def test_wrong_secrets_are_forgotten_after_a_success(tokens: Tokens) -> None:
    failed(tokens, START)
    failed(tokens, START)
    tokens.succeeded(CLIENT)
    tokens.succeeded("never failed")
    assert failed(tokens, START) is None
    assert failed(tokens, START) is None
    assert failed(tokens, START) == after(seconds=300)


def test_success_keeps_a_lockout_that_began_meanwhile(tokens: Tokens) -> None:
    for _ in range(3):
        failed(tokens, START)
    for _ in range(2):
        tokens.succeeded(CLIENT)
        assert tokens.locked_until(CLIENT) == after(seconds=300)
        failed(tokens, START)  # this login was in progress when the lockout began


def test_wrong_secrets_count_from_zero_after_a_lockout(tokens: Tokens) -> None:
    for _ in range(3):
        failed(tokens, START)
    assert failed(tokens, after(seconds=301)) is None
    assert tokens.locked_until(CLIENT) == after(seconds=300)
    assert failed(tokens, after(seconds=302)) is None
    assert failed(tokens, after(seconds=303)) == after(seconds=603)


@pytest.mark.parametrize("most", [1, 2, 30])
def test_lockout_threshold_is_that_of_the_identity(tokens: Tokens, most: int) -> None:
    for round_ in range(2):
        moment = after(hours=round_)
        found = [failed(tokens, moment, most=most) for _ in range(most)]
        assert found == [None] * (most - 1) + [moment + timedelta(seconds=300)]


def test_lockout_is_off_without_a_threshold(tokens: Tokens) -> None:
    assert [failed(tokens, START, most=0) for _ in range(5)] == [None] * 5
    assert tokens.locked_until(CLIENT) is None


def test_concurrent_wrong_secrets_are_all_counted(tokens: Tokens) -> None:
    with ThreadPoolExecutor(3) as threads:
        found = list(threads.map(lambda _: failed(tokens, START), range(3)))
    assert sorted(found, key=str) == [after(seconds=300), None, None]


def test_client_secret_uses_are_limited(tokens: Tokens) -> None:
    assert [tokens.use_secret("one", 2) for _ in range(3)] == [True, True, False]
    assert tokens.use_secret("two", 1)
    assert tokens.use_secret("one", 3)  # an operator has raised it


# -- DynamoDB only ----------------------------------------------------------------------------------------------------
@pytest.fixture
def adapter(world: World, table: str) -> DynamoDBTokens:
    return DynamoDBTokens(world.operator.dynamodb, table)


def found(world: World, table: str) -> list[dict[str, Any]]:
    return world.operator.dynamodb.scan(TableName=table)["Items"]


def test_spoiled_count_of_wrong_secrets_is_restarted(world: World, table: str) -> None:
    tokens = DynamoDBTokens(world.operator.dynamodb, table)
    key = {"pk": {"S": f"client#{CLIENT}"}, "sk": {"S": "client"}}
    for value in ({"S": "x"}, {"B": b"x"}, {"NULL": True}, {"SS": ["a"]}, {"M": {}}, {"N": "-9.99E+125"}, {"N": "-1"}):
        for name in ("failures", "counted_until"):
            item = {"failures": {"N": "1"}, "counted_until": {"N": "9999999999999"}, "locked_until": value, name: value}
            world.operator.dynamodb.put_item(TableName=table, Item={**key, **item})
            tokens.locked_until(CLIENT)
            assert [failed(tokens, START) for _ in range(3)] == [None, None, after(seconds=300)], (name, value)
            assert tokens.locked_until(CLIENT) == after(seconds=300)


def test_expiring_items_have_a_time_to_live_and_others_do_not(
    world: World, table: str, adapter: DynamoDBTokens
) -> None:
    endless = replace(TOKEN, digest="e" * 64, expires_at=None)
    adapter.keep(TOKEN)
    adapter.keep(endless)
    adapter.take_signature("s" * 64, after(minutes=15))
    for _ in range(3):
        failed(adapter, START)
    ends = {item["pk"]["S"]: int(item["expires_at"]["N"]) for item in found(world, table) if "expires_at" in item}
    assert set(ends) == {f"token#{'a' * 64}", f"signature#{'s' * 64}", "client#client"}
    assert ends[f"token#{'a' * 64}"] == after(hours=1).timestamp()
    assert ends[f"signature#{'s' * 64}"] == after(minutes=15).timestamp()
    assert ends["client#client"] > after(seconds=330).timestamp()  # deleted sooner, it would be no lockout
    adapter.prolong(TOKEN, after(hours=2))
    (item,) = [item for item in found(world, table) if item["pk"]["S"] == f"token#{'a' * 64}"]
    assert int(item["expires_at"]["N"]) == after(hours=2).timestamp()
    assert all(item["sk"]["S"] == item["pk"]["S"].partition("#")[0] for item in found(world, table))


@pytest.mark.parametrize(
    "garbage",
    [
        {"created_at": {"S": "soon"}}, {"ttl_seconds": {"S": "x"}}, {"ends_at": {"N": "0"}}, {"ends_at": {"S": ""}},
        {"latest_at": {"BOOL": False}}, {"uses": {"S": "many"}}, {"uses": {"M": {}}}, {"ttl_seconds": {"NULL": True}},
    ],
)  # fmt: skip
def test_token_with_invalid_attributes_is_not_found(
    world: World, table: str, adapter: DynamoDBTokens, garbage: dict[str, Any]
) -> None:
    adapter.keep(TOKEN)
    (item,) = found(world, table)
    world.operator.dynamodb.put_item(TableName=table, Item={**item, **garbage})
    assert adapter.find(TOKEN.digest) is None


class Repeating:
    """Send every call twice, as the AWS client does when it loses the first response."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(**arguments: Any) -> Any:
            with suppress(ClientError):
                getattr(self._client, name)(**arguments)
            return getattr(self._client, name)(**arguments)

        return call


def test_write_repeated_by_the_client_succeeds(world: World, table: str) -> None:
    repeating = DynamoDBTokens(Repeating(world.operator.dynamodb), table)  # type: ignore[arg-type]
    repeating.keep(TOKEN)
    assert repeating.find(TOKEN.digest) == TOKEN
    assert repeating.take_signature("s" * 64, after(minutes=15))
    assert not repeating.take_signature("s" * 64, after(minutes=15))
    repeating.forget(TOKEN.digest)
    assert repeating.find(TOKEN.digest) is None


def test_missing_table_is_misconfigured(world: World) -> None:
    adapter = DynamoDBTokens(world.operator.dynamodb, "no-such-table")
    calls: list[Callable[[], Any]] = [
        lambda: adapter.keep(TOKEN), lambda: adapter.find("a"), lambda: adapter.use("a"),
        lambda: adapter.prolong(TOKEN, None), lambda: adapter.forget("a"), lambda: adapter.take_signature("a", START),
        lambda: adapter.locked_until("a"), lambda: failed(adapter, START), lambda: adapter.succeeded("a"),
        lambda: adapter.use_secret("a", 1),
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(Misconfigured, match=r"^cannot "):
            call()


class Contended:
    """A table on which another writer always comes first."""

    def update_item(self, **_: Any) -> Any:
        raise ClientError({"Error": {"Code": "ConditionalCheckFailedException"}}, "UpdateItem")


def test_wrong_secret_count_gives_up_after_conflicts() -> None:
    with pytest.raises(Unavailable, match="other calls interfered 3 times"):
        failed(DynamoDBTokens(Contended(), "table"), START)  # type: ignore[arg-type]


def test_times_keep_their_time_zone(tokens: Tokens) -> None:
    for _ in range(3):
        failed(tokens, START)
    locked = tokens.locked_until(CLIENT)
    assert locked is not None
    assert locked.tzinfo is UTC
