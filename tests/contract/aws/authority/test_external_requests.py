"""Contract of requests at external issuers: the emulator's table and the double."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from evercert.authority.contracts.external import ExternalCeiling, Work
from evercert.aws.authority import certificate_items as items
from evercert.aws.authority.external_ceilings import DynamoDBExternalCeilings
from evercert.aws.authority.external_requests import DynamoDBExternalRequests
from evercert.aws.sqs import request_of
from tests.doubles.authority.external import FakeExternalRequests
from tests.doubles.fakes import START
from tests.doubles.world import World

LATER = START + timedelta(minutes=5)


@pytest.fixture(params=["fake", "table"])
def work(request: pytest.FixtureRequest) -> Any:
    if request.param == "fake":
        return FakeExternalRequests()
    world: World = request.getfixturevalue("world")
    table = world.authority_table("AuthorityTable")
    return DynamoDBExternalRequests(world.operator.dynamodb, table, lambda: world.operator.sqs, world.queue_url)


def begun(work: Any) -> str:
    name = str(uuid4())
    work.begin(name, START)
    return name


def test_work_begins_once(work: Any) -> None:
    name = begun(work)
    work.begin(name, LATER)
    assert work.find(name) == Work(name)
    assert work.due(START, 10) == [name]
    assert work.find("nothing") is None


def test_state_round_trip(work: Any) -> None:
    name = begun(work)
    state = Work(
        name,
        "handle",
        asked=True,
        attempts=3,
        revision=2,
        deadline=LATER,
        message="why",
        validating=True,
        issuer="hash",
    )
    work.save(state, LATER)
    assert work.find(name) == state
    assert work.due(START, 10) == [] and work.due(LATER, 10) == [name]
    work.keep(Work(name))
    assert work.find(name) == Work(name)


def test_claim_reserves_the_work(work: Any) -> None:
    name = begun(work)
    assert work.claim(name, START, LATER) == Work(name)
    assert work.claim(name, START, LATER) is None
    assert work.claim(name, LATER - timedelta(seconds=4), LATER) is None
    assert work.due(START, 10) == []  # until the reservation ends
    assert work.due(LATER, 10) == [name]
    assert work.claim(name, LATER, LATER + timedelta(minutes=5)) == Work(name)
    work.save(Work(name), LATER)
    assert work.claim(name, LATER, LATER + timedelta(minutes=5)) == Work(name)


def test_ended_work_stays_ended(work: Any) -> None:
    name = begun(work)
    work.end(name)
    work.end(name)
    for change in (
        lambda: work.keep(Work(name)),
        lambda: work.save(Work(name), START),
        lambda: work.begin(name, START),
    ):
        change()
        assert (work.find(name), work.claim(name, START, LATER), work.due(LATER, 10)) == (None, None, [])


def test_work_is_claimed_when_it_is_due(work: Any) -> None:
    name = begun(work)
    work.save(Work(name), LATER)
    assert work.claim(name, START, LATER) is None
    assert work.claim(name, LATER - timedelta(seconds=4), LATER) == Work(name)  # another clock


def test_work_is_hastened_once_a_minute(work: Any) -> None:
    name = begun(work)
    work.save(Work(name), LATER)
    work.hasten(name, START)
    assert work.due(START, 10) == [name]
    work.save(Work(name), LATER)
    work.hasten(name, START + timedelta(seconds=59))
    assert work.due(START + timedelta(seconds=59), 10) == []
    work.hasten(name, START + timedelta(minutes=1))
    assert work.due(START + timedelta(minutes=1), 10) == [name]


def test_work_of_a_run_is_not_hastened(work: Any) -> None:
    name = begun(work)
    work.claim(name, START, LATER)
    work.hasten(name, START)
    work.hasten("nothing", START)
    assert work.due(START, 10) == [] and work.find("nothing") is None


def test_due_work_is_limited_oldest_first(work: Any) -> None:
    names = [begun(work) for _ in range(5)]
    for number, name in enumerate(names):
        work.save(Work(name), START - timedelta(minutes=number))
    assert work.due(START, 3) == names[:1:-1]


def test_long_message_is_cut(world: World) -> None:
    table = world.authority_table("AuthorityTable")
    work = DynamoDBExternalRequests(world.operator.dynamodb, table, lambda: world.operator.sqs, world.queue_url)
    name = begun(work)
    work.save(replace(Work(name), message="x" * 9_000), START)
    found = work.find(name)
    assert found is not None and len(found.message) == 1_000


def test_work_expires_with_its_request(world: World) -> None:
    table = world.authority_table("AuthorityTable")
    work = DynamoDBExternalRequests(world.operator.dynamodb, table, lambda: world.operator.sqs, world.queue_url)
    name = begun(work)
    work.end(name)
    found = world.operator.dynamodb.get_item(TableName=table, Key=items.key("external", name))["Item"]
    assert int(found["expires_at"]["N"]) == items.seconds(START + items.REMEMBERED)


@pytest.mark.parametrize(("delay", "sent"), [(120.2, 121), (-5, 0), (900, 900), (901, None)])
def test_next_step_has_a_delayed_message(delay: float, sent: int | None) -> None:
    messages: list[dict[str, Any]] = []

    class Queue:
        def send_message(self, **message: Any) -> None:
            messages.append(message)

    work = DynamoDBExternalRequests(None, "table", Queue, "queue")  # type: ignore[arg-type]
    work.wake_at("name", START + timedelta(seconds=delay), START)
    assert [one["DelaySeconds"] for one in messages] == ([] if sent is None else [sent])


def test_issuer_function_is_woken(world: World) -> None:
    table = world.authority_table("AuthorityTable")
    work = DynamoDBExternalRequests(world.operator.dynamodb, table, lambda: world.operator.sqs, world.queue_url)
    names = [str(uuid4()) for _ in range(12)]
    work.wake(names)
    received: list[str] = []
    for _ in range(10):
        answer = world.operator.sqs.receive_message(QueueUrl=world.queue_url, MaxNumberOfMessages=10)
        received += [str(request_of(one["Body"])) for one in answer.get("Messages", [])]
        if len(received) >= len(names):
            break
    assert sorted(received) == sorted(names)


@pytest.mark.parametrize(
    "body", ["", "[]", "{}", json.dumps({"certificate": "web"}), json.dumps({"external-request": 1})]
)
def test_other_messages_name_no_request(body: str) -> None:
    assert request_of(body) is None


def test_ceilings_are_kept_by_issuer(world: World) -> None:
    ceilings = DynamoDBExternalCeilings(world.operator.dynamodb, world.issuers_table)
    narrow = ExternalCeiling(dns=("*.example.com",), projects=("shop",))
    assert ceilings.ceiling("outside") is None
    ceilings.put("outside", narrow)
    ceilings.put("outside", narrow)
    assert ceilings.ceiling("outside") == narrow
    assert ceilings.every()["outside"] == narrow
    for _ in range(2):
        ceilings.remove("outside")
    assert ceilings.ceiling("outside") is None
