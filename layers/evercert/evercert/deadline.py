"""The end of our claim, asked before every outbound call."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from evercert.errors import OutOfTime
from evercert.timestamps import to_text

Clock = Callable[[], datetime]


class Deadline:
    """Refuses to start what could end after the claim; without a claim everything may start.

    Adapters call `require` with the longest that their next call can take, retries included.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until: datetime | None = None

    def begin(self, until: datetime) -> None:
        """From now on no call may end after `until`."""
        self._until = until

    def end(self) -> None:
        """The claim is over; nothing is refused any more."""
        self._until = None

    def require(self, limit: timedelta, what: str) -> None:
        """Raises OutOfTime if a call that takes up to `limit` could outlive the claim."""
        if self._until is not None and self._clock() + limit > self._until:
            raise OutOfTime(f"{what} could end after the claim ends at {to_text(self._until)}")
