"""Access tokens: opaque, random, stored as a hash, renewable up to a maximum lifetime."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from evercert.authority.api_errors import Refusal, bad_request, token_error, unauthorized
from evercert.authority.configuration.identity import Identity
from evercert.authority.contracts.ports import Configuration, Tokens
from evercert.authority.contracts.records import Token

PREFIX = "eca_"
_BYTES = 32  # 256 bits cannot be guessed, so a plain hash is sufficient
_FORM = re.compile(rf"{PREFIX}[A-Za-z0-9_-]{{43}}")
_INVALID = "The access token is invalid or expired: log in again"
_UNKNOWN = "No identity access token found"
_USED_UP = "Unable to renew because access token number of uses limit reached"


class AccessTokens:
    """Issue, check, renew and revoke access tokens.

    Lookup by hash prevents timing attacks on the token.
    """

    def __init__(self, tokens: Tokens, configuration: Configuration, clock: Callable[[], datetime]) -> None:
        self._tokens = tokens
        self._configuration = configuration
        self._clock = clock

    def issue(self, identity: Identity, method: str = "") -> dict[str, Any]:
        """Return the response of a login with this method; only this response contains the token."""
        text, now = PREFIX + secrets.token_urlsafe(_BYTES), self._clock()
        ttl, longest, uses = _limits(identity, method)
        token = Token(
            digest=_digest(text),
            identity=identity.id,
            created_at=now,
            expires_at=now + ttl if ttl else None,
            latest_at=now + longest if longest else None,
            ttl_seconds=_seconds(ttl),
            uses=uses or None,
        )
        self._tokens.keep(token)
        return _answer(text, token, token.ttl_seconds)

    def identity_of(self, authorization: str | None) -> Identity:
        """Return the identity of a bearer token and consume one use if its uses are limited.

        Raises Refusal: 401 without a bearer token, 403 TokenError for an unknown or expired one.
        """
        if not authorization:
            raise unauthorized("Token missing")
        scheme, _, text = authorization.partition(" ")
        if scheme.lower() != "bearer":  # case-insensitive (RFC 9110 §11.1)
            raise unauthorized("Only a bearer token gives access to this resource")
        token = self._find(text)
        now = self._clock()
        # The maximum lifetime also ends tokens without an expiry.
        if token is None or _is_past(token.expires_at, now) or _is_past(token.latest_at, now):
            raise token_error(_INVALID)
        identity = self._configuration.identity(token.identity)
        if identity is None or (token.uses is not None and not self._tokens.use(token.digest)):
            raise token_error(_INVALID)
        return identity

    def renew(self, text: str) -> dict[str, Any]:
        """Renew a token from now, at most up to its maximum lifetime.

        The Infisical API revokes a token whose renewal would exceed its maximum lifetime. Its agent then waits for the
        end of that lifetime without a token, so this authority shortens the last renewals instead.
        """
        token, now = self._require(text), self._clock()
        if _is_past(token.expires_at, now):
            raise self._end(token, unauthorized("Failed to renew MI access token due to TTL expiration"))
        if self._configuration.identity(token.identity) is None:
            raise self._end(token, unauthorized(_UNKNOWN))
        if token.uses is not None and token.uses <= 0:
            raise self._end(token, bad_request(_USED_UP))
        if _is_past(token.latest_at, now):
            raise self._end(token, unauthorized("Failed to renew MI access token due to Max TTL expiration"))
        expires_at = _renewed_until(token, now)
        if not self._tokens.prolong(token, expires_at):
            raise unauthorized(_UNKNOWN)
        return _answer(text, token, max(1, _seconds(expires_at - now)) if expires_at else 0)

    def revoke(self, text: str) -> dict[str, Any]:
        """Revoke a token; its possession is the only authorization needed."""
        self._tokens.forget(self._require(text).digest)
        return {"message": "Successfully revoked access token"}

    def _require(self, text: str) -> Token:
        token = self._find(text)
        if token is None:
            raise unauthorized(_UNKNOWN)
        return token

    def _find(self, text: str) -> Token | None:
        return self._tokens.find(_digest(text)) if _FORM.fullmatch(text) else None

    def _end(self, token: Token, refusal: Refusal) -> Refusal:
        self._tokens.forget(token.digest)
        return refusal


def _limits(identity: Identity, method: str) -> tuple[timedelta, timedelta, int]:
    """Return lifetime, longest lifetime and uses; 0 is unlimited, which only operators can set, for all logins."""
    if (own := identity.login_tokens.get(method)) is not None:
        return own.lifetime, own.longest, own.uses
    longest = identity.token_max_ttl
    ttl = min(identity.token_ttl, longest) if longest else identity.token_ttl
    return ttl, longest, identity.token_uses


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _seconds(span: timedelta) -> int:
    return int(span.total_seconds())


def _is_past(moment: datetime | None, now: datetime) -> bool:
    return moment is not None and now >= moment


def _renewed_until(token: Token, now: datetime) -> datetime | None:
    """Return the new expiry; None if the token has no lifetime of its own."""
    if not token.ttl_seconds:
        return None
    wanted = now + timedelta(seconds=token.ttl_seconds)
    return wanted if token.latest_at is None else min(wanted, token.latest_at)


def _answer(text: str, token: Token, expires_in: int) -> dict[str, Any]:
    """Return the response body; 0 seconds means unlimited."""
    longest = _seconds(token.latest_at - token.created_at) if token.latest_at else 0
    return {
        "accessToken": text,
        "expiresIn": expires_in,
        "accessTokenMaxTTL": longest,
        "tokenType": "Bearer",
    }
