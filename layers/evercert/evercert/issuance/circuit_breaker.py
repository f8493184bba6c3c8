"""Circuit breakers for issuers and destinations, shared by all runs.

During an outage runs are postponed without a call, and their retries are spread out. A throttle is not an outage:
the breaker stays closed, and all runs call the service at a slower pace.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from evercert.contracts.ports import BreakerState, BreakerStore
from evercert.deadline import Clock
from evercert.errors import (
    Busy,
    CircuitOpen,
    ClaimLost,
    ClockWrong,
    EvercertError,
    GaveUp,
    Gone,
    LoginRefused,
    Misconfigured,
    NotYet,
    OutOfTime,
    Rejected,
    Slowed,
    Throttled,
    Unavailable,
)
from evercert.scheduling.schedule import spread
from evercert.timestamps import to_text

STEPS = tuple(timedelta(seconds=s) for s in (30, 60, 120, 300))
PROBE = timedelta(minutes=1)  # how long one run may take to probe the service
# Time between two calls of all runs to a throttled service, longer after each throttle: 40, 20, 10, 4, 1 a second.
PACES = tuple(timedelta(milliseconds=ms) for ms in (25, 50, 100, 250, 1_000))
SLOW_FOR = timedelta(minutes=1)  # after the last throttle
SETTLES = timedelta(seconds=5)  # calls from before a step may still be throttled after it
LONGEST_TURN = timedelta(seconds=2)  # how long a run sleeps until its turn; if there is none so soon, it is postponed
SPREAD_OVER = timedelta(seconds=30)  # over which postponed runs are spread


@dataclass(frozen=True)
class Breaker:
    """Breaker of every service; its state is stored and shared by all runs."""

    breakers: BreakerStore
    clock: Clock
    sleep: Callable[[timedelta], None]

    def require_closed(self, service: str, uid: str) -> None:
        """Raise NotYet while the breaker is open, without probing the service."""
        state, now = self.breakers.read(service), self.clock()
        if state.open_until is not None and now < state.open_until <= now + 2 * STEPS[-1]:
            raise CircuitOpen(f"{service} does not answer", _retry_at(state, uid, now))

    def admit(self, service: str, uid: str) -> BreakerState:
        """Raise NotYet while the breaker is open; once its time is over, admit one run as the probe.

        A run that calls a throttled service waits for its turn.
        """
        state, now = self.breakers.read(service), self.clock()
        if state.open_until is None:
            if _is_slow(state, now):
                self._await_turn(state, uid, now)
            return state
        over = not now < state.open_until <= now + 2 * STEPS[-1]  # a later end was stored by a wrong clock
        if over and self.breakers.open(state, state.failures, now + PROBE):
            return BreakerState(service, state.failures, now + PROBE)
        raise CircuitOpen(f"{service} does not answer", _retry_at(state, uid, now))

    @contextmanager
    def watch(self, state: BreakerState) -> Iterator[None]:
        """Wrap the call: Unavailable opens the breaker for all runs, any other result closes it.

        A refused login opens it too: retried by each certificate, it would lock the identity (Infisical: after three
        failures in a row). A throttle slows all runs down instead, and becomes Slowed.
        """
        try:
            yield
        except (GaveUp, NotYet, ClaimLost, OutOfTime):
            raise  # raised by evercert itself, not by the service
        except Throttled as error:
            self._close(state)
            raise self._slow_down(state, error) from error
        except ClockWrong:
            raise  # this says nothing about the service
        except (Gone, Busy):
            self._close(state)
            raise
        except (Unavailable, LoginRefused) as error:
            failures = max(state.failures, 0) + 1
            until = self.clock() + STEPS[min(failures, len(STEPS)) - 1]
            with suppress(Rejected, Unavailable, Misconfigured):
                self.breakers.open(state, failures, until)
            if isinstance(error, Unavailable):
                error.outage_until = until
            raise
        except EvercertError:
            self._close(state)
            raise
        else:
            self._close(state)

    def _await_turn(self, state: BreakerState, uid: str, now: datetime) -> None:
        try:
            turn = self.breakers.take_turn(state, now, LONGEST_TURN)
        except Rejected:  # DynamoDB rejects a manual edit: call without a turn
            return
        if turn is None:
            until = now + LONGEST_TURN + spread(uid, f"crowded at {to_text(now)}", SPREAD_OVER)
            raise Slowed(f"{state.service} receives too many requests; waiting for a turn", until)
        if turn > now:
            self.sleep(turn - now)

    def _slow_down(self, state: BreakerState, error: Throttled) -> EvercertError:
        """Slow all runs down by a step; return Slowed, or the error if the slowest pace does not help either.

        If several runs are throttled together, only one of them takes the step.
        """
        now = self.clock()
        until = now + max(error.retry_after or LONGEST_TURN, LONGEST_TURN)
        slowed = Slowed(f"{error}; all calls to {state.service} slow down", until)
        pace = state.apart if _is_slow(state, now) else timedelta(0)
        if pace and state.slow_until is not None and now < state.slow_until - SLOW_FOR + SETTLES:
            return slowed
        slower = next((apart for apart in PACES if apart > pace), None)
        try:
            self.breakers.slow_down(state, slower or PACES[-1], now + SLOW_FOR)
            is_slow = slower is not None and _is_slow(self.breakers.read(state.service, latest=True), now)
        except (Rejected, Unavailable, Misconfigured):
            return error
        return slowed if is_slow else error

    def _close(self, state: BreakerState) -> None:
        if state.open_until is not None:
            with suppress(Rejected, Unavailable, Misconfigured):  # the result of the call must not be lost
                self.breakers.close(state)


def _is_slow(state: BreakerState, now: datetime) -> bool:
    """Whether the service has a slower pace; an end too far ahead was stored by a wrong clock."""
    until = state.slow_until
    return state.apart > timedelta(0) and until is not None and now < until <= now + 2 * SLOW_FOR


def _retry_at(state: BreakerState, uid: str, now: datetime) -> datetime:
    """Return the retry time: after the breaker closes, spread over as long as it was open."""
    step = STEPS[min(max(state.failures, 1), len(STEPS)) - 1]
    until = min(max(state.open_until or now, now), now + STEPS[-1])
    return until + spread(uid, f"put off until {to_text(until)}", step)
