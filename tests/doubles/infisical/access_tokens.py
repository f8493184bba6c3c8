"""Access tokens: lifetime, use limits, renewal, revocation."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tests.doubles.infisical import jwt
from tests.doubles.infisical.configuration import Identity
from tests.doubles.infisical.errors import Refusal, token_error

KIND = "identityAccessToken"


@dataclass
class Token:
    """The stored state of an access token."""

    identity: Identity
    created: datetime
    ttl: int
    max_ttl: int
    uses_limit: int
    renewed: datetime | None = None
    uses: int = 0

    def ends(self) -> datetime | None:
        return (self.renewed or self.created) + timedelta(seconds=self.ttl) if self.ttl else None


class Tokens:
    """All access tokens: signed JWTs, each with a stored row that can be deleted."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._secret = secrets.token_bytes(32)
        self._rows: dict[str, Token] = {}
        self.renewals = 0
        self.refuse_renewals = False
        self.given: list[str] = []  # every token that was ever issued

    def issue(self, identity: Identity, claims: dict[str, Any]) -> dict[str, Any]:
        """Return the response body of every login."""
        token = Token(identity, self._clock(), identity.token_ttl, identity.token_max_ttl, identity.token_uses_limit)
        name = str(uuid.uuid4())
        self._rows[name] = token
        return self._answer(name, token, claims)

    def _answer(self, name: str, token: Token, claims: dict[str, Any]) -> dict[str, Any]:
        said = {
            "identityId": token.identity.id,
            "identityAccessTokenId": name,
            "authTokenType": KIND,
            "iat": int(self._clock().timestamp()),
            **claims,
        }
        if ends := token.ends():
            said["exp"] = ends.timestamp()
        self.given.append(jwt.sign(said, self._secret))
        return {
            "accessToken": self.given[-1],
            "expiresIn": token.ttl,
            "accessTokenMaxTTL": token.max_ttl,
            "tokenType": "Bearer",
        }

    def identity(self, authorization: str | None) -> Identity:
        """Return the identity of a bearer token; each call counts as a use."""
        if not authorization:
            raise Refusal(401, "Token missing")
        kind, _, text = authorization.partition(" ")
        if kind != "Bearer":
            raise Refusal(401, "You are not allowed to access this resource")
        name, token, _ = self._row(text)
        if token.ends() and self._clock() > token.ends():
            del self._rows[name]
            raise Refusal(401, "Failed to renew MI access token due to TTL expiration")
        if token.uses_limit and token.uses >= token.uses_limit:
            del self._rows[name]
            raise Refusal(400, "Unable to renew because access token number of uses limit reached")
        token.uses += 1
        return token.identity

    def _row(self, text: str) -> tuple[str, Token, dict[str, Any]]:
        try:
            claims = jwt.verified(text, self._secret, self._clock().timestamp())
        except jwt.BadToken as error:
            told = "Your token has expired. Please re-authenticate." if str(error) == "jwt expired" else str(error)
            raise token_error(told) from error
        if claims.get("authTokenType") != KIND or claims["identityAccessTokenId"] not in self._rows:
            raise Refusal(401, "No identity access token found")
        return claims["identityAccessTokenId"], self._rows[claims["identityAccessTokenId"]], claims

    def renew(self, text: str) -> dict[str, Any]:
        """Renew a token from now on; past its maximum lifetime, refuse and delete it."""
        try:
            name, token, claims = self._row(text)
        except Refusal as refusal:
            if refusal.error == "TokenError" and "expired" in refusal.message:
                raise Refusal(401, "Failed to renew MI access token due to TTL expiration") from refusal
            raise
        if self.refuse_renewals:
            raise Refusal(401, "Failed to renew MI access token due to Max TTL expiration")
        if token.uses_limit and token.uses >= token.uses_limit:
            del self._rows[name]
            raise Refusal(400, "Unable to renew because access token number of uses limit reached")
        last = token.created + timedelta(seconds=token.max_ttl)
        if token.max_ttl and self._clock() + timedelta(seconds=token.ttl) > last:
            del self._rows[name]
            raise Refusal(401, "Failed to renew MI access token past its Max TTL expiration")
        token.renewed = self._clock()
        self.renewals += 1
        kept = {key: value for key, value in claims.items() if key == "identityAuth"}
        return self._answer(name, token, kept)

    def revoke(self, text: str) -> dict[str, Any]:
        name, _, _ = self._row(text)
        del self._rows[name]
        return {"message": "Successfully revoked access token"}

    def revoke_all(self) -> None:
        """Delete all tokens: further use is 401."""
        self._rows.clear()

    def expire_all(self) -> None:
        """Replace the signing key: older tokens are invalid JWTs, 403 `TokenError`."""
        self._secret = secrets.token_bytes(32)

    @property
    def alive(self) -> int:
        return len(self._rows)
