"""Contract of access tokens, lockouts and used signatures: the emulator's table and the double."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from evercert.authority.api_errors import Refusal
from evercert.authority.configuration.identity import UniversalLogin
from evercert.authority.contracts.ports import Tokens
from evercert.authority.contracts.records import LoginFailures, Token
from evercert.authority.logins.lockout import Lockout
from evercert.aws.authority.access_tokens import DynamoDBTokens
from evercert.aws.authority.call_reads import CallReads
from evercert.errors import Misconfigured
from tests.doubles.authority.access_tokens import FakeTokens
from tests.doubles.fakes import START
from tests.doubles.world import World

TOKEN = Token("a" * 64, "identity", START, START + timedelta(hours=1), START + timedelta(days=1), 3_600)
CLIENT = "client"


def after(**span: float) -> datetime:
    return START + timedelta(**span)


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


def test_token_that_is_revoked_during_a_call_ends_in_it(world: World, table: str) -> None:
    client = world.operator.dynamodb
    reads = CallReads(client)
    tokens = DynamoDBTokens(client, table, reads)
    tokens.keep(TOKEN)
    with reads.call("GET /"):
        assert tokens.find(TOKEN.digest) == TOKEN
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
def rules(most: int = 3) -> UniversalLogin:
    return UniversalLogin.model_validate({"client-id": CLIENT, "failures": most})


def logged_in(tokens: Tokens, now: datetime, *, correct: bool, client: str = CLIENT, most: int = 3) -> bool:
    """Record a login; return False if the client ID is locked."""
    lockout = Lockout(tokens, lambda: now)
    try:
        lockout.record(client, rules(most), lockout.failures(client, rules(most)), correct=correct)
    except Refusal as refusal:
        assert "temporarily locked" in str(refusal)
        return False
    return True


def failed(tokens: Tokens, now: datetime, client: str = CLIENT, most: int = 3) -> datetime | None:
    """Record a wrong secret; return the end of the lockout."""
    assert logged_in(tokens, now, correct=False, client=client, most=most)
    return tokens.login_failures(client).locked_until


def test_third_wrong_secret_locks_for_five_minutes(tokens: Tokens) -> None:
    assert tokens.login_failures(CLIENT) == LoginFailures()
    assert failed(tokens, START) is None
    assert failed(tokens, after(seconds=29)) is None
    assert tokens.login_failures(CLIENT) == LoginFailures(2, counted_until=after(seconds=59))
    assert failed(tokens, after(seconds=58)) == after(seconds=358)
    assert tokens.login_failures(CLIENT) == LoginFailures(locked_until=after(seconds=358))
    assert tokens.login_failures("other") == LoginFailures()


def test_wrong_secrets_are_forgotten_after_the_window(tokens: Tokens) -> None:
    moments = (0, 1, 31, 61, 91, 121)
    assert [failed(tokens, after(seconds=moment)) for moment in moments] == [None] * len(moments)


def test_wrong_secrets_are_forgotten_after_a_success(tokens: Tokens) -> None:
    failed(tokens, START)
    failed(tokens, START)
    assert logged_in(tokens, START, correct=True)
    assert logged_in(tokens, START, correct=True, client="never failed")
    assert failed(tokens, START) is None
    assert failed(tokens, START) is None
    assert failed(tokens, START) == after(seconds=300)


@pytest.mark.parametrize("correct", [True, False])
def test_login_in_progress_keeps_a_lockout(tokens: Tokens, *, correct: bool) -> None:
    seen = tokens.login_failures(CLIENT)
    for _ in range(3):
        failed(tokens, START)
    with pytest.raises(Refusal, match="temporarily locked"):
        Lockout(tokens, lambda: START).record(CLIENT, rules(), seen, correct=correct)
    assert tokens.login_failures(CLIENT).locked_until == after(seconds=300)


def test_wrong_secrets_count_from_zero_after_a_lockout(tokens: Tokens) -> None:
    for _ in range(3):
        failed(tokens, START)
    assert failed(tokens, after(seconds=301)) is None
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
    assert tokens.login_failures(CLIENT) == LoginFailures()


@pytest.mark.parametrize("most", [1, 3])
def test_simultaneous_wrong_secrets_lock_at_the_threshold(tokens: Tokens, most: int) -> None:
    with ThreadPoolExecutor(16) as threads:
        found = list(threads.map(lambda _: logged_in(tokens, START, correct=False, most=most), range(30)))
    assert found.count(True) == most
    assert tokens.login_failures(CLIENT).locked_until == after(seconds=300)


@pytest.mark.parametrize("most", [1, 3])
def test_simultaneous_correct_secrets_all_log_in(tokens: Tokens, most: int) -> None:
    if most > 1:
        failed(tokens, START)
    with ThreadPoolExecutor(16) as threads:
        assert all(threads.map(lambda _: logged_in(tokens, START, correct=True, most=most), range(50)))
    assert tokens.login_failures(CLIENT) == LoginFailures()


def test_login_failures_are_replaced_only_as_read(tokens: Tokens) -> None:
    one, two = LoginFailures(1, counted_until=START), LoginFailures(2, counted_until=START)
    absent = tokens.login_failures(CLIENT)
    assert tokens.replace_login_failures(CLIENT, absent, None) is None
    assert tokens.replace_login_failures(CLIENT, absent, one) is None
    seen = tokens.login_failures(CLIENT)
    for changed in (one, two, None):
        assert tokens.replace_login_failures(CLIENT, absent, changed) == one
    assert tokens.replace_login_failures(CLIENT, seen, two) is None
    newer = tokens.replace_login_failures(CLIENT, seen, None)
    assert newer == two
    assert tokens.replace_login_failures(CLIENT, newer, None) is None
    assert tokens.replace_login_failures(CLIENT, newer, one) == LoginFailures()


def test_client_secret_uses_are_limited(tokens: Tokens) -> None:
    assert not tokens.secret_used_up("one", 2)
    assert [tokens.use_secret("one", 2) for _ in range(3)] == [True, True, False]
    assert tokens.secret_used_up("one", 2)
    assert not tokens.secret_used_up("one", 3)
    assert tokens.use_secret("two", 1)
    assert tokens.use_secret("one", 3)  # an operator has raised it


# -- DynamoDB only ----------------------------------------------------------------------------------------------------
@pytest.fixture
def adapter(world: World, table: str) -> DynamoDBTokens:
    return DynamoDBTokens(world.operator.dynamodb, table)


def found(world: World, table: str) -> list[dict[str, Any]]:
    return world.operator.dynamodb.scan(TableName=table)["Items"]


SPOILED = ({"S": "x"}, {"B": b"x"}, {"NULL": True}, {"SS": ["a"]}, {"M": {}}, {"N": "-9.99E+125"}, {"N": "-1"})
AHEAD = ({"N": "9999999999999"}, {"N": "99999999999999999999"}, {"N": "9.99E+125"})
VALID = {"failures": {"N": "1"}, "counted_until": {"N": str(int(after(seconds=30).timestamp() * 1_000))}}


def test_spoiled_count_of_wrong_secrets_is_restarted(world: World, table: str) -> None:
    tokens = DynamoDBTokens(world.operator.dynamodb, table)
    key = {"pk": {"S": f"client#{CLIENT}"}, "sk": {"S": "client"}}
    cases = [(name, value) for name in VALID for value in SPOILED] + [("counted_until", value) for value in AHEAD]
    for name, value in cases:
        item = {**key, **VALID, "locked_until": value, name: value}
        world.operator.dynamodb.put_item(TableName=table, Item=item)
        assert [failed(tokens, START) for _ in range(3)] == [None, None, after(seconds=300)], (name, value)


@pytest.mark.parametrize("value", [*SPOILED, *AHEAD], ids=str)
def test_spoiled_lockout_neither_locks_nor_ends_counting(world: World, table: str, value: dict[str, Any]) -> None:
    tokens = DynamoDBTokens(world.operator.dynamodb, table)
    item = {"pk": {"S": f"client#{CLIENT}"}, "sk": {"S": "client"}, "locked_until": value}
    for most in (1, 3):
        world.operator.dynamodb.put_item(TableName=table, Item=item)
        assert logged_in(tokens, START, correct=True, most=most)
        world.operator.dynamodb.put_item(TableName=table, Item=item)
        assert [logged_in(tokens, START, correct=False, most=most) for _ in range(most + 1)] == [True] * most + [False]
        assert tokens.login_failures(CLIENT) == LoginFailures(locked_until=after(seconds=300))


def test_spoiled_uses_leave_none(world: World, table: str, adapter: DynamoDBTokens) -> None:
    world.operator.dynamodb.put_item(
        TableName=table, Item={"pk": {"S": "secret#one"}, "sk": {"S": "secret"}, "uses": {"S": "0"}}
    )
    assert adapter.secret_used_up("one", 2)
    assert not adapter.use_secret("one", 2)


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
    failed(DynamoDBTokens(world.operator.dynamodb, table), START)
    assert logged_in(repeating, START, correct=True)
    assert repeating.login_failures(CLIENT) == LoginFailures()
    repeating.forget(TOKEN.digest)
    assert repeating.find(TOKEN.digest) is None


def test_missing_table_is_misconfigured(world: World) -> None:
    adapter = DynamoDBTokens(world.operator.dynamodb, "no-such-table")
    calls: list[Callable[[], Any]] = [
        lambda: adapter.keep(TOKEN), lambda: adapter.find("a"), lambda: adapter.use("a"),
        lambda: adapter.prolong(TOKEN, None), lambda: adapter.forget("a"), lambda: adapter.take_signature("a", START),
        lambda: adapter.login_failures("a"), lambda: adapter.replace_login_failures("a", LoginFailures(), None),
        lambda: adapter.replace_login_failures("a", LoginFailures(), LoginFailures(1, START)),
        lambda: adapter.use_secret("a", 1), lambda: adapter.secret_used_up("a", 1),
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(Misconfigured, match=r"^cannot "):
            call()


def test_times_keep_their_time_zone(tokens: Tokens) -> None:
    for _ in range(3):
        failed(tokens, START)
    locked = tokens.login_failures(CLIENT).locked_until
    assert locked is not None
    assert locked.tzinfo is UTC
