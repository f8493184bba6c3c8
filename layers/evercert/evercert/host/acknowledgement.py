"""Tell the stack which certificates this host has loaded, after their hooks succeeded."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from pydantic import ValidationError

from evercert.contracts.consumers import Acknowledgement, AcknowledgementStore
from evercert.errors import EvercertError
from evercert.host.ports import Clock, Log
from evercert.host.state import Installed
from evercert.schema import first_problem, printable

REPEATED = timedelta(days=1)  # an acknowledgement that is not repeated expires after 30 days
RETRIED = timedelta(minutes=30)


class Acknowledger:
    """Writes one item for each certificate; a failure is logged once and tried again, and concerns nothing else."""

    def __init__(self, store: AcknowledgementStore, consumer: Callable[[], str], host: str, clock: Clock) -> None:
        """`consumer` looks up the unique id of this host's principal; it may raise Unavailable or Misconfigured."""
        self._store, self._consumer, self._host, self._clock = store, consumer, host, clock
        self._next: dict[str, tuple[str, datetime]] = {}
        self._problems: dict[str, str] = {}

    def acknowledge(self, name: str, installed: Installed, journal: Log) -> None:
        """Acknowledge a certificate unless that was done a short while ago; never raises."""
        known, now = self._next.get(name), self._clock()
        if known is not None and known[0] == installed.fingerprint and now < known[1]:
            return
        problem, pause = None, REPEATED
        try:
            refused = self._store.acknowledge(self._loaded(name, installed, now))
            problem = None if refused is None else refused.why
        except EvercertError as error:
            problem, pause = str(error), RETRIED
        except ValidationError as error:
            problem = f"the state has a value that cannot be sent: {first_problem(error)}"
        self._next[name] = installed.fingerprint, now + pause
        self._report(name, problem, journal)

    def _loaded(self, name: str, installed: Installed, now: datetime) -> Acknowledgement:
        return Acknowledgement(
            consumer=self._consumer(),
            certificate=name,
            fingerprint_sha256=installed.fingerprint,
            uid=installed.uid,
            revision=installed.revision,
            version=installed.secret_version,
            host=printable(self._host, 200).encode("ascii", "replace").decode(),
            loaded_at=installed.at,
            seen_at=now,
        )

    def _report(self, name: str, problem: str | None, journal: Log) -> None:
        known = self._problems.pop(name, None)
        if problem is not None:
            self._problems[name] = problem
            if problem != known:
                journal.error(f"not acknowledged: {problem}")
        elif known is not None:
            journal.info(f"solved: {known}")
