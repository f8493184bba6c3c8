"""Check all certificates of a host, each at its own time, and those that an event names at once."""

from __future__ import annotations

import heapq
import queue
import random
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from time import monotonic

from evercert.host.follower import Follower
from evercert.host.health import Health
from evercert.host.ports import Log
from evercert.host.systemd import Systemd

JITTER = 0.1  # of the interval, either way: hosts that start together do not ask together
LONGEST_WAIT = 60.0  # seconds without a beat
HEALTH_INTERVAL = 5.0  # seconds between two updates while certificates are due all the time
STOP = None


class Agent:
    """Runs until `stop` is called; checks run one after the other, so hooks never overlap."""

    def __init__(
        self, followers: Sequence[Follower], interval: timedelta, health: Health, systemd: Systemd, log: Log
    ) -> None:
        self._followers = {follower.certificate.name: follower for follower in followers}
        self._interval = interval.total_seconds()
        self._health, self._systemd, self._log = health, systemd, log
        self._events: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._woken: list[str] = []
        self._stopped, self._changed, self._shown_at = False, True, 0.0

    def stop(self) -> None:
        """End `run` after the check in progress; safe in a signal handler and in other threads."""
        self._stopped = True
        self._events.put(STOP)

    def wake(self, name: str) -> None:
        """Check a certificate at once, such as after an event; ignore names that this host does not have."""
        self._events.put(name)

    def check_all(self) -> bool:
        """Check each certificate once; return whether all are well."""
        for follower in self._followers.values():
            if self._stopped:
                break
            self._check(follower.certificate.name)
            self._systemd.beat()
        self._update_health()
        return all(follower.healthy for follower in self._followers.values())

    def run(self) -> None:
        """Check the certificates until `stop`: those that events name first, then those that are due."""
        due = [(monotonic(), name) for name in self._followers]
        heapq.heapify(due)
        latest = {name: at for at, name in due}
        self._systemd.ready(f"following {len(due)} certificates")
        while not self._stopped:
            self._systemd.beat()
            self._take_events()
            at, name = due[0]
            if self._woken:
                name = self._woken.pop(0)
            elif latest[name] != at:  # an event checked it meanwhile
                heapq.heappop(due)
                continue
            elif at > monotonic():
                self._update_health()
                self._take_events(min(at - monotonic(), self._systemd.interval, LONGEST_WAIT))
                continue
            else:
                heapq.heappop(due)
            latest[name] = monotonic() + self._check(name)
            heapq.heappush(due, (latest[name], name))
            if monotonic() - self._shown_at >= HEALTH_INTERVAL:
                self._update_health()
        self._systemd.stopping()

    def _check(self, name: str) -> float:
        """Check a certificate; return the seconds to its next check."""
        self._systemd.beat()
        soon = self._followers[name].check()
        self._changed = True
        pause = random.uniform(1 - JITTER, 1 + JITTER) * self._interval  # noqa: S311 (no secret)
        return pause if soon is None else min(pause, soon.total_seconds())

    def _take_events(self, seconds: float = 0) -> None:
        """Note the certificates that events name, each once; wait for the first event up to `seconds`."""
        with suppress(queue.Empty):
            while True:
                name = self._events.get(seconds > 0, max(seconds, 0.01))
                seconds = 0
                if name in self._followers and name not in self._woken:
                    self._woken.append(name)

    def _update_health(self) -> None:
        """Show the health after the checks that were due, and during many of them; not after each."""
        if not self._changed:
            return
        self._changed, self._shown_at = False, monotonic()
        facts = [follower.facts() for follower in self._followers.values()]
        try:
            self._health.update(facts)
        except OSError as error:
            self._log.error(f"cannot write the health file: {error.strerror}")
