"""External account binding (RFC 8555 §7.3.4): a MAC over the account key with a key from the CA."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

from evercert import json_parser
from evercert.acme import base64url, jws
from evercert.acme.jwk import JWK, from_jwk, thumbprint, to_jwk

ALGORITHMS = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}


def bind(account_key: JWK, key_id: str, mac_key: bytes, url: str, algorithm: str = "HS256") -> dict[str, str]:
    """Return the value of `externalAccountBinding`; `url` is the newAccount URL of the request around it."""
    payload = json.dumps(account_key).encode()
    header = {"alg": algorithm, "kid": key_id, "url": url}
    return jws.flattened(payload, header, lambda data: _mac(mac_key, data, algorithm))


def decode_mac_key(text: str) -> bytes:
    """Return the MAC key; accepts padding and ordinary Base64, as CAs print it. Raises ValueError."""
    key = base64url.decode(text.strip().rstrip("=").replace("+", "-").replace("/", "_"))
    if not key:
        raise ValueError("empty MAC key")
    return key


def key_id_of(binding: Mapping[str, Any]) -> str:
    """Return the key id; raise ValueError if it is missing. Does not verify the MAC."""
    key_id = jws.of_members(dict(binding)).protected.get("kid")
    if not isinstance(key_id, str):
        raise ValueError("the binding has no kid")
    return key_id


def verify(binding: Mapping[str, Any], account_key: JWK, mac_key: bytes, url: str) -> None:
    """Raise ValueError unless the binding has this MAC key, this account key and this URL, and no nonce."""
    message = jws.of_members(dict(binding))
    algorithm = message.protected.get("alg")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise ValueError("alg of the binding must be HS256, HS384 or HS512")
    if "nonce" in message.protected or message.protected.get("url") != url:
        raise ValueError("the binding must have the url of the request, and no nonce")
    if not hmac.compare_digest(_mac(mac_key, message.signing_input, algorithm), message.signature):
        raise ValueError("the MAC of the binding does not verify")
    bound = json_parser.parse(message.payload)
    if not isinstance(bound, dict) or thumbprint(to_jwk(from_jwk(bound))) != thumbprint(account_key):
        raise ValueError("the binding is for another account key")


def _mac(key: bytes, data: bytes, algorithm: str) -> bytes:
    return hmac.new(key, data, ALGORITHMS[algorithm]).digest()
