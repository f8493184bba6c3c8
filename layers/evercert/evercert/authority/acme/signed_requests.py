"""Signed requests to the ACME server (RFC 8555 §6.2 to §6.5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evercert import json_parser
from evercert.acme import jws
from evercert.acme.jwk import PublicKey, from_jwk
from evercert.authority.acme.problems import Refused, malformed

LARGEST_BODY = 50_000  # bytes
ALGORITHMS = ("ES256", "ES384", "EdDSA", "RS256")
UNSUPPORTED_MEDIA_TYPE, TOO_LARGE = 415, 413


@dataclass(frozen=True)
class SignedRequest:
    """A parsed request whose signature and nonce are not verified yet.

    It has either `key` (its header `jwk`) or `account_url` (`kid`). `payload` is None for a POST-as-GET.
    """

    url: str
    message: jws.Message
    payload: dict[str, Any] | None
    key: PublicKey | None = None
    account_url: str | None = None

    @property
    def nonce(self) -> object:
        """The nonce of the header, whatever it is."""
        return self.message.protected.get("nonce")

    def verify(self, key: PublicKey) -> None:
        """Raise Refused unless this key signed the request with an algorithm that fits it."""
        if self.message.protected.get("alg") != jws.algorithm_of(key):
            raise _bad_algorithm(f"alg must be {jws.algorithm_of(key)} for this key")
        try:
            jws.verify(self.message, key)
        except ValueError as error:
            raise Refused("malformed", f"invalid signature: {error}") from None

    def members(self) -> dict[str, Any]:
        """Return the payload of a request that needs one; raise Refused for a POST-as-GET."""
        if self.payload is None:
            raise malformed("the payload is empty, but this resource needs a JSON object")
        return self.payload

    def require_no_payload(self) -> None:
        """Raise Refused unless the request is a POST-as-GET (§6.3)."""
        if self.payload is not None:
            raise malformed("this resource is read with an empty payload (POST-as-GET)")


def read(body: bytes, content_type: str, url: str) -> SignedRequest:
    """Parse the body of a POST to `url`, the URL as the server gave it; raise Refused."""
    if content_type.partition(";")[0].strip().lower() != jws.MEDIA_TYPE:
        raise malformed(f"the content type must be {jws.MEDIA_TYPE}", UNSUPPORTED_MEDIA_TYPE)
    if len(body) > LARGEST_BODY:
        raise malformed(f"the body is larger than {LARGEST_BODY} bytes", TOO_LARGE)
    try:
        message = jws.parse(body)
    except ValueError as error:
        raise malformed(f"the body is not a flattened JWS: {error}") from None
    _require_algorithm(message.protected.get("alg"))
    if message.protected.get("url") != url:
        raise Refused("unauthorized", f"the header url is not {url}", status=401)
    payload = _payload(message.payload)
    has_key, has_account = "jwk" in message.protected, "kid" in message.protected
    if has_key == has_account:
        raise malformed("the protected header must have either jwk or kid")
    if has_account:
        account_url = message.protected["kid"]
        if not isinstance(account_url, str):
            raise malformed("kid must be the URL of an account")
        return SignedRequest(url, message, payload, account_url=account_url)
    return SignedRequest(url, message, payload, key=public_key(message.protected["jwk"]))


def public_key(found: object) -> PublicKey:
    """Return the key of a JWK; raise Refused (malformed, or badPublicKey for a key that is not accepted)."""
    if not isinstance(found, Mapping) or not all(isinstance(value, str) for value in found.values()):
        raise malformed("jwk must be a JSON object with text members")
    try:
        return from_jwk(found)
    except ValueError as error:
        raise Refused("badPublicKey", f"jwk: {error}") from None


def _require_algorithm(found: object) -> None:
    if found not in ALGORITHMS:
        raise _bad_algorithm("unsupported signature algorithm")


def _bad_algorithm(detail: str) -> Refused:
    return Refused("badSignatureAlgorithm", detail, algorithms=list(ALGORITHMS))


def _payload(content: bytes) -> dict[str, Any] | None:
    if not content:
        return None
    try:
        found = json_parser.parse(content)
    except ValueError:
        raise malformed("the payload is not JSON") from None
    if not isinstance(found, dict):
        raise malformed("the payload is not a JSON object")
    return found
