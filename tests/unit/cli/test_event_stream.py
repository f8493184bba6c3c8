"""Filters, output and test of the event stream."""

from __future__ import annotations

import json
import signal
import threading
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, get_args

import pytest

from evercert.cli import event_queue, event_stream, show
from evercert.cli.event_stream import Event, Filter
from evercert.cli.files import BadInput
from evercert.contracts.events import EventType

ALL = Filter([], [], [], {})


class FakeQueue:
    """Queue with prepared messages; each call of `messages` yields the next part."""

    def __init__(self, *parts: list[Any]) -> None:
        self.parts = list(parts)
        self.stop = threading.Event()

    def messages(self, span: timedelta | None):
        for body in self.parts.pop(0) if self.parts else []:
            yield body if isinstance(body, tuple) else (body, {})


def event(event_id: str, **attributes: Any) -> tuple[str, dict[str, Any]]:
    return json.dumps({"id": event_id, "type": "certificate.issued"}), attributes


WEB = {"certificate": "web", "type": "certificate.failed", "issuer": "main", "labels": ["env=prod", "team=web"]}


@pytest.mark.parametrize(
    ("wanted", "matches"),
    [
        (ALL, True),
        (Filter(["web", "other"], [], [], {}), True),
        (Filter(["other"], [], [], {}), False),
        (Filter([], ["certificate.failed"], ["main"], {}), True),
        (Filter(["web"], ["certificate.issued"], [], {}), False),
        (Filter([], [], ["else"], {}), False),
        (Filter([], [], [], {"team": "web", "env": "prod"}), True),
        (Filter([], [], [], {"team": "web", "env": "test"}), False),
    ],
    ids=["all", "one-of-two", "another", "type-and-issuer", "other-type", "other-issuer", "labels", "one-label-short"],
)
def test_filter_combines_conditions_by_and(wanted: Filter, matches: bool) -> None:
    assert wanted.matches(Event({}, WEB)) is matches


def test_filter_rejects_events_without_attributes() -> None:
    assert not Filter(["web"], [], [], {}).matches(Event({}))
    assert not Filter([], [], [], {"team": "web"}).matches(Event({}))


def test_types_refuses_unknown_types_and_lists_valid_ones() -> None:
    assert event_stream.types(["certificate.failed"]) == ["certificate.failed"]
    with pytest.raises(
        BadInput,
        match=r"--type certificate.faild: must be one of authority.approval-granted, .*, certificate.delivered",
    ):
        event_stream.types(["certificate.faild"])


def test_follow_ignores_repeated_events() -> None:
    queue = FakeQueue([event("1"), event("2"), event("1")])
    assert [found.body["id"] for found in event_stream.follow(queue, ALL, None)] == ["1", "2"]


@pytest.mark.parametrize(
    "body",
    [
        "hello",
        "[]",
        "{}",
        "7",
        "[" * 100_000,
        '{"type":' + "[" * 40 + "]" * 40 + "}",
        '{"type": NaN}',
        '{"type": 1e999}',
    ],
    ids=lambda body: body[:20],
)
def test_follow_notes_and_skips_foreign_messages(body: str, capsys: pytest.CaptureFixture[str]) -> None:
    queue = FakeQueue([body, event("1")])
    assert [found.body["id"] for found in event_stream.follow(queue, ALL, None)] == ["1"]
    assert "not an evercert event" in capsys.readouterr().err


@pytest.mark.parametrize(
    "labels", ["[" * 100_000, "[" * 40 + "]" * 40, "[NaN]", "{}", "7", ""], ids=lambda text: text[:9]
)
def test_foreign_labels_of_a_message_are_none(labels: str) -> None:
    attributes = {"labels": {"StringValue": labels}, "type": {"BinaryValue": b"x"}}
    assert event_queue.plain_attributes(attributes) == {"labels": [], "type": ""}


def test_samples_cover_every_type_and_are_marked_as_tests() -> None:
    samples = event_stream.samples()
    assert {outcome.type for outcome in samples} == set(get_args(EventType))
    assert {outcome.name for outcome in samples} == {"evercert-test"}
    assert all(outcome.data["test"] is True for outcome in samples)
    assert len({outcome.event_id for outcome in samples}) == len(samples)
    for outcome in samples:
        assert outcome.subject.isascii()
        assert json.dumps(outcome.cloud_event("arn:stack"))


class Topic:
    """Deliver published events to the queue, except the types in `loses` (with `first`: only the first time)."""

    def __init__(self, queue: FakeQueue, *loses: str, first: bool = False) -> None:
        self.queue, self.loses, self.published, self.first = queue, loses, [], first

    def publish(self, *, Message: str, **_: Any) -> None:
        body = json.loads(Message)["default"]
        self.published.append(json.loads(body)["type"])
        kind = json.loads(body)["type"]
        again = self.first and self.published.count(kind) > 1
        if kind in self.loses and not again:
            return
        if not self.queue.parts:
            self.queue.parts.append([])
        self.queue.parts[0].append((body, {}))


def missing(topic: Topic, seconds: float) -> list[str]:
    connection: Any = SimpleNamespace(id="arn:stack", clients=SimpleNamespace(sns=topic), output=lambda _: "arn:topic")
    return event_stream.test(topic.queue, connection, timedelta(seconds=seconds))


def test_event_test_passes_when_all_events_arrive() -> None:
    topic = Topic(FakeQueue())
    assert missing(topic, 5) == []
    assert sorted(topic.published) == sorted(get_args(EventType))


def test_event_test_names_missing_types() -> None:
    assert missing(Topic(FakeQueue(), "certificate.failed"), 0.05) == ["certificate.failed"]


def test_event_test_republishes_only_missing_events() -> None:
    topic = Topic(FakeQueue(), "certificate.failed", first=True)
    assert missing(topic, 5) == []
    assert topic.published.count("certificate.failed") == 2
    assert topic.published.count("certificate.issued") == 1


def test_event_test_ends_on_interruption() -> None:
    topic = Topic(FakeQueue(), *get_args(EventType))
    topic.queue.stop.set()
    assert set(missing(topic, 60)) == set(get_args(EventType))
    assert topic.published == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_interruptible_sets_a_flag_on_signals(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with event_stream.interruptible() as stop:
        signal.raise_signal(number)
        assert stop.is_set()
    assert signal.getsignal(number) is before


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"message": "secret\x1b[31m is gone"}, "secret\\x1b[31m is gone"),
        ({"serial_number": "1", "revision": 3, "not_after": "soon"}, "revision 3, until soon"),
        (None, ""),
        ("text", ""),
    ],
    ids=["message", "facts", "no-data", "strange-data"],
)
def test_show_event_is_one_printable_line(data: Any, words: str) -> None:
    body = {"id": "1", "type": "certificate.failed", "subject": "web\n\x1b]0;x\x07", "time": "2026", "data": data}
    line = show.event(body).plain
    assert line.isprintable()
    assert line.startswith("2026  certificate.failed ")
    assert line.endswith(words)
