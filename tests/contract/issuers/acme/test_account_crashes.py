"""A process that dies at any request, or at any call of the store or the seal, while it changes the account.

The next command, or the next order, converges on one account whose key is stored.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pytest

from evercert.acme.jwk import to_jwk
from evercert.errors import Misconfigured
from evercert.http_client import transport
from tests.contract.issuers.acme.test_crashes import Dangerous, Killed, Kills
from tests.doubles.acme import AcmeBench
from tests.doubles.acme_server import AcmeServer
from tests.doubles.fakes import HandClock

NAME = "www.example.com"
Next = Callable[["Stage"], None]


@dataclass
class Stage:
    """A server with a registered account, whose next process may die."""

    server: AcmeServer
    bench: AcmeBench

    def require_one_account(self, *statuses: str) -> None:
        """Require these accounts at the CA, the last of which has the stored key."""
        (stored,) = self.bench.accounts.accounts.values()
        assert [account.status for account in self.server.accounts] == [*statuses]
        key = self.bench.seal.open(str(stored.sealed_key), self.bench.issuer._account.keys.uid, 0)
        assert self.server.accounts[-1].jwk == to_jwk(key.public_key)
        assert stored.url == self.server.accounts[-1].url


def order(stage: Stage) -> None:
    """Obtain a certificate."""
    stage.bench.finish(stage.bench.request(NAME))


def rotate(stage: Stage) -> None:
    """Change the key."""
    stage.bench.issuer.account.rotate_key()


def play(command: Next, kills: Kills, monkeypatch: pytest.MonkeyPatch, then: Callable[[Stage, bool], None]) -> bool:
    """Run a command in a process that may die, and then what follows in another one; return whether it died."""
    clock = HandClock()
    with AcmeServer(clock) as server, closing(AcmeBench(clock=clock, directory=server.directory)) as bench:
        server.use(bench.answers)
        stage, safe = Stage(server, bench), (bench.accounts, bench.seal)
        order(stage)
        with monkeypatch.context() as patch:
            patch.setattr(transport.Connection, "send", kills.around(transport.Connection.send))
            dangerous: list[Any] = [Dangerous(one, kills) for one in safe]
            bench.accounts, bench.seal = dangerous
            bench.process()
            try:
                command(stage)
                died = False
            except Killed:
                died = True
        bench.accounts, bench.seal = safe
        bench.process()
        then(stage, died)
    return died


def every_death(command: Next, then: Callable[[Stage, bool], None], monkeypatch: pytest.MonkeyPatch) -> int:
    """Let the command die before and after each of its calls; return their number."""
    whole = Kills()
    assert not play(command, whole, monkeypatch, then)
    for at in range(whole.calls):
        for after in (False, True):
            assert play(command, Kills(at, after), monkeypatch, then), (at, after)
    return whole.calls


@pytest.mark.parametrize("follows", [order, rotate], ids=["order", "command"])
def test_key_change_converges_after_a_crash_anywhere(monkeypatch: pytest.MonkeyPatch, follows: Next) -> None:
    def then(stage: Stage, died: bool) -> None:
        follows(stage)
        stage.require_one_account("valid")
        order(stage)
        rotate(stage)
        order(stage)
        stage.require_one_account("valid")
        (stored,) = stage.bench.accounts.accounts.values()
        assert stored.next_key is None

    assert every_death(rotate, then, monkeypatch) >= 10


def test_rotation_after_a_crash_changes_the_key_at_most_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    def then(stage: Stage, died: bool) -> None:
        rotate(stage)
        assert stage.server.key_changes <= 2

    every_death(rotate, then, monkeypatch)


def test_deactivation_converges_after_a_crash_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """No order registers another account once the deactivation is stored."""

    def then(stage: Stage, died: bool) -> None:
        (stored,) = stage.bench.accounts.accounts.values()
        if stored.deactivated:
            with pytest.raises(Misconfigured, match="was deactivated; to register another one"):
                order(stage)
        else:
            assert stage.server.accounts[0].status == "valid"
            order(stage)
        stage.bench.process().account.deactivate()
        assert [account.status for account in stage.server.accounts] == ["deactivated"]

    assert every_death(lambda stage: stage.bench.issuer.account.deactivate() and None, then, monkeypatch) >= 5


def test_registration_converges_after_a_crash_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    def command(stage: Stage) -> None:
        stage.bench.issuer.account.deactivate()
        stage.bench.issuer.account.register()

    def then(stage: Stage, died: bool) -> None:
        (stored,) = stage.bench.accounts.accounts.values()
        if stored.deactivated or len(stage.server.accounts) > 1 or stored.url is None:
            stage.bench.issuer.account.register()
            stage.require_one_account("deactivated", "valid")
        order(stage)

    assert every_death(command, then, monkeypatch) >= 10
