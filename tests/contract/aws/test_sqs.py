"""One suite for the queue: the emulator's SQS, the strict double, and the fake."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from evercert.aws.sqs import SQSQueue, read, write
from evercert.contracts.queue import Nudge
from evercert.errors import Rejected
from tests.doubles.fakes import FakeQueue
from tests.doubles.strict_aws import StrictSQS


@pytest.fixture(params=["fake", "strict", "sqs"])
def queue(request: pytest.FixtureRequest):
    if request.param == "fake":
        return FakeQueue()
    if request.param == "strict":
        return SQSQueue(StrictSQS(), "https://queue")
    world = request.getfixturevalue("world")
    return SQSQueue(world.operator.sqs, world.queue_url)


def test_a_batch_answers_what_was_taken(queue) -> None:
    nudges = [Nudge(f"c{number}") for number in range(10)]
    assert queue.send(nudges) == nudges


@pytest.mark.parametrize("delay", [-5, 0, 0.4, 899.2, 900, 901, 86_400], ids=str)
def test_any_delay_is_taken(queue, delay: float) -> None:
    queue.send_later(Nudge("web"), timedelta(seconds=delay))


@pytest.mark.parametrize(("delay", "seconds"), [(-5, 0), (0.4, 1), (120, 120), (899.2, 900), (5_000, 900)], ids=str)
def test_a_delay_is_rounded_up_and_at_most_fifteen_minutes(delay: float, seconds: int) -> None:
    strict = StrictSQS()
    SQSQueue(strict, "https://queue").send_later(Nudge("web"), timedelta(seconds=delay))
    assert strict.delays == [seconds]


def test_what_sqs_refuses_is_not_counted_as_taken() -> None:
    strict = StrictSQS()
    strict.refused = {"b"}
    assert SQSQueue(strict, "https://queue").send([Nudge("a"), Nudge("b"), Nudge("c")]) == [Nudge("a"), Nudge("c")]


@pytest.mark.parametrize(
    "nudge", [Nudge("web"), Nudge("*.example.com", outcome="outcome#u#1#1")], ids=["plain", "outcome"]
)
def test_what_is_written_is_read(nudge: Nudge) -> None:
    assert read(write(nudge)) == nudge


@pytest.mark.parametrize("body", ["", "{}", "[]", '{"certificate": 5}', '{"certificate": "a", "key": "x"}', "\x00"])
def test_an_unreadable_message_is_rejected(body: str) -> None:
    with pytest.raises(Rejected, match="the message is not"):
        read(body)


def test_a_message_holds_a_name_and_nothing_else() -> None:
    assert json.loads(write(Nudge("web"))) == {"certificate": "web"}
