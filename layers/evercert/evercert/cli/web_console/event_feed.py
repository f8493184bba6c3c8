"""Events of the stack for the console, received in a thread that starts with the first page that shows them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from evercert.cli import event_stream, terminal
from evercert.cli.event_queue import TemporaryQueue
from evercert.errors import EvercertError
from evercert.operations.outcome_details import event_details
from evercert.timestamps import to_text

if TYPE_CHECKING:
    from evercert.cli.connection import Connection

REMEMBERED = 500
PAUSE = 30.0  # seconds after a failure
Numbered = tuple[int, Mapping[str, Any]]


def feed_of(connection: Connection) -> QueueFeed:
    """Return the events of a connected stack; makes no request yet."""
    topic = connection.outputs.get("Topic", "")
    return QueueFeed(TemporaryQueue(connection.clients, topic, connection.name, terminal.now, threading.Event()))


class QueueFeed:
    """Events through a temporary queue, which `close` deletes. A failure is an event of its own."""

    def __init__(self, queue: TemporaryQueue, pause: float = PAUSE) -> None:
        self._queue = queue
        self._pause = pause
        self._events: deque[Numbered] = deque(maxlen=REMEMBERED)
        self._lock = threading.Lock()
        self._count = 0
        self._thread: threading.Thread | None = None

    def since(self, number: int) -> Sequence[Numbered]:
        """Return the events after this number; the first call starts the thread."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._receive, daemon=True)
                self._thread.start()
            return [event for event in self._events if event[0] > number]

    def close(self) -> list[str]:
        """Stop the thread and delete the queue; return the errors."""
        self._queue.stop.set()
        if self._thread is None:
            return []
        self._thread.join(timeout=5)
        return self._queue.close()

    def _receive(self) -> None:
        """Receive until `stop`; after a failure, try again."""
        self._note(self._queue.delete_stale())
        while not self._queue.stop.is_set():
            try:
                self._queue.open()
                for event in event_stream.follow(self._queue, event_stream.Filter([], [], [], {}), None):
                    self._add(event.body)
            except EvercertError as error:
                self._note([str(error)])
                self._queue.stop.wait(self._pause)

    def _note(self, problems: Sequence[str]) -> None:
        for problem in problems:
            self._add({"time": to_text(terminal.now()), "type": "events not received", "data": {"message": problem}})

    def _add(self, body: Mapping[str, Any]) -> None:
        with self._lock:
            self._count += 1
            self._events.append((self._count, {**body, "text": event_details(body)}))
