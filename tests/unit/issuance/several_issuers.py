"""Issuers whose answers a test sets, and the steps of tests with several issuers."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from evercert.contracts.issuer import Issued, PendingAnswer, Request
from evercert.errors import (
    EvercertError,
    NotYet,
)
from tests.doubles.fakes import Bench, spec
from tests.doubles.scripted_ca import ScriptedIssuer

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
ISSUERS = ("first", "second")


@dataclass
class Turns:
    """An issuer with one answer for each call: an error, `accepted`, an approval to wait for, or the certificate."""

    inner: ScriptedIssuer
    answers: list[EvercertError | str] = field(default_factory=list)
    asked: list[str | None] = field(default_factory=list)  # the handle of each call
    cancelled: list[str] = field(default_factory=list)
    usual: EvercertError | str = "issued"  # after `answers`

    def issue(self, request: Request) -> Issued | PendingAnswer:
        self.asked.append(request.handle)
        answer = self.answers.pop(0) if self.answers else self.usual
        if isinstance(answer, EvercertError):
            raise answer
        if answer == "issued":
            return self.inner.issue(replace(request, handle=None))
        waits_for = None if answer == "accepted" else answer
        return PendingAnswer("order-1", request.now + 2 * MINUTE, request.now + 7 * DAY, waits_for)

    def cancel(self, handle: str) -> None:
        self.cancelled.append(handle)


def listed(*names: str, **changes: Any) -> Any:
    return spec(issuers=list(names or ISSUERS), **changes)


def limit(bench: Bench, wait: timedelta) -> NotYet:
    return NotYet("429: too many new orders", bench.clock() + wait)


def due(bench: Bench) -> str:
    """Run at the due time of the record."""
    bench.clock.now = max(bench.clock(), bench.record().due_at)
    return bench.run()


def renewed(bench: Bench) -> str:
    bench.clock.now = bench.record().renew_at
    return bench.run()
