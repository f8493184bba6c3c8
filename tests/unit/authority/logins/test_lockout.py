"""Lockouts of simultaneous logins: at most the threshold of wrong secrets gets an answer."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from evercert.authority.api_errors import Refusal
from evercert.authority.configuration.identity import UniversalLogin
from evercert.authority.contracts.records import LoginFailures
from evercert.authority.logins.lockout import Lockout
from evercert.errors import Unavailable
from tests.doubles.authority.access_tokens import FakeTokens
from tests.doubles.fakes import START, HandClock
from tests.unit.authority.logins.test_login import INVALID, LOCKED, RIGHT, WRONG, Bench, secret

AT_ONCE = 30


class Killed(BaseException):
    """The process was killed."""


@dataclass
class SteppedTokens(FakeTokens):
    """A store on which other logins run between the read and the write of one login."""

    before_write: list[Callable[[], None]] = field(default_factory=list)
    after_write: list[Callable[[], None]] = field(default_factory=list)

    def replace_login_failures(
        self, client_id: str, seen: LoginFailures, changed: LoginFailures | None
    ) -> LoginFailures | None:
        if self.before_write:
            self.before_write.pop()()
        found = super().replace_login_failures(client_id, seen, changed)
        if self.after_write:
            self.after_write.pop()()
        return found


@dataclass
class MeetingTokens(FakeTokens):
    """A store whose first `number` logins all read before the first of them writes."""

    number: int = AT_ONCE

    def __post_init__(self) -> None:
        self._meeting = threading.Barrier(self.number)

    def login_failures(self, client_id: str) -> LoginFailures:
        found = super().login_failures(client_id)
        self._meeting.wait(timeout=10)
        return found


@dataclass
class Race:
    """Logins in a random order of their writes; all of them have read before the first write."""

    bench: Bench
    chance: random.Random

    def answers(self, secrets: list[str]) -> list[tuple[str, tuple[int, str, str] | None]]:
        """Return secret and error, in the order of the answers: each login that starts pauses before its write."""
        found: list[tuple[str, tuple[int, str, str] | None]] = []
        order = self.chance.sample(secrets, len(secrets))

        def start(left: list[str]) -> None:
            if not left:
                return
            store = self.bench.tokens
            assert isinstance(store, SteppedTokens)
            store.before_write.append(lambda: start(left[1:]))
            found.append((left[0], outcome(self.bench, left[0])))

        start(order)
        return found


def outcome(bench: Bench, client_secret: str) -> tuple[int, str, str] | None:
    try:
        bench.universal(client_secret)
    except Refusal as refusal:
        return refusal.status, refusal.error, str(refusal)
    return None


def fail(bench: Bench, times: int) -> None:
    assert [bench.refused(WRONG) for _ in range(times)] == [INVALID] * times


def stepped(**lockout: object) -> tuple[Bench, SteppedTokens]:
    tokens = SteppedTokens()
    return Bench(tokens=tokens, lockout=lockout), tokens


# -- simultaneous logins ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("failures", [1, 3, 5])
def test_simultaneous_wrong_secrets_lock_at_threshold(failures: int) -> None:
    bench = Bench(tokens=MeetingTokens(), lockout={"failures": failures})
    with ThreadPoolExecutor(AT_ONCE) as threads:
        found = list(threads.map(lambda _: outcome(bench, WRONG), range(AT_ONCE)))
    assert sorted(found, key=str) == [INVALID] * failures + [LOCKED] * (AT_ONCE - failures)


@pytest.mark.parametrize("failures", [1, 3])
@pytest.mark.parametrize("counted", [False, True])
def test_simultaneous_correct_secrets_all_log_in(failures: int, *, counted: bool) -> None:
    tokens = MeetingTokens()
    bench = Bench(tokens=tokens, lockout={"failures": failures})
    if counted:
        tokens.failures["client"] = LoginFailures(1, counted_until=START + timedelta(seconds=30))
    with ThreadPoolExecutor(AT_ONCE) as threads:
        assert list(threads.map(lambda _: outcome(bench, RIGHT), range(AT_ONCE))) == [None] * AT_ONCE
    assert tokens.failures == {}


def test_correct_secret_among_wrong_ones_must_come_first() -> None:
    """No login is accepted after the lockout, in whatever order 12 simultaneous ones are written."""
    accepted = 0
    for seed in range(300):
        bench, tokens = stepped()
        found = [error for _, error in Race(bench, random.Random(seed)).answers([WRONG] * 11 + [RIGHT])]
        if None in found:
            accepted += 1
            assert found.index(None) <= 2
            assert found.count(INVALID) <= 5  # at most two before the correct one, and three after it
        else:
            assert found.count(INVALID) == 3
        assert found.count(LOCKED) == 12 - found.count(INVALID) - found.count(None)
        assert tokens.failures["client"].locked_until == START + timedelta(seconds=300)
    assert 30 < accepted < 140  # 3 of 12 places


@pytest.mark.parametrize("client_secret", [RIGHT, WRONG])
def test_login_is_refused_if_a_lockout_began_meanwhile(client_secret: str) -> None:
    bench, tokens = stepped()
    tokens.before_write.append(lambda: fail(bench, 3))
    assert bench.refused(client_secret) == LOCKED
    assert bench.refused() == LOCKED


def test_wrong_secret_counts_those_of_others_meanwhile() -> None:
    bench, tokens = stepped()
    tokens.before_write.append(lambda: fail(bench, 2))
    assert bench.refused(WRONG) == INVALID
    assert bench.refused() == LOCKED


def test_lockout_costs_no_use_of_a_secret() -> None:
    tokens = SteppedTokens()
    bench = Bench(tokens=tokens, secrets=(secret(RIGHT, uses=1),))
    tokens.before_write.append(lambda: fail(bench, 3))
    assert bench.refused() == LOCKED
    bench.clock.advance(seconds=300)
    assert bench.universal()


def test_disabled_lockout_reads_and_writes_nothing() -> None:
    bench = Bench(lockout={"failures": 0})
    assert bench.refused(WRONG) == INVALID
    assert bench.universal()
    assert bench.tokens.calls == ["keep"]


@dataclass
class BusyTokens(FakeTokens):
    """A store on which another login always comes first."""

    def replace_login_failures(self, *_: object) -> LoginFailures:
        self.calls.append("replace_login_failures")
        return LoginFailures(1, counted_until=START)


@pytest.mark.parametrize("correct", [True, False])
def test_record_gives_up_after_conflicts(*, correct: bool) -> None:
    tokens, rules = BusyTokens(), UniversalLogin.model_validate({"client-id": "client"})
    with pytest.raises(Unavailable, match="other logins interfered 100 times; try again"):
        Lockout(tokens, HandClock()).record("client", rules, LoginFailures(), correct=correct)
    assert len(tokens.calls) == 100


# -- killed processes -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("client_secret", [RIGHT, WRONG])
@pytest.mark.parametrize("failures", [1, 3])
def test_killed_login_leaves_no_reservation(client_secret: str, failures: int) -> None:
    bench, tokens = stepped(failures=failures)
    for _ in range(10):
        tokens.before_write.append(kill)
        with pytest.raises(Killed):
            bench.universal(client_secret)
    assert tokens.failures == {}
    assert bench.universal()


@pytest.mark.parametrize("failures", [1, 3])
def test_killed_login_stays_counted_once(failures: int) -> None:
    bench, tokens = stepped(failures=failures)
    for _ in range(failures):
        tokens.after_write.append(kill)
        with pytest.raises(Killed):
            bench.universal(WRONG)
    assert bench.refused() == LOCKED
    bench.clock.advance(seconds=300)
    assert bench.universal()


def kill() -> None:
    raise Killed


# -- stored times that no login wrote ---------------------------------------------------------------------------------
@pytest.mark.parametrize("failures", [1, 3])
@pytest.mark.parametrize("ahead", [timedelta(seconds=300, hours=1, milliseconds=1), timedelta(days=300 * 365)], ids=str)
def test_lockout_far_ahead_is_ignored(failures: int, ahead: timedelta) -> None:
    bench = Bench(lockout={"failures": failures})
    spoiled = LoginFailures(locked_until=START + ahead)
    bench.tokens.failures["client"] = spoiled
    assert bench.universal()
    bench.tokens.failures["client"] = spoiled
    assert [bench.refused(WRONG) for _ in range(failures + 1)] == [INVALID] * failures + [LOCKED]
    bench.clock.advance(seconds=300)
    assert bench.universal()


def test_lockout_of_a_clock_ahead_is_kept(bench: Bench) -> None:
    bench.tokens.failures["client"] = LoginFailures(locked_until=START + timedelta(seconds=300, hours=1))
    assert bench.refused() == LOCKED


def test_window_far_ahead_is_ignored(bench: Bench) -> None:
    bench.tokens.failures["client"] = LoginFailures(2, counted_until=START + timedelta(days=365))
    assert [bench.refused(WRONG) for _ in range(4)] == [INVALID] * 3 + [LOCKED]


def test_failures_above_a_lowered_threshold_lock(bench: Bench) -> None:
    bench.tokens.failures["client"] = LoginFailures(20, counted_until=START + timedelta(seconds=30))
    assert [bench.refused(WRONG) for _ in range(2)] == [INVALID, LOCKED]


@pytest.fixture
def bench() -> Bench:
    return Bench()
