"""A process that dies at any request, or at any call of a store or solver: the next one finishes the order."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import pytest

from evercert.contracts.issuer import Issued, PendingAnswer, Request
from evercert.http_client import transport
from evercert.pki.certificate import mismatches
from evercert.pki.csr_parser import public_key_of
from evercert.pki.keys import public_bytes
from evercert.solvers.context import RegisteredSolvers
from tests.doubles.acme import MOST_STEPS, AcmeBench
from tests.doubles.acme_server import AcmeServer
from tests.doubles.fakes import HandClock

NAMES = ("a.example.com", "b.example.com")


class Killed(BaseException):
    """The end of a process; no code catches it."""


@dataclass
class Kills:
    """Counts the calls that leave the process, and ends it at one of them, before or after it takes effect."""

    at: int | None = None
    after: bool = False
    calls: int = 0

    def around(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **options: Any) -> Any:
            number, self.calls = self.calls, self.calls + 1
            if number == self.at and not self.after:
                raise Killed
            answer = call(*arguments, **options)
            if number == self.at:
                raise Killed
            return answer

        return counted


@dataclass
class Dangerous:
    """Every method of an object may end the process."""

    inner: Any
    kills: Kills

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.inner, name)
        return self.kills.around(found) if callable(found) else found


@dataclass
class Play:
    """One order whose process dies once, and is resumed with the handle that was stored last."""

    server: AcmeServer
    bench: AcmeBench
    handle: str | None = None
    handle_at_death: str | None = None
    died: bool = False

    def run(self, request: Request) -> Issued:
        for _ in range(MOST_STEPS):
            try:
                answer = self.bench.issuer.issue(replace(request, handle=self.handle, now=self.bench.clock()))
            except Killed:
                self.died, self.handle_at_death = True, self.handle
                self.bench.process()
                continue
            if isinstance(answer, Issued):
                return answer
            assert isinstance(answer, PendingAnswer)
            self.handle = answer.handle
            self.bench.sleep(answer.retry_at - self.bench.clock())
        raise AssertionError(f"no certificate after {MOST_STEPS} steps: {self.handle}")


def play(kills: Kills, monkeypatch: pytest.MonkeyPatch, *, slow: bool) -> Play:
    """Obtain a certificate for two names, and require one account, one certificate and no answers."""
    clock = HandClock()
    with AcmeServer(clock) as server, closing(AcmeBench(clock=clock, directory=server.directory)) as bench:
        server.use(bench.answers)
        if slow:
            server.faults.processing_challenges = server.faults.processing_orders = server.faults.late_finalize = 1
        _make_dangerous(bench, kills, monkeypatch)
        request, played = bench.request(*NAMES), Play(server, bench)
        issued = played.run(request)
        assert request.csr is not None
        key = public_bytes(public_key_of(request.csr))
        assert mismatches(issued.chain, request.spec.attributes, key, profiled=True) == []
        assert [issued.chain.leaf] == server.issued
        assert [known.url for known in server.accounts] == [entry.url for entry in bench.accounts.accounts.values()]
        assert bench.answers.left == []
    return played


def _make_dangerous(bench: AcmeBench, kills: Kills, monkeypatch: pytest.MonkeyPatch) -> None:
    send, open_solver = transport.Connection.send, RegisteredSolvers.open
    monkeypatch.setattr(transport.Connection, "send", kills.around(send))
    monkeypatch.setattr(RegisteredSolvers, "open", lambda *given: Dangerous(open_solver(*given), kills))
    bench.accounts = Dangerous(bench.accounts, kills)  # type: ignore[assignment]
    bench.seal = Dangerous(bench.seal, kills)  # type: ignore[assignment]
    for name in ("put", "delete"):
        monkeypatch.setattr(bench.answers, name, kills.around(getattr(bench.answers, name)))
    bench.process()


@pytest.mark.parametrize("slow", [False, True], ids=["fast CA", "slow CA"])
def test_order_is_finished_after_a_crash_anywhere(monkeypatch: pytest.MonkeyPatch, slow: bool) -> None:
    whole = Kills()
    with monkeypatch.context() as patch:
        play(whole, patch, slow=slow)
    assert whole.calls >= 30
    for at in range(whole.calls):
        for after in (False, True):
            with monkeypatch.context() as patch:
                played = play(Kills(at, after), patch, slow=slow)
            assert played.died, at
            # An order without a stored handle is lost; any other one is resumed.
            most = 1 if played.handle_at_death is not None else 2
            assert 1 <= len(played.server.orders) <= most, (at, after)


def test_lost_order_has_no_certificate(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process dies after newOrder took effect: its order stays open, and another one is finished."""
    orders = []
    for at in range(20):
        with monkeypatch.context() as patch:
            played = play(Kills(at, after=True), patch, slow=False)
        if len(played.server.orders) == 2:
            orders.append([order.status for order in played.server.orders])
    assert orders == [["pending", "valid"]]
