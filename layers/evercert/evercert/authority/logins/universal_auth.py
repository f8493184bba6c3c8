"""Universal auth: login with client ID and client secret, with a lockout after failures."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from datetime import datetime

from evercert.authority.api_errors import unauthorized
from evercert.authority.configuration.identity import ClientSecret, Identity, UniversalLogin
from evercert.authority.contracts.ports import Configuration, Tokens


class UniversalAuth:
    """Check client secrets; they are long and random, so a plain hash is sufficient."""

    def __init__(self, configuration: Configuration, tokens: Tokens, clock: Callable[[], datetime]) -> None:
        self._configuration = configuration
        self._tokens = tokens
        self._clock = clock

    def identity(self, client_id: str, client_secret: str) -> Identity:
        """Return the identity of the credentials; raise Refusal (401).

        Unknown client IDs are handled and locked like known ones.
        """
        now = self._clock()
        identity = self._configuration.identity_of_client(client_id)
        login = identity.universal if identity is not None else None
        rules = login or UniversalLogin.model_validate({"client-id": client_id})
        locked_until = self._tokens.locked_until(client_id)
        if rules.failures and locked_until is not None and now < locked_until:
            raise unauthorized("This identity auth method is temporarily locked, please try again later")
        secret = _matching_secret(rules, client_secret)
        if identity is None or login is None or login.client_id != client_id or secret is None:
            self._tokens.failed(
                client_id, now, rules.failures, rules.window.total_seconds(), rules.duration.total_seconds()
            )
            raise unauthorized("Invalid credentials")
        self._require_usable(secret, now)
        self._tokens.succeeded(client_id)
        return identity

    def _require_usable(self, secret: ClientSecret, now: datetime) -> None:
        """Raise Refusal if the secret expired; consume one use if they are limited."""
        if secret.expires_at is not None and now >= secret.expires_at:
            raise unauthorized("Access denied due to expired client secret")
        if secret.uses and not self._tokens.use_secret(secret.id, secret.uses):
            raise unauthorized("Access denied due to client secret usage limit reached")


def _matching_secret(login: UniversalLogin, client_secret: str) -> ClientSecret | None:
    """Return the matching secret; always compare with all of them."""
    digest = hashlib.sha256(client_secret.encode()).hexdigest()
    # Not `any` or `next`: the time must not reveal which one matches.
    matching = [secret for secret in login.secrets if hmac.compare_digest(secret.digest, digest)]
    return matching[0] if matching else None
