"""A token that a Google service account's own key signs, here and not at Google."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from evercert.documents.secret_reference import Reference
from evercert.errors import Misconfigured
from evercert.issuers.infisical.logins.login import IdentitySettings, Proof, proof

if TYPE_CHECKING:
    from evercert.issuers.infisical.logins.login import LoginContext


class GCPIAM:
    """The key needs no call to Google, so nothing there has to be reachable."""

    class Settings(IdentitySettings):
        """The key as Google hands it out, a JSON object or its text."""

        service_account_key: Reference

    def __init__(self, settings: Settings, outside: LoginContext) -> None:
        self._settings = settings
        self._outside = outside

    def proof(self, address: str) -> Proof:
        """Signed anew, with the key as it is now."""
        reference = self._settings.service_account_key
        found = self._outside.credentials.read(reference, address, key="service-account-key")
        return proof(
            "/v1/auth/gcp-auth/login", self._settings, jwt=_signed(found, reference, self._settings.identity_id)
        )


def _signed(found: Any, reference: Reference, audience: str) -> str:  # noqa: ANN401
    """RS256 (RFC 7518 §3.3), with the claims that the server reads and no others.

    No `iat` or `exp`: the token that it expects, Google's `signJwt` of these two claims, has neither, and it is
    used once, over a connection of our own.
    """
    email, key_id, key = _parts(found, reference)
    header = {"alg": "RS256", "kid": key_id, "typ": "JWT"}
    claims = {"sub": email, "aud": audience}
    signed = f"{_encoded(json.dumps(header).encode())}.{_encoded(json.dumps(claims).encode())}"
    return f"{signed}.{_encoded(key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


def _parts(found: Any, reference: Reference) -> tuple[str, str, rsa.RSAPrivateKey]:  # noqa: ANN401
    """Raises Misconfigured without a word of the key."""
    try:
        account = json.loads(found) if isinstance(found, str) else found
        email, key_id, pem = (str(account[name]) for name in ("client_email", "private_key_id", "private_key"))
        key = serialization.load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, KeyError, RecursionError):
        key = None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise Misconfigured(
            f"{reference} holds no key file of a Google service account (JSON, with an RSA private key)"
        )
    return email, key_id, key


def _encoded(raw: bytes) -> str:
    """RFC 7515 §2: base64url without padding."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
