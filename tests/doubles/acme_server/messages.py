"""Verification of requests: headers, signature, nonce, URL and key (RFC 8555 §6)."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from evercert import json_parser
from evercert.acme import jws
from evercert.acme.jwk import JWK, PublicKey, from_jwk, to_jwk
from tests.doubles.acme_server.answers import Refusal
from tests.doubles.acme_server.faults import Faults
from tests.doubles.acme_server.state import Account

Signer = Literal["kid", "jwk"]


@dataclass(frozen=True)
class Call:
    """A verified request; `payload` is None for a POST-as-GET, `account` for newAccount."""

    url: str
    payload: dict[str, Any] | None
    account: Account | None
    jwk: JWK

    @property
    def sender(self) -> Account:
        """The account that signed."""
        assert self.account is not None
        return self.account

    def require_read(self) -> None:
        """Raise Refusal unless this is a POST-as-GET."""
        if self.payload is not None:
            raise Refusal("malformed", "POST-as-GET requests must have an empty payload")


class Nonces:
    """Nonces that are valid once."""

    def __init__(self) -> None:
        self._unused: set[str] = set()

    def new(self) -> str:
        """Return a new nonce."""
        nonce = secrets.token_urlsafe(16)
        self._unused.add(nonce)
        return nonce

    def take(self, nonce: object) -> bool:
        """Use the nonce up; return whether it was valid."""
        valid = nonce in self._unused
        self._unused.discard(str(nonce))
        return valid

    def forget(self) -> None:
        """Forget all nonces, as a restarted server does."""
        self._unused.clear()


class Verifier:
    """Verifies requests against the accounts and nonces of the server."""

    def __init__(self, accounts: list[Account], nonces: Nonces, faults: Faults) -> None:
        self._accounts = accounts
        self._nonces = nonces
        self._faults = faults

    def verify(self, url: str, headers: Mapping[str, str], body: bytes, signer: Signer) -> Call:
        """Return the call; raise Refusal for the first rule that it breaks."""
        if headers.get("Content-Type") != jws.MEDIA_TYPE:
            raise Refusal("malformed", f"Content-Type must be {jws.MEDIA_TYPE}", 415)
        try:
            message = jws.parse(body)
        except ValueError as error:
            raise Refusal("malformed", f"Parse error reading JWS: {error}") from None
        protected = message.protected
        if unknown := set(protected) - {"alg", "nonce", "url", "kid", "jwk"}:
            raise Refusal("malformed", f"unknown header fields {sorted(unknown)}")
        account, key = self._key(protected, signer)
        if protected.get("alg") not in self._faults.algorithms:
            raise Refusal(
                "badSignatureAlgorithm", f"JWS alg {protected.get('alg')} is not supported",
                algorithms=list(self._faults.algorithms),
            )  # fmt: skip
        try:
            jws.verify(message, key)
        except ValueError as error:
            raise Refusal("malformed", f"JWS verification error: {error}") from None
        if protected.get("url") != url:
            raise Refusal("unauthorized", f"JWS header url is {protected.get('url')!r}, must be {url!r}", 403)
        self._require_nonce(protected.get("nonce"))
        return Call(url, _payload(message.payload), account, to_jwk(key))

    def _key(self, protected: Mapping[str, Any], signer: Signer) -> tuple[Account | None, PublicKey]:
        if ("kid" in protected) == ("jwk" in protected) or signer not in protected:
            raise Refusal("malformed", f"the JWS must have {signer}, and not both of kid and jwk")
        if signer == "jwk":
            try:
                return None, from_jwk(dict(protected["jwk"]))
            except (ValueError, TypeError) as error:
                raise Refusal("badPublicKey", str(error)) from None
        account = next((account for account in self._accounts if account.url == protected["kid"]), None)
        if account is None:
            raise Refusal("accountDoesNotExist", f"Account {protected['kid']!r} not found")
        if account.status != "valid":
            raise Refusal("unauthorized", f"Account is not valid, has status {account.status!r}", 401)
        return account, from_jwk(account.jwk)

    def _require_nonce(self, nonce: object) -> None:
        if self._nonces.take(nonce) and self._faults.refused_nonces <= 0:
            return
        self._faults.refused_nonces = max(0, self._faults.refused_nonces - 1)
        raise Refusal("badNonce", "JWS has an invalid anti-replay nonce")


def _payload(payload: bytes) -> dict[str, Any] | None:
    if not payload:
        return None
    try:
        found = json_parser.parse(payload)
    except ValueError:
        found = None
    if not isinstance(found, dict) or "resource" in found:
        raise Refusal("malformed", "the payload must be a JSON object, without the field of ACMEv1")
    return found
