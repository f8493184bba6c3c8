"""Signed requests: JWS in flattened JSON serialization (RFC 7515 §7.2.2, RFC 8555 §6.2)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from evercert import json_parser
from evercert.acme import base64url
from evercert.acme.jwk import PublicKey

Algorithm = Literal["RS256", "ES256", "ES384", "EdDSA"]
MEDIA_TYPE = "application/jose+json"
# Octets of each half of the signature (RFC 7518 §3.4), and the hash.
_ECDSA: dict[str, tuple[int, hashes.SHA256 | hashes.SHA384]] = {
    "ES256": (32, hashes.SHA256()),
    "ES384": (48, hashes.SHA384()),
}


class Signer(Protocol):
    """An account key; the private part may be outside of this process."""

    @property
    def public_key(self) -> PublicKey:
        """The public key."""

    def sign(self, data: bytes) -> bytes:
        """Sign with the hash of `algorithm_of`; ECDSA signatures are DER (RFC 3279 §2.2.3)."""


@dataclass(frozen=True)
class Message:
    """A parsed JWS whose signature is not verified yet."""

    protected: Mapping[str, Any]
    payload: bytes
    signing_input: bytes = field(repr=False)
    signature: bytes = field(repr=False)


def algorithm_of(key: PublicKey) -> Algorithm:
    """Return the algorithm for this key; raise ValueError for a curve without one."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        names: dict[str, Algorithm] = {"secp256r1": "ES256", "secp384r1": "ES384"}
        if key.curve.name not in names:
            raise ValueError(f"unsupported curve {key.curve.name}: must be P-256 or P-384")
        return names[key.curve.name]
    return "RS256" if hasattr(key, "key_size") else "EdDSA"


def sign(payload: bytes, protected: Mapping[str, Any], signer: Signer) -> bytes:
    """Return the JWS as JSON; adds `alg` to the protected header. An empty payload makes a POST-as-GET (§6.3)."""
    return json.dumps(signed(payload, protected, signer)).encode()


def signed(payload: bytes, protected: Mapping[str, Any], signer: Signer) -> dict[str, str]:
    """Return the members of the JWS, for a JWS inside of another one."""
    algorithm = algorithm_of(signer.public_key)

    def raw(data: bytes) -> bytes:
        signature = signer.sign(data)
        if algorithm not in _ECDSA:
            return signature
        size = _ECDSA[algorithm][0]
        return b"".join(part.to_bytes(size, "big") for part in decode_dss_signature(signature))

    return flattened(payload, {"alg": algorithm, **protected}, raw)


def flattened(payload: bytes, protected: Mapping[str, Any], sign_bytes: Callable[[bytes], bytes]) -> dict[str, str]:
    """Return the members of a JWS whose signature or MAC `sign_bytes` returns."""
    head, body = base64url.encode(json.dumps(dict(protected)).encode()), base64url.encode(payload)
    signature = sign_bytes(f"{head}.{body}".encode())
    return {"protected": head, "payload": body, "signature": base64url.encode(signature)}


def parse(text: str | bytes) -> Message:
    """Parse a flattened JWS; raise ValueError for another form, an unprotected header or several signatures."""
    return of_members(json_parser.parse(text))


def of_members(found: object) -> Message:
    """Return the message of parsed JSON; raise ValueError as `parse` does."""
    if not isinstance(found, dict) or {"signatures", "header"} & set(found):
        raise ValueError("not a flattened JWS with one signature and a protected header only")
    parts = [found.get(name) for name in ("protected", "payload", "signature")]
    if not all(isinstance(part, str) for part in parts):
        raise ValueError("a JWS needs the members protected, payload and signature")
    head, body, signature = map(str, parts)
    protected = json_parser.parse(base64url.decode(head))
    if not isinstance(protected, dict) or "b64" in protected or "crit" in protected:
        raise ValueError("the protected header is not an object, or has extensions (b64, crit)")
    return Message(protected, base64url.decode(body), f"{head}.{body}".encode(), base64url.decode(signature))


def verify(message: Message, key: PublicKey) -> None:
    """Raise ValueError unless the key signed the message with the algorithm that its header names."""
    algorithm = algorithm_of(key)
    if message.protected.get("alg") != algorithm:
        raise ValueError(f"alg must be {algorithm} for this key")
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            size, digest = _ECDSA[algorithm]
            if len(message.signature) != 2 * size:
                raise ValueError("the signature has another length than its algorithm gives")
            halves = (int.from_bytes(message.signature[part], "big") for part in (slice(0, size), slice(size, None)))
            key.verify(encode_dss_signature(*halves), message.signing_input, ec.ECDSA(digest))
        elif algorithm == "RS256":
            key.verify(message.signature, message.signing_input, padding.PKCS1v15(), hashes.SHA256())  # type: ignore[call-arg]
        else:
            key.verify(message.signature, message.signing_input)  # type: ignore[call-arg]
    except InvalidSignature:
        raise ValueError("the signature does not verify") from None
