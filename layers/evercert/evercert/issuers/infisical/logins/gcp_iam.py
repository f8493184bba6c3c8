"""Login with a token that is signed locally with the key of a Google service account."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from evercert.documents.secret_reference import Reference
from evercert.errors import Misconfigured
from evercert.issuers.infisical.logins.login import IdentitySettings, Proof, proof, require_rendered

if TYPE_CHECKING:
    from evercert.issuers.infisical.logins.login import LoginContext


class GCPIAM:
    """Login `gcp-iam`; makes no request to Google."""

    class Settings(IdentitySettings):
        """`service-account-key`: the key file of Google, as a JSON object or as text."""

        service_account_key: Reference

    def __init__(self, settings: Settings, context: LoginContext) -> None:
        self._settings = settings
        self._context = context

    def proof(self, address: str) -> Proof:
        """Read the key, sign a token and return the login request."""
        reference = self._settings.service_account_key
        found = self._context.credentials.read(reference, address, key="service-account-key")
        if isinstance(found, str):
            require_rendered(found, reference, "service-account-key")
        return proof("/v1/auth/gcp-auth/login", self._settings, jwt=_sign(found, reference, self._settings.identity_id))


def _sign(found: Any, reference: Reference, audience: str) -> str:  # noqa: ANN401
    """Return a JWT signed with RS256 (RFC 7518 §3.3), with only the claims that the server reads.

    It has no `iat` or `exp`, like the output of Google's `signJwt` for these two claims, which the server expects.
    """
    email, key_id, key = _parts(found, reference)
    header = {"alg": "RS256", "kid": key_id, "typ": "JWT"}
    claims = {"sub": email, "aud": audience}
    signed = f"{_encoded(json.dumps(header).encode())}.{_encoded(json.dumps(claims).encode())}"
    return f"{signed}.{_encoded(key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


def _parts(found: Any, reference: Reference) -> tuple[str, str, rsa.RSAPrivateKey]:  # noqa: ANN401
    """Return email, key id and key of the account; raise Misconfigured without quoting the key."""
    try:
        account = json.loads(found) if isinstance(found, str) else found
        email, key_id, pem = (str(account[name]) for name in ("client_email", "private_key_id", "private_key"))
        key = serialization.load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, KeyError, RecursionError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise Misconfigured(
            f"invalid key in {reference}: must be the key file of a Google service account (JSON, with an RSA key)"
        )
    return email, key_id, key


def _encoded(raw: bytes) -> str:
    """Encode as base64url without padding (RFC 7515 §2)."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
