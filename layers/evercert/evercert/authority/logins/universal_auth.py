"""Universal auth: login with client ID and client secret, with a lockout after failures."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from datetime import datetime

from evercert.authority.api_errors import unauthorized
from evercert.authority.configuration.identity import ClientSecret, Identity, UniversalLogin
from evercert.authority.contracts.ports import Configuration, Tokens
from evercert.authority.logins.lockout import Lockout

_USED_UP = "Access denied due to client secret usage limit reached"


class UniversalAuth:
    """Check client secrets; they are long and random, so a plain hash is sufficient."""

    def __init__(self, configuration: Configuration, tokens: Tokens, clock: Callable[[], datetime]) -> None:
        self._configuration = configuration
        self._tokens = tokens
        self._clock = clock
        self._lockout = Lockout(tokens, clock)

    def identity(self, client_id: str, client_secret: str) -> Identity:
        """Return the identity of the credentials; raise Refusal (401).

        An unknown client ID is refused without a record: anyone could fill the table with them.
        """
        identity = self._configuration.identity_of_client(client_id)
        login = identity.universal if identity is not None else None
        if identity is None or login is None or login.client_id != client_id:
            raise unauthorized("Invalid credentials")
        failures = self._lockout.failures(client_id, login)
        secret = _matching_secret(login, client_secret)
        if secret is None:
            self._lockout.record(client_id, login, failures, correct=False)
            raise unauthorized("Invalid credentials")
        self._require_usable(secret)  # first: a secret that is no longer valid must not reset the failures
        self._lockout.record(client_id, login, failures, correct=True)
        if secret.uses and not self._tokens.use_secret(secret.id, secret.uses):
            raise unauthorized(_USED_UP)
        return identity

    def _require_usable(self, secret: ClientSecret) -> None:
        """Raise Refusal if the secret expired or is used up; a lockout must not cost a use, so none is consumed."""
        if secret.expires_at is not None and self._clock() >= secret.expires_at:
            raise unauthorized("Access denied due to expired client secret")
        if secret.uses and self._tokens.secret_used_up(secret.id, secret.uses):
            raise unauthorized(_USED_UP)


def _matching_secret(login: UniversalLogin, client_secret: str) -> ClientSecret | None:
    """Return the matching secret; always compare with all of them."""
    digest = hashlib.sha256(client_secret.encode()).hexdigest()
    # Not `any` or `next`: the time must not reveal which one matches.
    matching = [secret for secret in login.secrets if hmac.compare_digest(secret.digest, digest)]
    return matching[0] if matching else None
