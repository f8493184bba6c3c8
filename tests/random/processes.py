"""Processes with faults at outbound calls: a kill, a lost response, or an event in between."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

import httpx
from botocore.exceptions import ReadTimeoutError

from evercert.aws.clients import CALL_LIMIT
from evercert.deadline import Deadline
from evercert.errors import Unavailable
from tests.doubles.fakes import LEASE, HandClock
from tests.doubles.strict_aws import refuse

When = Literal["before", "after"]
TIMEOUT = timedelta(seconds=15)  # duration of three attempts of a client
ERRORS = {"denied": "AccessDeniedException", "throttled": "ThrottlingException", "invalid": "ValidationException"}

STATUS = {"denied": 401, "throttled": 503, "invalid": 422}  # as HTTP status


class Killed(BaseException):
    """The process was killed; none of its code may run, not even a `finally`."""


class NoAnswer(Exception):
    """The response is lost; the call may have arrived."""


@dataclass
class Strike:
    """Fault at one call of a process; `act` raises Killed or NoAnswer, or changes the world."""

    at: int
    when: When
    act: Callable[[], None]


@dataclass
class Process:
    """One run of a function."""

    deadline: Deadline
    strike: Strike | None = None
    calls: list[str] = field(default_factory=list)
    dead: bool = False
    claims: datetime | None = None  # the moment it claimed a certificate

    def meet(self, when: When) -> None:
        strike = self.strike
        if strike is not None and strike.when == when and strike.at == len(self.calls):
            self.strike = None
            try:
                strike.act()
            except Killed:
                self.dead = True
                raise


class Board:
    """Passes on every call of every process; the running process is the last one."""

    def __init__(self, clock: HandClock) -> None:
        self.clock = clock
        self.running: list[Process] = []
        self.faults: dict[str, str] = {}  # service → one of ERRORS, or "hangs", or "swallows"
        self.violations: list[str] = []

    @contextmanager
    def process(self, strike: Strike | None) -> Iterator[Process]:
        process = Process(Deadline(self.clock), strike)
        self.running.append(process)
        try:
            yield process
        finally:
            self.running.pop()

    def call(self, what: str, function: Callable[[], Any], lost: Callable[[], Exception]) -> Any:
        if not self.running:
            return function()
        process = self.running[-1]
        if process.dead:
            self.violations.append(f"a dead process called {what}")
            raise Killed
        process.deadline.require(CALL_LIMIT, what)
        if what == "records.claim":
            process.claims = self.clock()
        elif process.claims is not None and self.clock() > process.claims + LEASE:
            self.violations.append(f"{what} began after the claim had ended")
        process.calls.append(what)
        try:
            process.meet("before")
            answer = function()
            process.meet("after")
        except NoAnswer:
            self.clock.now += TIMEOUT
            raise lost() from None
        return answer

    def fault(self, service: str, operation: str, function: Callable[[], Any]) -> Any:
        """Pass on the call, subject to the current fault of the service."""
        how = self.faults.get(service)
        if how in ERRORS:
            raise refuse(ERRORS[how], operation, f"{service} is broken", 400)
        if how is None:
            return function()
        if how == "swallows":
            function()
        raise NoAnswer


class Port:
    """Wraps a port; every method is a call."""

    def __init__(self, board: Board, inner: Any, name: str) -> None:
        self._board, self._inner, self._name = board, inner, name

    def __getattr__(self, method: str) -> Any:
        target = getattr(self._inner, method)

        def call(*args: Any, **named: Any) -> Any:
            what = f"{self._name}.{method}"
            return self._board.call(what, lambda: target(*args, **named), lambda: Unavailable(f"{what}: no answer"))

        return call


class Service:
    """Wraps an AWS client; raises errors of botocore while its service is broken."""

    def __init__(self, board: Board, inner: Any, name: str) -> None:
        self._board, self._inner, self._name = board, inner, name

    def __getattr__(self, operation: str) -> Any:
        target = getattr(self._inner, operation)

        def call(**named: Any) -> Any:
            what = f"{self._name}.{operation}"
            return self._board.call(
                what,
                lambda: self._board.fault(self._name, operation, lambda: target(**named)),
                lambda: ReadTimeoutError(endpoint_url=f"https://{self._name}"),
            )

        return call


def transport(board: Board, inner: httpx.MockTransport) -> httpx.MockTransport:
    """Wraps an HTTP transport likewise."""

    def answer(request: httpx.Request) -> httpx.Response:
        how = board.faults.get("ca", "")
        if how in STATUS:
            return httpx.Response(STATUS[how], json={"message": "the CA is broken"})
        return board.fault("ca", request.url.path, lambda: inner.handle_request(request))

    def handle(request: httpx.Request) -> httpx.Response:
        return board.call(
            f"http {request.url.path}",
            lambda: answer(request),
            lambda: httpx.ReadTimeout("no answer", request=request),
        )

    return httpx.MockTransport(handle)
