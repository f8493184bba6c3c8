"""The deadline of a run: adapters check it before every outbound call."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from evercert.errors import OutOfTime
from evercert.timestamps import to_text

Clock = Callable[[], datetime]

CLOCK_TOLERANCE = timedelta(minutes=5)  # two clocks may differ by this much; AWS refuses signatures of worse ones


class Deadline:
    """Refuse calls that could outlast the claim; without a claim, allow every call.

    Adapters call `require` with the longest time that their next call can take, including retries. A clock that is set
    during a run, in either direction, ends the run: times from before and after must not be mixed.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until: datetime | None = None
        self._since: datetime | None = None

    def begin(self, until: datetime, since: datetime | None = None) -> None:
        """Start to refuse calls that could end after `until`; `since` is the time of the start, by default now."""
        self._until = until
        self._since = since or self._clock()

    def end(self) -> None:
        """Stop refusing calls: the claim is released."""
        self._until = self._since = None

    def require(self, limit: timedelta, what: str) -> None:
        """Raise OutOfTime if a call that takes up to `limit` could outlast the claim."""
        now = self._clock()
        if self._since is not None and now < self._since - CLOCK_TOLERANCE:
            raise OutOfTime(f"{what} was not started: the clock went back from {to_text(self._since)}")
        if self._until is not None and now + limit > self._until:
            raise OutOfTime(f"{what} could end after the claim ends at {to_text(self._until)}")
