"""Contract of the store of http-01 answers: the emulator's table and the fake."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from evercert.aws.dynamodb.http_answers import DynamoDBHTTPAnswers
from evercert.contracts.solver import AnswerStore
from evercert.errors import Misconfigured, Rejected
from tests.doubles.acme import FakeAnswers
from tests.doubles.fakes import START, HandClock
from tests.doubles.strict_aws import refuse
from tests.doubles.strict_dynamodb import FAILURES
from tests.doubles.world import World

TOKEN, OTHER = "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA", "DGyRejmCefe7v4NfDGDKfA_0-9aBcDeFgHiJkLmNoPq"
ANSWER = f"{TOKEN}.9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI"
ANOTHER = f"{TOKEN}.LPJNul-wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ"
EXPIRES = START + timedelta(hours=1)


@pytest.fixture(params=["fake", "dynamodb"])
def answers(request: pytest.FixtureRequest) -> AnswerStore:
    if request.param == "fake":
        return FakeAnswers(HandClock())
    world: World = request.getfixturevalue("world")
    return DynamoDBHTTPAnswers(world.operator.dynamodb, world.table)


def published(answers: AnswerStore, token: str = TOKEN) -> str | None:
    """Return the answer that a CA finds now."""
    if isinstance(answers, FakeAnswers):
        return answers.answers.get(token)
    assert isinstance(answers, DynamoDBHTTPAnswers)
    return answers.read(token, START)


def test_answer_is_missing_at_first(answers: AnswerStore) -> None:
    assert published(answers) is None


def test_answer_is_readable_at_once(answers: AnswerStore) -> None:
    answers.put(TOKEN, ANSWER, EXPIRES)
    assert (published(answers), published(answers, OTHER)) == (ANSWER, None)


def test_answer_may_be_put_again(answers: AnswerStore) -> None:
    for _ in range(3):
        answers.put(TOKEN, ANSWER, EXPIRES)
    assert published(answers) == ANSWER


def test_another_answer_for_the_token_is_rejected(answers: AnswerStore) -> None:
    answers.put(TOKEN, ANSWER, EXPIRES)
    with pytest.raises(Rejected, match="the CA sent the token of another challenge"):
        answers.put(TOKEN, ANOTHER, EXPIRES)
    assert published(answers) == ANSWER


def test_answers_are_independent(answers: AnswerStore) -> None:
    answers.put(TOKEN, ANSWER, EXPIRES)
    answers.put(OTHER, ANOTHER, EXPIRES)
    answers.delete(TOKEN, ANSWER)
    assert (published(answers), published(answers, OTHER)) == (None, ANOTHER)


def test_deleted_answer_may_be_deleted_again(answers: AnswerStore) -> None:
    answers.put(TOKEN, ANSWER, EXPIRES)
    for _ in range(3):
        answers.delete(TOKEN, ANSWER)
    assert published(answers) is None


def test_missing_answer_may_be_deleted(answers: AnswerStore) -> None:
    answers.delete(TOKEN, ANSWER)
    assert published(answers) is None


def test_answer_of_another_challenge_is_not_deleted(answers: AnswerStore) -> None:
    answers.put(TOKEN, ANSWER, EXPIRES)
    answers.delete(TOKEN, ANOTHER)
    assert published(answers) == ANSWER


def test_token_is_free_after_a_deletion(answers: AnswerStore) -> None:
    answers.put(TOKEN, ANSWER, EXPIRES)
    answers.delete(TOKEN, ANSWER)
    answers.put(TOKEN, ANOTHER, EXPIRES)
    assert published(answers) == ANOTHER


# -- DynamoDB only ----------------------------------------------------------------------------------------------------
KEY = {"pk": {"S": f"http-01#{TOKEN}"}, "sk": {"S": "answer"}}
SECOND = timedelta(seconds=1)
NO_TEXT: list[dict[str, Any]] = [
    {"B": ANSWER.encode()}, {"N": "1"}, {"BOOL": True}, {"NULL": True}, {"SS": [ANSWER]}, {"NS": ["1"]}, {"BS": [b"\xff"]},
    {"L": [{"S": ANSWER}]}, {"M": {"S": {"S": ANSWER}}},
]  # fmt: skip
NO_NUMBER: list[dict[str, Any]] = [
    {"S": "9999999999"}, {"S": "NaN"}, {"S": ""}, {"B": b"9999999999"}, {"BOOL": True}, {"NULL": True}, {"NS": ["9999999999"]},
    {"L": [{"N": "9999999999"}]}, {"M": {"N": {"N": "9999999999"}}},
]  # fmt: skip


@pytest.fixture
def table(world: World) -> DynamoDBHTTPAnswers:
    return DynamoDBHTTPAnswers(world.operator.dynamodb, world.table)


def kind_of(value: dict[str, Any]) -> str:
    return " ".join(f"{kind} {content!r}"[:12] for kind, content in value.items())


def put(world: World, **attributes: dict[str, Any]) -> None:
    world.operator.dynamodb.put_item(TableName=world.table, Item={**KEY, **attributes})


def test_answer_item_expires_and_has_no_due_time(table: DynamoDBHTTPAnswers, world: World) -> None:
    table.put(TOKEN, ANSWER, EXPIRES)
    assert world.items() == [
        {**KEY, "answer": {"S": ANSWER}, "expires_at": {"N": str(int(EXPIRES.timestamp()))}},
    ]


@pytest.mark.parametrize(
    ("now", "found"),
    [
        (START, True), (EXPIRES - SECOND, True), (EXPIRES - timedelta(milliseconds=1), True), (EXPIRES, False),
        (EXPIRES + SECOND, False), (EXPIRES + timedelta(days=3), False),
    ],
    ids=str,
)  # fmt: skip
def test_expired_answer_is_not_read(table: DynamoDBHTTPAnswers, now: datetime, found: bool) -> None:
    """DynamoDB deletes an expired item only within days."""
    table.put(TOKEN, ANSWER, EXPIRES)
    assert (table.read(TOKEN, now) == ANSWER) is found
    assert found or table.read(TOKEN, now) is None


def test_answer_put_again_expires_later(table: DynamoDBHTTPAnswers) -> None:
    table.put(TOKEN, ANSWER, EXPIRES)
    table.put(TOKEN, ANSWER, EXPIRES + timedelta(hours=1))
    assert table.read(TOKEN, EXPIRES + SECOND) == ANSWER


@pytest.mark.parametrize("spoiled", NO_TEXT, ids=kind_of)
def test_answer_that_is_not_text_is_not_read(table: DynamoDBHTTPAnswers, world: World, spoiled: dict[str, Any]) -> None:
    put(world, answer=spoiled, expires_at={"N": "9999999999"})
    assert table.read(TOKEN, START) is None
    with pytest.raises(Rejected):
        table.put(TOKEN, ANSWER, EXPIRES)
    table.delete(TOKEN, ANSWER)
    assert len(world.items()) == 1


@pytest.mark.parametrize("spoiled", NO_NUMBER, ids=kind_of)
def test_answer_without_a_valid_expiry_is_not_read(
    table: DynamoDBHTTPAnswers, world: World, spoiled: dict[str, Any]
) -> None:
    put(world, answer={"S": ANSWER}, expires_at=spoiled)
    assert table.read(TOKEN, START) is None
    table.put(TOKEN, ANSWER, EXPIRES)  # repairs it
    assert table.read(TOKEN, START) == ANSWER


@pytest.mark.parametrize(
    ("number", "found"), [("-1", False), ("0", False), ("1E-130", False), ("9.99E+125", True), ("9999999999.5", True)]
)
def test_answer_accepts_any_number_as_expiry(
    table: DynamoDBHTTPAnswers, world: World, number: str, found: bool
) -> None:
    put(world, answer={"S": ANSWER}, expires_at={"N": number})
    assert table.read(TOKEN, START) == (ANSWER if found else None)


def test_item_without_an_answer_is_not_read(table: DynamoDBHTTPAnswers, world: World) -> None:
    put(world)
    assert table.read(TOKEN, START) is None
    put(world, answer={"S": ANSWER})
    assert table.read(TOKEN, START) is None


CALLS: list[Callable[[DynamoDBHTTPAnswers], Any]] = [
    lambda answers: answers.put(TOKEN, ANSWER, EXPIRES),
    lambda answers: answers.read(TOKEN, START),
    lambda answers: answers.delete(TOKEN, ANSWER),
]
OPERATIONS = [
    "store the answer of an http-01 challenge",
    "read the answer of an http-01 challenge",
    "delete the answer of an http-01 challenge",
]


@pytest.mark.parametrize(
    ("call", "operation"), list(zip(CALLS, OPERATIONS, strict=True)), ids=["put", "read", "delete"]
)
@pytest.mark.parametrize(("code", "kind"), FAILURES)
def test_answer_errors_name_the_operation(
    table: DynamoDBHTTPAnswers,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    call: Callable[[DynamoDBHTTPAnswers], Any],
    operation: str,
    code: str,
    kind: type[Exception],
) -> None:
    def refused(**_: Any) -> Any:
        raise refuse(code, "PutItem", "no")

    for name in ("get_item", "put_item", "update_item"):
        monkeypatch.setattr(world.operator.dynamodb, name, refused)
    with pytest.raises(kind, match=f"^cannot {operation}: {code}: no") as raised:
        call(table)
    assert ANSWER not in str(raised.value)


def test_answers_report_a_missing_table(world: World) -> None:
    answers = DynamoDBHTTPAnswers(world.operator.dynamodb, "nowhere")
    for call, operation in zip(CALLS, OPERATIONS, strict=True):
        with pytest.raises(Misconfigured, match=f"cannot {operation}"):
            call(answers)


def test_answer_writes_carry_a_condition(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    client, sent = world.operator.dynamodb, {}

    def recorded(name: str) -> None:
        inner = getattr(client, name)

        def record(**arguments: Any) -> Any:
            sent[name] = arguments["ConditionExpression"]
            return inner(**arguments)

        monkeypatch.setattr(client, name, record)

    recorded("put_item")
    recorded("update_item")
    answers = DynamoDBHTTPAnswers(client, world.table)
    answers.put(TOKEN, ANSWER, EXPIRES)
    answers.delete(TOKEN, ANSWER)
    assert sent == {
        "put_item": "attribute_not_exists(answer) OR answer = :answer",
        "update_item": "answer = :answer",
    }
