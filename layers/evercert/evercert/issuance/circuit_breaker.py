"""An outage is met once: who comes later is put off without a call, and not all come back at once."""

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
    Unavailable,
)
from evercert.scheduling.schedule import spread
from evercert.timestamps import to_text

STEPS = tuple(timedelta(seconds=s) for s in (30, 60, 120, 300))
PROBE = timedelta(minutes=1)  # how long one run may take to find out whether the service is back


@dataclass(frozen=True)
class Breaker:
    """One for every run; what it knows is stored, for all of them."""

    gates: BreakerStore
    clock: Clock

    def look(self, service: str, uid: str) -> None:
        """Raises NotYet while the service is shut, and takes nobody's turn to find out whether it is back."""
        gate, now = self.gates.read(service), self.clock()
        if gate.shut_until is not None and now < gate.shut_until <= now + 2 * STEPS[-1]:
            raise NotYet(f"{service} does not answer", _back(gate, uid, now))

    def admit(self, service: str, uid: str) -> BreakerState:
        """Raises NotYet while the service is shut; of those who waited, one goes first."""
        gate, now = self.gates.read(service), self.clock()
        if gate.shut_until is None:
            return gate
        over = not now < gate.shut_until <= now + 2 * STEPS[-1]  # later than that: by a clock that was wrong
        if over and self.gates.shut(gate, gate.failures, now + PROBE):
            return BreakerState(service, gate.failures, now + PROBE)
        raise NotYet(f"{service} does not answer", _back(gate, uid, now))

    @contextmanager
    def watch(self, gate: BreakerState) -> Iterator[None]:
        """Around the call: Unavailable shuts the service for everybody, anything else shows that it answers.

        So does a login that is refused: tried by each certificate, it would lock the identity out (Infisical: three
        times in a row).
        """
        try:
            yield
        except (GaveUp, NotYet, ClaimLost, OutOfTime):
            raise  # ours, and says nothing of the service
        except (Gone, Busy):
            self._answered(gate)
            raise
        except (Unavailable, LoginRefused):
            failures = max(gate.failures, 0) + 1
            with suppress(Unavailable, Misconfigured):
                self.gates.shut(gate, failures, self.clock() + STEPS[min(failures, len(STEPS)) - 1])
            raise
        except EvercertError:
            self._answered(gate)
            raise
        else:
            self._answered(gate)

    def _answered(self, gate: BreakerState) -> None:
        if gate.shut_until is not None:
            with suppress(Unavailable, Misconfigured):  # what was answered must not be lost with it
                self.gates.clear(gate)


def _back(gate: BreakerState, uid: str, now: datetime) -> datetime:
    """After the service may be called again, spread over as long as it was shut."""
    step = STEPS[min(max(gate.failures, 1), len(STEPS)) - 1]
    until = min(max(gate.shut_until or now, now), now + STEPS[-1])
    return until + spread(uid, f"put off until {to_text(until)}", step)
