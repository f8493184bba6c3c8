"""Clock and time limit of a Lambda invocation, shared by the entry points."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Protocol

from evercert.deadline import Deadline

RESERVE = timedelta(milliseconds=500)  # kept free to answer


def now() -> datetime:
    """Return the current time in UTC; the only system clock of the functions."""
    return datetime.now(UTC)


class Invocation(Protocol):
    """The part of the Lambda context that the deadline needs."""

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until Lambda stops the invocation."""


class InvocationDeadline(Deadline):
    """Deadline that ends shortly before Lambda stops the invocation."""

    def begin_invocation(self, context: Invocation) -> None:
        """Begin a deadline at the invocation's time limit minus the reserve for the answer."""
        remaining = timedelta(milliseconds=context.get_remaining_time_in_millis())
        self.begin(self._clock() + remaining - RESERVE)
