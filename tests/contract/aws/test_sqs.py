"""Contract of the queue: the emulator's SQS, the strict double and the fake."""

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


def test_send_returns_the_accepted_messages(queue) -> None:
    nudges = [Nudge(f"c{number}") for number in range(10)]
    assert queue.send(nudges) == nudges


@pytest.mark.parametrize("delay", [-5, 0, 0.4, 899.2, 900, 901, 86_400], ids=str)
def test_send_accepts_any_delay(queue, delay: float) -> None:
    queue.send_later(Nudge("web"), timedelta(seconds=delay))


@pytest.mark.parametrize(("delay", "seconds"), [(-5, 0), (0.4, 1), (120, 120), (899.2, 900), (5_000, 900)], ids=str)
def test_send_rounds_delay_up_to_fifteen_minutes_at_most(delay: float, seconds: int) -> None:
    strict = StrictSQS()
    SQSQueue(strict, "https://queue").send_later(Nudge("web"), timedelta(seconds=delay))
    assert strict.delays == [seconds]


def test_send_excludes_messages_that_sqs_refused() -> None:
    strict = StrictSQS()
    strict.refused = {"b"}
    assert SQSQueue(strict, "https://queue").send([Nudge("a"), Nudge("b"), Nudge("c")]) == [Nudge("a"), Nudge("c")]


@pytest.mark.parametrize(
    "nudge",
    [Nudge("web"), Nudge("*.example.com", outcome="outcome#u#1#1"), Nudge("web", repeats=5)],
    ids=["plain", "outcome", "repeated"],
)
def test_nudge_round_trip(nudge: Nudge) -> None:
    assert read(write(nudge)) == nudge


@pytest.mark.parametrize(
    "body",
    [
        *("", "{}", "[]", '{"certificate": 5}', '{"certificate": "a", "key": "x"}', "\x00", "[" * 100_000),
        *(f'{{"certificate": "a", "repeats": {repeats}}}' for repeats in ('"1"', "null", "[]", "1.5", "-1", "NaN")),
    ],
    ids=lambda body: body[:40],
)
def test_parse_rejects_unreadable_messages(body: str) -> None:
    with pytest.raises(Rejected, match="invalid message"):
        read(body)


def test_message_holds_only_a_name() -> None:
    assert json.loads(write(Nudge("web"))) == {"certificate": "web"}
