"""Challenges of an order: chosen, published by solvers, and cleaned up; no request to the CA."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from evercert.acme.challenges import is_token, key_authorization
from evercert.acme.resources import Authorization
from evercert.canonical_json import canonical_json
from evercert.contracts.solver import Challenge
from evercert.errors import Busy, Misconfigured, NotYet, Rejected, Throttled, Unavailable, Unsuited
from evercert.issuers.acme.progress import PresentedChallenge, Progress, solver_text
from evercert.timestamps import to_text

if TYPE_CHECKING:
    from evercert.contracts.solver import Solver, Solvers
    from evercert.deadline import Clock
    from evercert.issuers.acme.account import Account
    from evercert.issuers.acme.settings import AcmeSettings, SolverChoice

STEP_TIME = timedelta(seconds=4)  # after which a step is stored with what it has done
DEFAULT_EXPIRY = timedelta(hours=1)  # of a challenge whose authorization names none
LONGEST_EXPIRY = timedelta(days=30)
CLEAN_UP_AGAIN = timedelta(seconds=1)
LAST_TRIES = 3  # to remove answers that are forgotten afterwards
SOLVER_BUSY = timedelta(seconds=30)  # until a throttled solver is asked again
LONGEST_DETAILS = 2_000  # characters
_USUAL = frozenset({"type", "url", "status", "token", "validated", "error"})
MOST_CHECKED = 10  # names of each solver, before an order is placed


class Challenges:
    """The challenges of one account's orders."""

    def __init__(
        self,
        account: Account,
        settings: AcmeSettings,
        solvers: Solvers,
        clock: Clock,
        sleep: Callable[[timedelta], None],
    ) -> None:
        self._account = account
        self._settings = settings
        self._solvers = solvers
        self._clock = clock
        self._sleep = sleep

    def choose(self, authorization: Authorization) -> PresentedChallenge:
        """Return the challenge for the solver of this name, not published yet; raise Unsuited if the CA has none."""
        name = authorization.full_name
        choice = self._choice(name)
        solver = self._solvers.open(choice.type, choice.settings)
        offered = next((entry for entry in authorization.challenges if entry.type == solver.challenge_type), None)
        if offered is None:
            types = ", ".join(sorted({entry.type for entry in authorization.challenges})) or "none"
            raise Unsuited(
                f"the CA does not offer {solver.challenge_type} for {name} (it offers {types}); choose another solver"
            )
        if not is_token(offered.token):  # it becomes a part of a record, a path or a key
            raise Unavailable(f"the CA sent an invalid token for {name}")
        now = self._clock()
        return PresentedChallenge(
            url=offered.url,
            name=authorization.name,
            wildcard=authorization.wildcard,
            token=str(offered.token),
            expires=to_text(min(authorization.expires or now + DEFAULT_EXPIRY, now + LONGEST_EXPIRY)),
            solver=solver_text(choice.type, choice.settings),
            thumbprint=self._account.thumbprint,
            details=_details(offered.fields),
        )

    def publish(self, certificate: str, progress: Progress) -> Progress | None:
        """Publish the next answers; return the progress, or None if all are published. Idempotent."""
        waiting = {key: entry for key, entry in progress.presented.items() if not entry.published}
        if not waiting:
            return None
        changes: dict[str, PresentedChallenge] = {}
        end = self._clock() + STEP_TIME
        for key, entry in waiting.items():
            if changes and self._clock() > end:
                break
            with self._apart():
                found = self._solver(entry).present(self._challenge(certificate, entry))
            changes[key] = replace(entry, published=True, notes=found.notes, ready=found.look_at is None)
        return progress.with_presented(changes)

    def look(self, certificate: str, progress: Progress) -> tuple[Progress, datetime | None]:
        """Ask the solvers whether the CA will find the answers; return when to look again, None if it will."""
        changes: dict[str, PresentedChallenge] = {}
        later: list[datetime] = []
        end = self._clock() + STEP_TIME
        for key, entry in progress.presented.items():
            if entry.ready:
                continue
            if self._clock() > end:
                later.append(self._clock())
                break
            with self._apart():
                found = self._solver(entry).look(self._challenge(certificate, entry), entry.notes)
            changes[key] = replace(entry, notes=found.notes, ready=found.look_at is None)
            if found.look_at is not None:
                later.append(found.look_at)
        return (progress.with_presented(changes) if changes else progress), min(later, default=None)

    def clean_up(self, certificate: str, progress: Progress, tries: int = 1) -> Progress:
        """Remove the answers; return the progress with those that could not be removed. Idempotent."""
        end = self._clock() + STEP_TIME
        for attempt in range(tries):
            if attempt and progress.presented:
                self._sleep(CLEAN_UP_AGAIN)
            left = {
                key: entry
                for key, entry in progress.presented.items()
                if self._clock() > end or not self._removed(certificate, entry)
            }
            progress = replace(progress, presented=left)
            end = self._clock() + STEP_TIME
        return progress

    def check(self, name: str) -> str:
        """Return the type of the solver for this name; raise Unsuited or Misconfigured if none can prove control."""
        choice = self._choice(name)
        with self._apart():
            self._solvers.open(choice.type, choice.settings).check(name)
        return choice.type

    def check_some(self, names: list[str]) -> None:
        """Check names before an order is placed; of many names of one solver, some: each check may call a service."""
        checked: dict[str, int] = {}
        for name in sorted(names):  # wildcards first
            choice = self._choice(name)
            solver = solver_text(choice.type, choice.settings)
            checked[solver] = checked.get(solver, 0) + 1
            if checked[solver] <= MOST_CHECKED:
                self.check(name)

    def _choice(self, name: str) -> SolverChoice:
        choice = self._settings.solver_for(name)
        if choice is None:
            raise Unsuited(f"no solver matches {name}: add one for it, or one without names and zones")
        return choice

    def _removed(self, certificate: str, entry: PresentedChallenge) -> bool:
        try:
            self._solver(entry).clean_up(self._challenge(certificate, entry), entry.notes)
        except (Rejected, Unavailable, Misconfigured, NotYet):
            return False
        return True

    def _challenge(self, certificate: str, entry: PresentedChallenge) -> Challenge:
        return Challenge(
            certificate=certificate,
            name=entry.name,
            wildcard=entry.wildcard,
            token=entry.token,
            key_authorization=key_authorization(entry.token, entry.thumbprint or self._account.thumbprint),
            account=self._account.url,
            expires=entry.expires_at,
            fields=entry.fields,
        )

    def _solver(self, entry: PresentedChallenge) -> Solver:
        stored = json.loads(entry.solver)
        return self._solvers.open(stored.pop("type"), stored)

    @contextmanager
    def _apart(self) -> Iterator[None]:
        """Raise errors of a solver so that they neither open nor slow down the circuit breaker of the CA."""
        try:
            yield
        except Throttled as error:
            raise NotYet(str(error), self._clock() + (error.retry_after or SOLVER_BUSY)) from error
        except Busy:
            raise
        except Unavailable as error:
            raise Busy(str(error), retry_after=error.retry_after) from error


def _details(fields: Mapping[str, object]) -> str:
    """Return the members that only the challenge's own type has, for types with more than a token."""
    text = canonical_json({name: value for name, value in fields.items() if name not in _USUAL})
    return text if len(text) <= LONGEST_DETAILS else "{}"
