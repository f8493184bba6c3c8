"""The stack's events as they come, through a queue that is made for it and gone again at the end."""

from __future__ import annotations

import json
import signal
import threading
import time
import uuid
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, get_args

from evercert.aws.sns import SNSAnnouncer
from evercert.cli import terminal
from evercert.cli.event_queue import Inbox
from evercert.cli.files import BadInput
from evercert.contracts.events import EventType, Outcome
from evercert.schema import printable

if TYPE_CHECKING:
    from evercert.cli.connection import Connection

TYPES = frozenset(get_args(EventType))
AGAIN = timedelta(seconds=10)  # a subscription takes a moment to be heard; the same event again is no second one
_REMEMBERED = 10_000


@dataclass(frozen=True)
class Event:
    """One message: the CloudEvent, and the attributes that it was sent with."""

    body: dict[str, Any]
    attributes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Filter:
    """What is shown; empty means all. Labels must all be there."""

    certificates: list[str]
    types: list[str]
    issuers: list[str]
    labels: dict[str, str]

    def takes(self, event: Event) -> bool:
        """Judged here and not by the subscription: AWS may need minutes until a filter policy counts."""
        seen = event.attributes
        alike = [("certificate", self.certificates), ("type", self.types), ("issuer", self.issuers)]
        if any(wanted and seen.get(key) not in wanted for key, wanted in alike):
            return False
        labels = seen.get("labels", [])
        return {f"{key}={value}" for key, value in self.labels.items()} <= set(labels)


def types(given: Sequence[str]) -> list[str]:
    """What `--type` says."""
    wrong = [kind for kind in given if kind not in TYPES]
    if wrong:
        raise BadInput([f"--type {printable(wrong[0], 60)}: one of {', '.join(sorted(TYPES))}"])
    return list(given)


@contextmanager
def interruptible() -> Iterator[threading.Event]:
    """Ctrl-C, a closed terminal and SIGTERM only set the flag: whatever was made is taken away in peace."""
    stop = threading.Event()
    numbers = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in numbers}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def inbox(connection: Connection, stop: threading.Event) -> Iterator[Inbox]:
    """A queue that hears everything of the stack, as long as the block lasts."""
    box = Inbox(connection.clients, connection.output("Topic"), connection.name, terminal.now, stop)
    try:
        terminal.notes(box.clear_away())
        box.open()
        yield box
    finally:
        terminal.notes(box.close())


def follow(box: Inbox, wanted: Filter, span: timedelta | None) -> Iterator[Event]:
    """Each event once, in the order in which it comes, until the time is over or somebody interrupts."""
    seen: deque[str] = deque(maxlen=_REMEMBERED)
    for event in _events(box, span):
        mark = str(event.body.get("id"))
        if mark not in seen and wanted.takes(event):
            seen.append(mark)
            yield event


def test(box: Inbox, connection: Connection, limit: timedelta) -> list[str]:
    """Publishes one of each type, again while it does not come back; answers with those that never did."""
    announcer = SNSAnnouncer(connection.clients.sns, connection.output("Topic"), connection.id)
    left = {outcome.event_id: outcome for outcome in samples()}
    give_up = time.monotonic() + limit.total_seconds()
    while left and time.monotonic() < give_up and not box.stop.is_set():
        for outcome in left.values():
            announcer.announce(outcome)
        for event in _events(box, min(AGAIN, timedelta(seconds=max(give_up - time.monotonic(), 0)))):
            left.pop(str(event.body.get("id")), None)
            if not left:
                break
    return [outcome.type for outcome in left.values()]


def samples() -> list[Outcome]:
    """One outcome of each type, marked as a test, of a certificate that there is not."""
    uid, at = str(uuid.uuid4()), terminal.now()
    return [
        Outcome(
            name="evercert-test",
            uid=uid,
            revision=1,
            number=number,
            type=kind,
            at=at,
            issuer="evercert-test",
            severity="info",
            labels={"evercert": "test"},
            data={"name": "evercert-test", "test": True, "message": "a test by `evercert events --test`"},
        )
        for number, kind in enumerate(get_args(EventType))
    ]


def _events(box: Inbox, span: timedelta | None) -> Iterator[Event]:
    for body, attributes in box.messages(span):
        try:
            event = json.loads(body)
        except ValueError:
            event = None
        if isinstance(event, dict) and "type" in event:
            yield Event(event, attributes)
        else:
            terminal.notes(["something was published that is no event of evercert's"])
