"""Connections to AWS: reopened after a pause, so that no call waits on a dead one."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ConnectionError as NoConnection
from botocore.exceptions import HTTPClientError

from evercert.aws.lambda_clock import now

if TYPE_CHECKING:
    from datetime import datetime

    from botocore.hooks import BaseEventHooks

IDLE = 30  # seconds; endpoints close connections that are idle for longer, from a minute on
_BEGAN = "evercert_began"


class ReconnectingClient:
    """A client created on its first call: creating one takes 10 ms, and half of the messages need only the tables.

    A function is frozen between invocations. Meanwhile its connections end, some without notice: a call on such a
    connection would wait for its whole time limit. After a pause, the client therefore opens a new connection.
    """

    def __init__(self, make: Callable[[], Any], clock: Callable[[], datetime] = now) -> None:
        self._make = make
        self._clock = clock  # wall clock: a monotonic one does not count the time while a function is frozen
        self._used = clock()

    @cached_property
    def _made(self) -> Any:  # noqa: ANN401
        return self._make()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        moment = self._clock()
        if not 0 <= (moment - self._used).total_seconds() <= IDLE:
            self._made.close()  # closes the connections only; the next call opens a new one
        self._used = moment
        return getattr(self._made, name)


class EarlyRetry:
    """Repeat a call once if its connection failed within the first `seconds`; the calls must be idempotent."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock

    def register(self, events: BaseEventHooks, service_id: str) -> None:
        """Handle the calls of one client."""
        events.register(f"before-call.{service_id}", self._begin)
        events.register(f"needs-retry.{service_id}", self._pause)  # type: ignore[arg-type]  # its result counts

    def _begin(self, params: dict[str, Any], **_: object) -> None:
        params["context"][_BEGAN] = self._clock()

    def _pause(
        self, attempts: int, caught_exception: Exception | None, request_dict: dict[str, Any], **_: object
    ) -> int | None:
        """Return the seconds to wait before the next attempt, or None if there is none."""
        if attempts > 1 or not isinstance(caught_exception, NoConnection | HTTPClientError):
            return None
        return 0 if self._clock() - request_dict["context"][_BEGAN] < self._seconds else None
