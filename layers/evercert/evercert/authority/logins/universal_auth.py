"""Universal auth: a client id and a client secret, locked for a while after wrong ones (contract §A.6)."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from datetime import datetime

from evercert.authority.api_errors import unauthorized
from evercert.authority.configuration.identity import ClientSecret, Identity, UniversalLogin
from evercert.authority.contracts.ports import Configuration, Tokens


class UniversalAuth:
    """Client secrets are random and long, so a plain hash keeps them; the lockout is for those who try anyway."""

    def __init__(self, configuration: Configuration, tokens: Tokens, clock: Callable[[], datetime]) -> None:
        self._configuration = configuration
        self._tokens = tokens
        self._clock = clock

    def identity(self, client_id: str, client_secret: str) -> Identity:
        """Whose they are; raises Refusal 401. A client id that there is not is treated, and locked, like any other."""
        now = self._clock()
        identity = self._configuration.identity_of_client(client_id)
        login = identity.universal if identity is not None else None
        rules = login or UniversalLogin.model_validate({"client-id": client_id})
        locked_until = self._tokens.locked_until(client_id)
        if rules.failures and locked_until is not None and now < locked_until:
            raise unauthorized("This identity auth method is temporarily locked, please try again later")
        secret = _found(rules, client_secret)
        if identity is None or login is None or login.client_id != client_id or secret is None:
            self._tokens.failed(
                client_id, now, rules.failures, rules.window.total_seconds(), rules.duration.total_seconds()
            )
            raise unauthorized("Invalid credentials")
        self._usable(secret, now)
        self._tokens.succeeded(client_id)
        return identity

    def _usable(self, secret: ClientSecret, now: datetime) -> None:
        """Raises Refusal; takes one use of a secret whose uses are limited."""
        if secret.expires_at is not None and now >= secret.expires_at:
            raise unauthorized("Access denied due to expired client secret")
        if secret.uses and not self._tokens.use_secret(secret.id, secret.uses):
            raise unauthorized("Access denied due to client secret usage limit reached")


def _found(login: UniversalLogin, given: str) -> ClientSecret | None:
    """Compared with all of them to the end, whichever it is."""
    digest = hashlib.sha256(given.encode()).hexdigest()
    # Not `any` or `next`: how long it takes must not say which one it was.
    matching = [secret for secret in login.secrets if hmac.compare_digest(secret.digest, digest)]
    return matching[0] if matching else None
