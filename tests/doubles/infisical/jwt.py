"""JSON Web Tokens, signed and verified independently of the code under test."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature


class BadToken(Exception):
    """Invalid token: format, signature, algorithm or times."""


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    if not text or set(text) & set("=+/"):
        raise BadToken("jwt malformed")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError as error:
        raise BadToken("jwt malformed") from error


def sign(claims: dict[str, Any], key: Any, *, kid: str | None = None) -> str:
    """Sign with HS256 for bytes, RS256 for an RSA key, ES256 for a P-256 key."""
    head = {"alg": algorithm(key), "typ": "JWT"} | ({"kid": kid} if kid else {})
    text = ".".join(encoded(json.dumps(part, separators=(",", ":")).encode()) for part in (head, claims))
    return f"{text}.{encoded(_signature(text.encode(), key))}"


def algorithm(key: Any) -> str:
    if isinstance(key, bytes):
        return "HS256"
    return "RS256" if isinstance(key, rsa.RSAPrivateKey | rsa.RSAPublicKey) else "ES256"


def _signature(text: bytes, key: Any) -> bytes:
    match algorithm(key):
        case "HS256":
            return hmac.new(key, text, hashlib.sha256).digest()
        case "RS256":
            return key.sign(text, padding.PKCS1v15(), hashes.SHA256())
    r, s = decode_dss_signature(key.sign(text, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def unverified(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return header and claims of an unverified token."""
    parts = token.split(".")
    if len(parts) != 3:
        raise BadToken("jwt malformed")
    try:
        head, claims = (json.loads(decoded(part)) for part in parts[:2])
    except ValueError as error:
        raise BadToken("jwt malformed") from error
    if not isinstance(head, dict) or not isinstance(claims, dict):
        raise BadToken("jwt malformed")
    return head, claims


def verified(token: str, key: Any, now: float) -> dict[str, Any]:
    """Return the claims of a token after checking signature, algorithm, and `exp` and `nbf` if present."""
    head, claims = unverified(token)
    if head.get("alg") != algorithm(key):
        raise BadToken("invalid algorithm")
    text, _, signature = token.rpartition(".")
    try:
        _check(text.encode(), decoded(signature), key)
    except InvalidSignature as error:
        raise BadToken("invalid signature") from error
    if "exp" in claims and now >= claims["exp"]:
        raise BadToken("jwt expired")
    if now < claims.get("nbf", now):
        raise BadToken("jwt not active")
    return claims


def _check(text: bytes, signature: bytes, key: Any) -> None:
    match algorithm(key):
        case "HS256":
            if not hmac.compare_digest(_signature(text, key), signature):
                raise InvalidSignature
        case "RS256":
            key.verify(signature, text, padding.PKCS1v15(), hashes.SHA256())
        case "ES256":
            if len(signature) != 64:
                raise InvalidSignature
            pair = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
            key.verify(encode_dss_signature(*pair), text, ec.ECDSA(hashes.SHA256()))
