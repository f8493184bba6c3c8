"""JSON web tokens (RFC 7519): parse, verify with pinned algorithms (RFC 8725 §3.1), and check the times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from evercert import json_parser
from evercert.acme import base64url
from evercert.acme.jwk import PublicKey

SKEW = timedelta(seconds=60)  # between the clocks of issuer and authority
_LATEST = 10**12  # seconds
MOST_KEYS = 10  # that are tried for a token without a key id
_HASHES: dict[str, hashes.HashAlgorithm] = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
_RSA = {f"{kind}{bits}" for kind in ("RS", "PS") for bits in _HASHES}
_CURVES = {"ES256": ("secp256r1", 32), "ES384": ("secp384r1", 48)}  # and octets of each half (RFC 7518 §3.4)
ALGORITHMS = frozenset(_RSA | set(_CURVES) | {"EdDSA"})  # never `none`, and no MAC with a public key as its secret


@dataclass(frozen=True)
class Key:
    """A verification key of an issuer; without an algorithm, it verifies all that fit its type."""

    id: str
    key: PublicKey
    algorithm: str = ""


@dataclass(frozen=True)
class ParsedToken:
    """A token whose signature is not verified yet."""

    header: Mapping[str, Any]
    claims: Mapping[str, Any] = field(repr=False)
    signing_input: bytes = field(repr=False)
    signature: bytes = field(repr=False)

    @property
    def key_id(self) -> str:
        """Return the id of its key, or an empty text."""
        found = self.header.get("kid")
        return found if isinstance(found, str) else ""


def parse(text: str) -> ParsedToken:
    """Parse a token in compact serialization; raise ValueError for anything else, or another algorithm."""
    parts = text.split(".")
    if len(parts) != 3:  # noqa: PLR2004
        raise ValueError("the token is not a JWT with three parts")
    try:
        header, claims = (json_parser.parse(base64url.decode(part)) for part in parts[:2])
        signature = base64url.decode(parts[2])
    except ValueError:
        raise ValueError("the token is not a JWT: its parts are not base64url of JSON") from None
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise ValueError("the token is not a JWT: its parts are not JSON objects")
    if str(header.get("alg")) not in ALGORITHMS:
        raise ValueError("invalid algorithm")
    if "crit" in header or "b64" in header:
        raise ValueError("the token has extensions (crit, b64)")
    return ParsedToken(header, claims, f"{parts[0]}.{parts[1]}".encode(), signature)


def verify(token: ParsedToken, keys: Sequence[Key], now: datetime) -> None:
    """Raise ValueError unless one of the keys signed the token, and it is valid now, give or take `SKEW`."""
    fitting = [one for one in keys if token.key_id in {"", one.id} and _fits(one, str(token.header["alg"]))]
    if not fitting:
        raise ValueError("no key of the issuer fits the token")
    if len(fitting) > MOST_KEYS:
        raise ValueError(f"the issuer has {len(fitting)} keys: the token needs the header kid")
    if not any(_is_signed(token, one.key) for one in fitting):
        raise ValueError("invalid signature")
    _require_current(token.claims, now)


def _require_current(claims: Mapping[str, Any], now: datetime) -> None:
    times: dict[str, float] = {}
    for name in ("exp", "nbf", "iat"):
        value = claims.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise ValueError(f"invalid {name}: must be a number")
        if value is not None and abs(value) > _LATEST:
            raise ValueError(f"invalid {name}: out of range")
        if value is not None:
            times[name] = value
    if "exp" not in times:
        raise ValueError("the token does not expire: exp is missing")
    if now.timestamp() >= times["exp"] + SKEW.total_seconds():
        raise ValueError("jwt expired")
    if any(now.timestamp() < times[name] - SKEW.total_seconds() for name in ("nbf", "iat") if name in times):
        raise ValueError("jwt not active")


def _fits(one: Key, algorithm: str) -> bool:
    if one.algorithm not in {"", algorithm}:
        return False
    if isinstance(one.key, rsa.RSAPublicKey):
        return algorithm in _RSA
    if isinstance(one.key, ec.EllipticCurvePublicKey):
        return _CURVES.get(algorithm, ("", 0))[0] == one.key.curve.name
    return algorithm == "EdDSA" and isinstance(one.key, ed25519.Ed25519PublicKey)


def _is_signed(token: ParsedToken, key: PublicKey) -> bool:
    algorithm, signature, data = str(token.header["alg"]), token.signature, token.signing_input
    try:
        if isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, data)
            return True
        digest = _HASHES[algorithm[2:]]
        if isinstance(key, ec.EllipticCurvePublicKey):
            size = _CURVES[algorithm][1]
            if len(signature) != 2 * size:
                return False
            halves = (int.from_bytes(signature[part], "big") for part in (slice(0, size), slice(size, None)))
            key.verify(encode_dss_signature(*halves), data, ec.ECDSA(digest))
        elif algorithm.startswith("PS"):
            key.verify(signature, data, padding.PSS(padding.MGF1(digest), digest.digest_size), digest)
        else:
            key.verify(signature, data, padding.PKCS1v15(), digest)
    except InvalidSignature:
        return False
    return True
