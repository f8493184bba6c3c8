"""Events for the console: received in a thread, numbered, limited, and deleted at the end."""

from __future__ import annotations

import json
import threading
import time
from datetime import timedelta
from typing import Any

import pytest

from evercert.cli.web_console.event_feed import REMEMBERED, QueueFeed
from evercert.errors import Misconfigured


class FakeQueue:
    """Queue with messages of the test; `fails` is raised when it opens."""

    def __init__(self, fails: Exception | None = None) -> None:
        self.stop, self.fails = threading.Event(), fails
        self.messages_left: list[dict[str, Any]] = []
        self.calls: list[str] = []

    def delete_stale(self) -> list[str]:
        self.calls.append("delete stale")
        return []

    def open(self) -> None:
        self.calls.append("open")
        if self.fails is not None:
            raise self.fails

    def messages(self, _span: timedelta | None) -> Any:
        while not self.stop.is_set():
            if self.messages_left:
                yield json.dumps(self.messages_left.pop(0)), {}
            time.sleep(0.001)

    def close(self) -> list[str]:
        self.calls.append("close")
        return ["cannot delete queue"]


def event(number: int, **data: Any) -> dict[str, Any]:
    return {"id": str(number), "type": "certificate.issued", "subject": "web", "data": data}


def received(feed: QueueFeed, count: int) -> list[Any]:
    for _ in range(5_000):
        if len(found := feed.since(0)) >= count:
            return list(found)
        time.sleep(0.001)
    raise AssertionError("the events did not arrive")


@pytest.fixture
def queue() -> FakeQueue:
    return FakeQueue()


def test_feed_makes_no_queue_before_it_is_viewed(queue: FakeQueue) -> None:
    feed = QueueFeed(queue)  # type: ignore[arg-type]
    assert feed.close() == []
    assert queue.calls == []


def test_events_are_numbered_and_described(queue: FakeQueue) -> None:
    queue.messages_left = [
        event(1, serial_number="4d", revision=2, not_after="2027-01-01T00:00:00Z"),
        event(2, message="refused"),
    ]
    feed = QueueFeed(queue)  # type: ignore[arg-type]
    found = received(feed, 2)
    assert [(number, one["text"]) for number, one in found] == [
        (1, "revision 2, until 2027-01-01T00:00:00Z"),
        (2, "refused"),
    ]
    assert [number for number, _ in feed.since(1)] == [2]
    assert feed.close() == ["cannot delete queue"]
    assert queue.calls == ["delete stale", "open", "close"]


def test_feed_remembers_the_latest_events(queue: FakeQueue) -> None:
    queue.messages_left = [event(number) for number in range(REMEMBERED + 20)]
    feed = QueueFeed(queue)  # type: ignore[arg-type]
    for _ in range(5_000):
        if not queue.messages_left and feed.since(REMEMBERED + 19):
            break
        feed.since(0)
        time.sleep(0.002)
    assert len(feed.since(0)) == REMEMBERED
    assert feed.since(0)[-1][0] == REMEMBERED + 20
    feed.close()


def test_missing_permission_is_an_event() -> None:
    feed = QueueFeed(FakeQueue(Misconfigured("not allowed: sqs:CreateQueue")))  # type: ignore[arg-type]
    ((_, found),) = received(feed, 1)
    assert (found["type"], found["text"]) == ("events not received", "not allowed: sqs:CreateQueue")
    feed.close()


def test_feed_resumes_after_a_failure() -> None:
    queue = FakeQueue(Misconfigured("connection lost"))
    feed = QueueFeed(queue, pause=0.01)  # type: ignore[arg-type]
    received(feed, 1)
    queue.fails = None
    queue.messages_left = [event(1)]
    for _ in range(5_000):
        if any(one["type"] == "certificate.issued" for _, one in feed.since(0)):
            break
        time.sleep(0.001)
    else:
        raise AssertionError("no event after the failure")
    feed.close()


@pytest.mark.parametrize("body", [{"data": None}, {"data": ["x"]}, {}], ids=["none", "list", "missing"])
def test_odd_event_is_shown_as_it_is(queue: FakeQueue, body: dict[str, Any]) -> None:
    queue.messages_left = [{"id": "1", "type": "certificate.issued", **body}]
    feed = QueueFeed(queue)  # type: ignore[arg-type]
    ((_, found),) = received(feed, 1)
    assert found["text"] == ""
    feed.close()
