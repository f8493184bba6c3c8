"""Lockouts: the limit on wrong client secrets holds for simultaneous logins too.

Each login is recorded in one write before it is answered, on the condition that the failures are still those that it
has read. Otherwise it is decided again with the newer failures. So all logins of a client ID have an order, and a
correct secret is accepted only before the wrong one that locks. Logins with correct and wrong secrets make the same
calls: a correct one with fewer calls would overtake the others. Nothing is reserved, so a process that dies leaves
nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from evercert.authority.api_errors import unauthorized
from evercert.authority.configuration.identity import UniversalLogin
from evercert.authority.contracts.ports import Tokens
from evercert.authority.contracts.records import LoginFailures
from evercert.errors import Unavailable

_ROUNDS = 100  # more than the highest threshold: each round that fails is a change by another login
_CLOCK_DIFFERENCE = timedelta(hours=1)  # clocks may differ; a time further ahead is a manual edit or an earlier setting


class Lockout:
    """Count wrong secrets of a client ID; `failures` of them within `window` lock it for `duration`."""

    def __init__(self, tokens: Tokens, clock: Callable[[], datetime]) -> None:
        self._tokens = tokens
        self._clock = clock

    def failures(self, client_id: str, rules: UniversalLogin) -> LoginFailures:
        """Return the failures so far; raise Refusal (401) while the client ID is locked."""
        if not rules.failures:
            return LoginFailures()
        found = self._tokens.login_failures(client_id)
        self._require_unlocked(found, rules)
        return found

    def record(self, client_id: str, rules: UniversalLogin, seen: LoginFailures, *, correct: bool) -> None:
        """Count a wrong secret, or forget the failures after a correct one; call it before the login is answered.

        Raise Refusal (401) if the client ID was locked since `seen` was read, whatever the secret.
        """
        if not rules.failures:
            return
        for _ in range(_ROUNDS):
            changed = None if correct else self._counted(seen, rules)
            newer = self._tokens.replace_login_failures(client_id, seen, changed)
            if newer is None:
                return
            seen = newer
            self._require_unlocked(seen, rules)
        raise Unavailable(f"cannot record a login: other logins interfered {_ROUNDS} times; try again")

    def _require_unlocked(self, found: LoginFailures, rules: UniversalLogin) -> None:
        if self._is_ahead(found.locked_until, rules.duration):
            raise unauthorized("This identity auth method is temporarily locked, please try again later")

    def _counted(self, seen: LoginFailures, rules: UniversalLogin) -> LoginFailures:
        """Return the failures after another wrong secret."""
        count = 1 + (seen.count if self._is_ahead(seen.counted_until, rules.window) else 0)
        now = self._clock()
        if count >= rules.failures:
            return LoginFailures(locked_until=now + rules.duration)
        return LoginFailures(count, counted_until=now + rules.window)

    def _is_ahead(self, moment: datetime | None, longest: timedelta) -> bool:
        now = self._clock()
        return moment is not None and now < moment <= now + longest + _CLOCK_DIFFERENCE
