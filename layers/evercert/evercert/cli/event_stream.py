"""Follow the stack's events through a temporary queue."""

from __future__ import annotations

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

from evercert import json_parser
from evercert.aws.sns import SNSAnnouncer
from evercert.cli import terminal
from evercert.cli.event_queue import TemporaryQueue
from evercert.cli.files import BadInput
from evercert.contracts.events import EventType, Outcome, Severity
from evercert.schema import printable

if TYPE_CHECKING:
    from evercert.cli.connection import Connection

TYPES = frozenset(get_args(EventType))
REPUBLISH = timedelta(seconds=10)  # a new subscription misses events for some seconds; readers ignore repeated ids
_REMEMBERED = 10_000


@dataclass(frozen=True)
class Event:
    """Received message: the CloudEvent and its message attributes."""

    body: dict[str, Any]
    attributes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Filter:
    """Conditions on events, combined by AND; an empty condition matches all. An event must have all labels."""

    certificates: list[str]
    types: list[str]
    issuers: list[str]
    labels: dict[str, str]

    def matches(self, event: Event) -> bool:
        """Return whether the event passes.

        The subscription has no filter policy, because SNS may need minutes until a policy takes effect.
        """
        attributes = event.attributes
        conditions = [("certificate", self.certificates), ("type", self.types), ("issuer", self.issuers)]
        if any(wanted and attributes.get(key) not in wanted for key, wanted in conditions):
            return False
        labels = attributes.get("labels", [])
        return {f"{key}={value}" for key, value in self.labels.items()} <= set(labels)


def types(values: Sequence[str]) -> list[str]:
    """Check the values of `--type`."""
    invalid = [kind for kind in values if kind not in TYPES]
    if invalid:
        raise BadInput([f"invalid --type {printable(invalid[0], 60)}: must be one of {', '.join(sorted(TYPES))}"])
    return list(values)


@contextmanager
def interruptible() -> Iterator[threading.Event]:
    """Set a flag on Ctrl-C, SIGTERM and SIGHUP instead of ending the process, so that the queue is deleted."""
    stop = threading.Event()
    numbers = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in numbers}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def temporary_queue(connection: Connection, stop: threading.Event) -> Iterator[TemporaryQueue]:
    """Open a queue that receives all events of the stack; delete it at the end of the block."""
    queue = TemporaryQueue(connection.clients, connection.output("Topic"), connection.name, terminal.now, stop)
    try:
        terminal.notes(queue.delete_stale())
        queue.open()
        yield queue
    finally:
        terminal.notes(queue.close())


def follow(queue: TemporaryQueue, wanted: Filter, span: timedelta | None) -> Iterator[Event]:
    """Yield each matching event once, in order of arrival, until `span` is over or `stop` is set."""
    seen: deque[str] = deque(maxlen=_REMEMBERED)
    for event in _events(queue, span):
        event_id = str(event.body.get("id"))
        if event_id not in seen and wanted.matches(event):
            seen.append(event_id)
            yield event


def test(queue: TemporaryQueue, connection: Connection, limit: timedelta) -> list[str]:
    """Publish one event of each type, repeatedly until it arrives; return the types that never arrived."""
    announcer = SNSAnnouncer(connection.clients.sns, connection.output("Topic"), connection.id)
    left = {outcome.event_id: outcome for outcome in samples()}
    give_up = time.monotonic() + limit.total_seconds()
    while left and time.monotonic() < give_up and not queue.stop.is_set():
        for outcome in left.values():
            announcer.announce(outcome)
        for event in _events(queue, min(REPUBLISH, timedelta(seconds=max(give_up - time.monotonic(), 0)))):
            left.pop(str(event.body.get("id")), None)
            if not left:
                break
    return [outcome.type for outcome in left.values()]


SEVERITIES: dict[str, Severity] = {
    "certificate.failed": "critical",
    "certificate.expired": "critical",
    "certificate.expiring": "warning",
    "certificate.revoked": "critical",
    "certificate.drifted": "warning",
    "certificate.pending": "warning",
    "spec.rejected": "critical",
}


def samples() -> list[Outcome]:
    """Return one outcome of each type, marked as a test, for a certificate that does not exist."""
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
            severity=SEVERITIES.get(kind, "info"),
            labels={"evercert": "test"},
            data={"name": "evercert-test", "test": True, "message": "test event of `evercert events --test`"},
        )
        for number, kind in enumerate(get_args(EventType))
    ]


def _events(queue: TemporaryQueue, span: timedelta | None) -> Iterator[Event]:
    for body, attributes in queue.messages(span):
        try:
            event = json_parser.parse(body)
        except ValueError:
            event = None
        if isinstance(event, dict) and "type" in event:
            yield Event(event, attributes)
        else:
            terminal.notes(["ignored a message on the topic that is not an evercert event"])
