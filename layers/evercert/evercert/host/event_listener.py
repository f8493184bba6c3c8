"""Wake the agent for each event, in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Protocol

from evercert.errors import EvercertError, Unexpected
from evercert.host.ports import Log

PAUSE = 30.0  # seconds after a failure


class Events(Protocol):
    """Events of certificates. Raises Unavailable or Misconfigured."""

    def receive(self) -> Iterator[str]:
        """Wait a little, and yield the names of certificates."""


class EventListener:
    """Calls `wake` with the name of each certificate that an event is about, until `stop`."""

    def __init__(self, events: Events, wake: Callable[[str], None], log: Log, pause: float = PAUSE) -> None:
        self._events, self._wake, self._log, self._pause = events, wake, log, pause
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Start listening."""
        self._thread.start()

    def stop(self) -> None:
        """Stop listening, at the latest after the wait in progress."""
        self._stop.set()

    def _run(self) -> None:
        problem: str | None = None
        while not self._stop.is_set():
            try:
                for name in self._events.receive():
                    self._wake(name)
                if problem is not None:
                    self._log.info(f"solved: {problem}")
                problem = None
            except Exception as error:  # noqa: BLE001 (the thread must not end)
                if problem is None:
                    self._log.error(f"{_text(error)}; the agent checks at each interval meanwhile")
                problem = _text(error)
                self._stop.wait(self._pause)


def _text(error: Exception) -> str:
    return str(error if isinstance(error, EvercertError) else Unexpected.of(error))
