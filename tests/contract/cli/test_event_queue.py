"""Temporary queue of `events`: receives all events and is always deleted."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from evercert.aws.clients import Clients
from evercert.cli import event_stream
from evercert.cli.event_queue import HEARTBEAT, PREFIX, STALE, TemporaryQueue
from evercert.errors import EvercertError
from evercert.timestamps import to_text
from tests.doubles.strict_aws import refuse
from tests.doubles.world import World

SECONDS = timedelta(seconds=20)


class Trouble:
    """Client that refuses one method."""

    def __init__(self, inner: Any, method: str, code: str = "AccessDenied") -> None:
        self._inner, self._method, self._code = inner, method, code

    def __getattr__(self, name: str) -> Any:
        if name != self._method:
            return getattr(self._inner, name)

        def refused(*_: Any, **__: Any) -> None:
            raise refuse(self._code, name)

        return refused


def new_queue(
    world: World, stack: str = "evercert", age: timedelta = timedelta(), topic: str | None = None
) -> TemporaryQueue:
    """Return a queue whose clock is `age` behind."""
    clients = Clients(session=world.operator.session)
    return TemporaryQueue(clients, topic or world.topic, stack, lambda: datetime.now(UTC) - age, threading.Event())


def left(world: World) -> tuple[list[str], list[str]]:
    """Return the existing queues and subscriptions."""
    queues = world.operator.sqs.list_queues(QueueNamePrefix=PREFIX).get("QueueUrls", [])
    found = world.operator.sns.list_subscriptions_by_topic(TopicArn=world.topic)["Subscriptions"]
    return queues, [s["SubscriptionArn"] for s in found if f":{PREFIX}" in s["Endpoint"]]


@pytest.fixture(autouse=True)
def _require_nothing_left(world: World):
    yield
    assert left(world) == ([], [])


def test_queue_receives_messages_with_attributes(world: World) -> None:
    queue = new_queue(world)
    queue.open()
    attributes: dict[str, Any] = {
        "type": {"DataType": "String", "StringValue": "certificate.issued"},
        "labels": {"DataType": "String.Array", "StringValue": '["team=web"]'},
    }
    world.operator.sns.publish(TopicArn=world.topic, Message='{"id": "1"}', MessageAttributes=attributes)
    received = next(queue.messages(SECONDS))
    assert queue.close() == []
    assert received == ('{"id": "1"}', {"type": "certificate.issued", "labels": ["team=web"]})


def test_queue_policy_allows_only_this_topic(world: World) -> None:
    queue = new_queue(world)
    queue.open()
    url = left(world)[0][0]
    found = world.operator.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    queue.close()
    (statement,) = json.loads(found["Policy"])["Statement"]
    assert statement["Principal"] == {"Service": "sns.amazonaws.com"}
    assert statement["Condition"] == {"ArnEquals": {"aws:SourceArn": world.topic}}
    assert (statement["Action"], statement["Resource"]) == ("sqs:SendMessage", found["QueueArn"])


def test_messages_ends_on_timeout_and_on_stop(world: World) -> None:
    queue = new_queue(world)
    queue.open()
    assert list(queue.messages(timedelta(seconds=0.1))) == []
    queue.stop.set()
    assert list(queue.messages(None)) == []
    queue.close()


def test_close_deletes_the_queue_after_a_refused_subscription(world: World) -> None:
    queue = new_queue(world)
    queue._sns = Trouble(queue._sns, "subscribe")
    with pytest.raises(EvercertError, match="subscribe queue"):
        queue.open()
    assert queue.close() == []


def test_close_deletes_a_queue_after_a_lost_response(world: World) -> None:
    queue = new_queue(world)
    real, made = queue._sqs, queue._sqs.create_queue

    class LosesResponse(Trouble):
        def __getattr__(self, name: str) -> Any:
            if name == "create_queue":
                return lambda **arguments: made(**arguments) and super(LosesResponse, self).__getattr__(name)()
            return getattr(real, name)

    queue._sqs = LosesResponse(real, "create_queue", "InternalError")
    with pytest.raises(EvercertError, match="create queue"):
        queue.open()
    assert len(left(world)[0]) == 1
    assert queue.close() == []


def test_close_reports_errors_and_deletes_the_rest(world: World) -> None:
    queue = new_queue(world)
    queue.open()
    (subscription,) = left(world)[1]
    queue._sns, real = Trouble(queue._sns, "unsubscribe"), queue._sns
    (problem,) = queue.close()
    assert subscription in problem
    assert left(world) == ([], [subscription])
    queue._sns = real
    queue._unsubscribe(subscription)


def test_delete_stale_removes_remains_of_a_killed_command(world: World) -> None:
    new_queue(world, age=STALE + timedelta(minutes=1)).open()
    assert [len(found) for found in left(world)] == [1, 1]
    assert new_queue(world).delete_stale() == []


def test_delete_stale_removes_an_orphaned_subscription(world: World) -> None:
    queue = new_queue(world)
    queue.open()
    queue._delete(queue._name)
    assert [len(found) for found in left(world)] == [0, 1]
    assert new_queue(world).delete_stale() == []


@pytest.mark.parametrize(
    ("stack", "age"), [("evercert", timedelta()), ("other", 2 * STALE)], ids=["young", "another-stack"]
)
def test_delete_stale_keeps_queues_in_use(world: World, stack: str, age: timedelta) -> None:
    queue = new_queue(world, stack, age)
    queue.open()
    new_queue(world).delete_stale()
    assert [len(found) for found in left(world)] == [1, 1]
    queue.close()


def test_delete_stale_keeps_foreign_queues(world: World) -> None:
    url = world.operator.sqs.create_queue(QueueName=f"{PREFIX}archive")["QueueUrl"]
    assert new_queue(world).delete_stale() == []
    assert len(left(world)[0]) == 1
    world.operator.sqs.delete_queue(QueueUrl=url)


def test_messages_renews_the_heartbeat_tag(world: World) -> None:
    queue = new_queue(world, age=2 * STALE)
    queue.open()
    queue._clock = lambda: datetime.now(UTC)
    queue._last_heartbeat -= HEARTBEAT.total_seconds() + 1
    list(queue.messages(timedelta(seconds=0.1)))
    tags = world.operator.sqs.list_queue_tags(QueueUrl=left(world)[0][0])["Tags"]
    assert tags["evercert:temporary"] > to_text(datetime.now(UTC) - timedelta(minutes=1))
    new_queue(world).delete_stale()
    assert len(left(world)[0]) == 1
    queue.close()


def test_delete_stale_returns_errors(world: World) -> None:
    queue = new_queue(world)
    queue._sns = Trouble(queue._sns, "get_paginator")
    (problem,) = queue.delete_stale()
    assert "list stale subscriptions" in problem


def test_temporary_queue_is_deleted_after_an_error(world: World) -> None:
    connection: Any = SimpleNamespace(
        clients=Clients(session=world.operator.session), name="evercert", output=lambda _: world.topic
    )

    def listen() -> None:
        with event_stream.temporary_queue(connection, threading.Event()):
            assert [len(found) for found in left(world)] == [1, 1]
            raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        listen()
    assert left(world) == ([], [])
