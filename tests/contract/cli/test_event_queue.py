"""The temporary queue of `events`: it hears everything, and nothing of it stays."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from evercert.aws.clients import Clients
from evercert.cli import event_stream as following
from evercert.cli.event_queue import BEAT, PREFIX, STALE, Inbox
from evercert.errors import EvercertError
from evercert.timestamps import to_text
from tests.doubles.strict_aws import refuse
from tests.doubles.world import World

SECONDS = timedelta(seconds=20)


class Trouble:
    """A client whose one method is refused."""

    def __init__(self, inner: Any, method: str, code: str = "AccessDenied") -> None:
        self._inner, self._method, self._code = inner, method, code

    def __getattr__(self, name: str) -> Any:
        if name != self._method:
            return getattr(self._inner, name)

        def refused(*_: Any, **__: Any) -> None:
            raise refuse(self._code, name)

        return refused


def box(world: World, stack: str = "evercert", age: timedelta = timedelta(), topic: str | None = None) -> Inbox:
    """An inbox that believes it is `age` ago."""
    clients = Clients(session=world.operator.session)
    return Inbox(clients, topic or world.topic, stack, lambda: datetime.now(UTC) - age, threading.Event())


def left(world: World) -> tuple[list[str], list[str]]:
    """The queues and subscriptions that are there now."""
    queues = world.operator.sqs.list_queues(QueueNamePrefix=PREFIX).get("QueueUrls", [])
    found = world.operator.sns.list_subscriptions_by_topic(TopicArn=world.topic)["Subscriptions"]
    return queues, [s["SubscriptionArn"] for s in found if f":{PREFIX}" in s["Endpoint"]]


@pytest.fixture(autouse=True)
def _nothing_stays(world: World):
    yield
    assert left(world) == ([], [])


def test_what_is_published_comes_with_its_attributes(world: World) -> None:
    inbox = box(world)
    inbox.open()
    attributes: dict[str, Any] = {
        "type": {"DataType": "String", "StringValue": "certificate.issued"},
        "labels": {"DataType": "String.Array", "StringValue": '["team=web"]'},
    }
    world.operator.sns.publish(TopicArn=world.topic, Message='{"id": "1"}', MessageAttributes=attributes)
    received = next(inbox.messages(SECONDS))
    assert inbox.close() == []
    assert received == ('{"id": "1"}', {"type": "certificate.issued", "labels": ["team=web"]})


def test_only_this_topic_may_write_to_the_queue(world: World) -> None:
    inbox = box(world)
    inbox.open()
    url = left(world)[0][0]
    found = world.operator.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    inbox.close()
    (statement,) = json.loads(found["Policy"])["Statement"]
    assert statement["Principal"] == {"Service": "sns.amazonaws.com"}
    assert statement["Condition"] == {"ArnEquals": {"aws:SourceArn": world.topic}}
    assert (statement["Action"], statement["Resource"]) == ("sqs:SendMessage", found["QueueArn"])


def test_the_wait_ends_with_the_time_and_when_somebody_interrupts(world: World) -> None:
    inbox = box(world)
    inbox.open()
    assert list(inbox.messages(timedelta(seconds=0.1))) == []
    inbox.stop.set()
    assert list(inbox.messages(None)) == []
    inbox.close()


def test_a_refused_subscription_leaves_no_queue(world: World) -> None:
    inbox = box(world)
    inbox._sns = Trouble(inbox._sns, "subscribe")
    with pytest.raises(EvercertError, match="subscribe queue"):
        inbox.open()
    assert inbox.close() == []


def test_a_queue_whose_making_was_not_answered_goes_too(world: World) -> None:
    inbox = box(world)
    real, made = inbox._sqs, inbox._sqs.create_queue

    class Deaf(Trouble):
        def __getattr__(self, name: str) -> Any:
            if name == "create_queue":
                return lambda **given: made(**given) and super(Deaf, self).__getattr__(name)()
            return getattr(real, name)

    inbox._sqs = Deaf(real, "create_queue", "InternalError")
    with pytest.raises(EvercertError, match="make queue"):
        inbox.open()
    assert len(left(world)[0]) == 1
    assert inbox.close() == []


def test_what_cannot_be_taken_away_is_named_and_the_rest_goes(world: World) -> None:
    inbox = box(world)
    inbox.open()
    (subscription,) = left(world)[1]
    inbox._sns, real = Trouble(inbox._sns, "unsubscribe"), inbox._sns
    (problem,) = inbox.close()
    assert subscription in problem
    assert left(world) == ([], [subscription])
    inbox._sns = real
    inbox._unsubscribe(subscription)


def test_what_a_killed_command_left_is_taken_away_by_the_next(world: World) -> None:
    box(world, age=STALE + timedelta(minutes=1)).open()
    assert [len(found) for found in left(world)] == [1, 1]
    assert box(world).clear_away() == []


def test_a_subscription_without_its_queue_is_taken_away(world: World) -> None:
    inbox = box(world)
    inbox.open()
    inbox._delete(inbox._name)
    assert [len(found) for found in left(world)] == [0, 1]
    assert box(world).clear_away() == []


@pytest.mark.parametrize(
    ("stack", "age"), [("evercert", timedelta()), ("other", 2 * STALE)], ids=["young", "another-stack"]
)
def test_what_somebody_listens_at_stays(world: World, stack: str, age: timedelta) -> None:
    inbox = box(world, stack, age)
    inbox.open()
    box(world).clear_away()
    assert [len(found) for found in left(world)] == [1, 1]
    inbox.close()


def test_a_queue_of_that_name_that_no_command_made_stays(world: World) -> None:
    url = world.operator.sqs.create_queue(QueueName=f"{PREFIX}archive")["QueueUrl"]
    assert box(world).clear_away() == []
    assert len(left(world)[0]) == 1
    world.operator.sqs.delete_queue(QueueUrl=url)


def test_a_long_look_says_that_somebody_listens_still(world: World) -> None:
    inbox = box(world, age=2 * STALE)
    inbox.open()
    inbox._clock = lambda: datetime.now(UTC)
    inbox._beaten -= BEAT.total_seconds() + 1
    list(inbox.messages(timedelta(seconds=0.1)))
    tags = world.operator.sqs.list_queue_tags(QueueUrl=left(world)[0][0])["Tags"]
    assert tags["evercert:temporary"] > to_text(datetime.now(UTC) - timedelta(minutes=1))
    box(world).clear_away()
    assert len(left(world)[0]) == 1
    inbox.close()


def test_clearing_away_that_is_refused_keeps_nobody_from_listening(world: World) -> None:
    inbox = box(world)
    inbox._sns = Trouble(inbox._sns, "get_paginator")
    (problem,) = inbox.clear_away()
    assert "look for left subscriptions" in problem


def test_nothing_stays_after_the_command_whatever_ends_it(world: World) -> None:
    connection: Any = SimpleNamespace(
        clients=Clients(session=world.operator.session), name="evercert", output=lambda _: world.topic
    )

    def listen() -> None:
        with following.inbox(connection, threading.Event()):
            assert [len(found) for found in left(world)] == [1, 1]
            raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        listen()
    assert left(world) == ([], [])
