"""Which events are shown, and what the test of the topic sends."""

from __future__ import annotations

import json
import signal
import threading
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, get_args

import pytest

from evercert.cli import event_stream as following
from evercert.cli import show
from evercert.cli.event_stream import Event, Filter
from evercert.cli.files import BadInput
from evercert.contracts.events import EventType

ALL = Filter([], [], [], {})


class Box:
    """An inbox with some messages in it; each look gives the next part."""

    def __init__(self, *parts: list[Any]) -> None:
        self.parts = list(parts)
        self.stop = threading.Event()

    def messages(self, span: timedelta | None):
        for body in self.parts.pop(0) if self.parts else []:
            yield body if isinstance(body, tuple) else (body, {})


def event(mark: str, **attributes: Any) -> tuple[str, dict[str, Any]]:
    return json.dumps({"id": mark, "type": "certificate.issued"}), attributes


WEB = {"certificate": "web", "type": "certificate.failed", "issuer": "main", "labels": ["env=prod", "team=web"]}


@pytest.mark.parametrize(
    ("wanted", "takes"),
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
def test_filters_are_joined_by_and(wanted: Filter, takes: bool) -> None:
    assert wanted.takes(Event({}, WEB)) is takes


def test_what_has_no_attributes_passes_no_filter() -> None:
    assert not Filter(["web"], [], [], {}).takes(Event({}))
    assert not Filter([], [], [], {"team": "web"}).takes(Event({}))


def test_a_type_that_is_none_is_refused_with_those_there_are() -> None:
    assert following.types(["certificate.failed"]) == ["certificate.failed"]
    with pytest.raises(BadInput, match=r"--type certificate.faild: one of certificate"):
        following.types(["certificate.faild"])


def test_an_event_that_comes_twice_is_shown_once() -> None:
    box = Box([event("1"), event("2"), event("1")])
    assert [found.body["id"] for found in following.follow(box, ALL, None)] == ["1", "2"]


@pytest.mark.parametrize("body", ["hello", "[]", "{}", "7"])
def test_what_is_no_event_is_told_and_passed_over(body: str, capsys: pytest.CaptureFixture[str]) -> None:
    box = Box([body, event("1")])
    assert [found.body["id"] for found in following.follow(box, ALL, None)] == ["1"]
    assert "no event" in capsys.readouterr().err


def test_a_sample_of_every_type_is_marked_as_a_test() -> None:
    samples = following.samples()
    assert {outcome.type for outcome in samples} == set(get_args(EventType))
    assert {outcome.name for outcome in samples} == {"evercert-test"}
    assert all(outcome.data["test"] is True for outcome in samples)
    assert len({outcome.event_id for outcome in samples}) == len(samples)
    for outcome in samples:
        assert outcome.subject.isascii()
        assert json.dumps(outcome.cloud_event("arn:stack"))


class Topic:
    """Keeps what is published, and gives it to the box; what `loses` names never arrives."""

    def __init__(self, box: Box, *loses: str, first: bool = False) -> None:
        self.box, self.loses, self.published, self.first = box, loses, [], first

    def publish(self, *, Message: str, **_: Any) -> None:
        body = json.loads(Message)["default"]
        self.published.append(json.loads(body)["type"])
        kind = json.loads(body)["type"]
        again = self.first and self.published.count(kind) > 1
        if kind in self.loses and not again:
            return
        if not self.box.parts:
            self.box.parts.append([])
        self.box.parts[0].append((body, {}))


def missing(topic: Topic, seconds: float) -> list[str]:
    connection: Any = SimpleNamespace(id="arn:stack", clients=SimpleNamespace(sns=topic), output=lambda _: "arn:topic")
    return following.test(topic.box, connection, timedelta(seconds=seconds))


def test_all_that_comes_back_is_well() -> None:
    topic = Topic(Box())
    assert missing(topic, 5) == []
    assert sorted(topic.published) == sorted(get_args(EventType))


def test_what_does_not_come_back_is_named() -> None:
    assert missing(Topic(Box(), "certificate.failed"), 0.05) == ["certificate.failed"]


def test_what_was_lost_is_published_again_and_nothing_else() -> None:
    topic = Topic(Box(), "certificate.failed", first=True)
    assert missing(topic, 5) == []
    assert topic.published.count("certificate.failed") == 2
    assert topic.published.count("certificate.issued") == 1


def test_an_interruption_ends_the_test() -> None:
    topic = Topic(Box(), *get_args(EventType))
    topic.box.stop.set()
    assert set(missing(topic, 60)) == set(get_args(EventType))
    assert topic.published == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_a_signal_only_sets_the_flag(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with following.interruptible() as stop:
        signal.raise_signal(number)
        assert stop.is_set()
    assert signal.getsignal(number) is before


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"message": "secret\x1b[31m is gone"}, "secret [31m is gone"),
        ({"serial_number": "1", "revision": 3, "not_after": "soon"}, "revision 3, until soon"),
        (None, ""),
        ("text", ""),
    ],
    ids=["message", "facts", "no-data", "strange-data"],
)
def test_an_event_is_one_clean_line(data: Any, words: str) -> None:
    body = {"id": "1", "type": "certificate.failed", "subject": "web\n\x1b]0;x\x07", "time": "2026", "data": data}
    line = show.event(body).plain
    assert line.isprintable()
    assert line.startswith("2026  certificate.failed ")
    assert line.endswith(words)
