"""Public keys as JSON Web Keys (RFC 7517, RFC 7518 §6, RFC 8037), and their thumbprints (RFC 7638)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from evercert.acme import base64url

PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey
JWK = dict[str, str]

MOST_BITS = 4_096  # of an RSA key; larger ones make a verifier slow
LEAST_BITS = 2_048
LARGEST_EXPONENT = 2**32
_CURVES: dict[str, ec.EllipticCurve] = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1()}
_SIZES = {"P-256": 32, "P-384": 48}  # octets of a coordinate (RFC 7518 §6.2.1.2)
_ED25519_BYTES = 32


def to_jwk(key: PublicKey) -> JWK:
    """Return the required members of the key, which are those of its thumbprint; raise ValueError for another curve."""
    match key:
        case rsa.RSAPublicKey():
            numbers = key.public_numbers()
            return {"kty": "RSA", "n": _number(numbers.n), "e": _number(numbers.e)}
        case ec.EllipticCurvePublicKey():
            curve = next((name for name, known in _CURVES.items() if known.name == key.curve.name), None)
            if curve is None:
                raise ValueError(f"unsupported curve {key.curve.name}: must be P-256 or P-384")
            point, size = key.public_numbers(), _SIZES[curve]
            coordinates = {"x": _number(point.x, size), "y": _number(point.y, size)}
            return {"kty": "EC", "crv": curve, **coordinates}
        case _:
            raw = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
            return {"kty": "OKP", "crv": "Ed25519", "x": base64url.encode(raw)}


def from_jwk(jwk: Mapping[str, Any]) -> PublicKey:
    """Return the public key; raise ValueError for a private, symmetric, weak or malformed one.

    Ignores members such as `alg` and `use`.
    """
    if "d" in jwk:
        raise ValueError("it contains a private key")
    try:
        match jwk.get("kty"), jwk.get("crv"):
            case "RSA", _:
                return _rsa(_integer(jwk, "n"), _integer(jwk, "e"))
            case "EC", ("P-256" | "P-384") as curve:
                for name in "xy":
                    if len(_octets(jwk, name)) != _SIZES[curve]:
                        raise ValueError(f"{name} must have {_SIZES[curve]} octets")
                numbers = ec.EllipticCurvePublicNumbers(_integer(jwk, "x"), _integer(jwk, "y"), _CURVES[curve])
                return numbers.public_key()
            case "OKP", "Ed25519":
                return ed25519.Ed25519PublicKey.from_public_bytes(_octets(jwk, "x"))
    except UnsupportedAlgorithm as error:
        raise ValueError("unsupported key") from error
    raise ValueError("unsupported key: must be RSA, EC P-256, EC P-384 or Ed25519")


def thumbprint(jwk: Mapping[str, str]) -> str:
    """Return the SHA-256 thumbprint as base64url (RFC 7638 §3) of a key as `to_jwk` returns it."""
    text = json.dumps(dict(sorted(jwk.items())), separators=(",", ":"))
    return base64url.encode(hashlib.sha256(text.encode()).digest())


def _rsa(modulus: int, exponent: int) -> rsa.RSAPublicKey:
    if not LEAST_BITS <= modulus.bit_length() <= MOST_BITS:
        raise ValueError(f"unsupported RSA key: must have {LEAST_BITS} to {MOST_BITS} bits")
    if exponent % 2 == 0 or not 1 < exponent < LARGEST_EXPONENT:
        raise ValueError("unsupported RSA key: its public exponent must be odd, above 1 and below 2^32")
    return rsa.RSAPublicNumbers(exponent, modulus).public_key()


def _number(value: int, size: int | None = None) -> str:
    return base64url.encode(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))


def _octets(jwk: Mapping[str, Any], name: str) -> bytes:
    value = jwk.get(name)
    if not isinstance(value, str):
        raise ValueError(f"the member {name} is missing")
    return base64url.decode(value)


def _integer(jwk: Mapping[str, Any], name: str) -> int:
    return int.from_bytes(_octets(jwk, name), "big")
