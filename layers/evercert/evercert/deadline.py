"""The deadline of a run: adapters check it before every outbound call."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from evercert.errors import OutOfTime
from evercert.timestamps import to_text

Clock = Callable[[], datetime]


class Deadline:
    """Refuse calls that could outlast the claim; without a claim, allow every call.

    Adapters call `require` with the longest time that their next call can take, including retries.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until: datetime | None = None

    def begin(self, until: datetime) -> None:
        """Start to refuse calls that could end after `until`."""
        self._until = until

    def end(self) -> None:
        """Stop refusing calls: the claim is released."""
        self._until = None

    def require(self, limit: timedelta, what: str) -> None:
        """Raise OutOfTime if a call that takes up to `limit` could outlast the claim."""
        if self._until is not None and self._clock() + limit > self._until:
            raise OutOfTime(f"{what} could end after the claim ends at {to_text(self._until)}")
