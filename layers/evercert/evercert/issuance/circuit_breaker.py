"""Circuit breakers for issuers and destinations, shared by all runs.

During an outage runs are postponed without a call, and their retries are spread out.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from evercert.contracts.ports import BreakerState, BreakerStore
from evercert.deadline import Clock
from evercert.errors import (
    Busy,
    ClaimLost,
    EvercertError,
    GaveUp,
    Gone,
    LoginRefused,
    Misconfigured,
    NotYet,
    OutOfTime,
    Rejected,
    Unavailable,
)
from evercert.scheduling.schedule import spread
from evercert.timestamps import to_text

STEPS = tuple(timedelta(seconds=s) for s in (30, 60, 120, 300))
PROBE = timedelta(minutes=1)  # how long one run may take to probe the service


@dataclass(frozen=True)
class Breaker:
    """Breaker of every service; its state is stored and shared by all runs."""

    breakers: BreakerStore
    clock: Clock

    def require_closed(self, service: str, uid: str) -> None:
        """Raise NotYet while the breaker is open, without probing the service."""
        state, now = self.breakers.read(service), self.clock()
        if state.open_until is not None and now < state.open_until <= now + 2 * STEPS[-1]:
            raise NotYet(f"{service} does not answer", _retry_at(state, uid, now))

    def admit(self, service: str, uid: str) -> BreakerState:
        """Raise NotYet while the breaker is open; once its time is over, admit one run as the probe."""
        state, now = self.breakers.read(service), self.clock()
        if state.open_until is None:
            return state
        over = not now < state.open_until <= now + 2 * STEPS[-1]  # a later end was stored by a wrong clock
        if over and self.breakers.open(state, state.failures, now + PROBE):
            return BreakerState(service, state.failures, now + PROBE)
        raise NotYet(f"{service} does not answer", _retry_at(state, uid, now))

    @contextmanager
    def watch(self, state: BreakerState) -> Iterator[None]:
        """Wrap the call: Unavailable opens the breaker for all runs, any other result closes it.

        A refused login opens it too: retried by each certificate, it would lock the identity (Infisical: after three
        failures in a row).
        """
        try:
            yield
        except (GaveUp, NotYet, ClaimLost, OutOfTime):
            raise  # raised by evercert itself, not by the service
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

    def _close(self, state: BreakerState) -> None:
        if state.open_until is not None:
            with suppress(Rejected, Unavailable, Misconfigured):  # the result of the call must not be lost
                self.breakers.close(state)


def _retry_at(state: BreakerState, uid: str, now: datetime) -> datetime:
    """Return the retry time: after the breaker closes, spread over as long as it was open."""
    step = STEPS[min(max(state.failures, 1), len(STEPS)) - 1]
    until = min(max(state.open_until or now, now), now + STEPS[-1])
    return until + spread(uid, f"put off until {to_text(until)}", step)
