"""Keys of the systems that issue tokens: fetched, cached, and fetched again when they rotate."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from evercert.acme.jwk import LEAST_BITS, MOST_BITS, PublicKey, from_jwk
from evercert.authority.logins.json_web_token import Key
from evercert.errors import Misconfigured, Unavailable

FRESH = timedelta(minutes=10)  # a fetched document is used this long
STALE = timedelta(hours=1)  # and this long while its server does not answer
PAUSE = timedelta(seconds=30)  # between two fetches for key ids that are not in the set: anyone can send them
MOST_DOCUMENTS = 100  # in the cache
MOST_KEYS = 100  # of a set
DISCOVERY = "/.well-known/openid-configuration"  # OpenID Connect Discovery 1.0 §4
Read = Callable[[object], tuple[Key, ...]]


class WebDocuments(Protocol):
    """JSON of servers that managers of projects name; `certificates` are the trusted CAs, empty for the public ones."""

    def get(self, url: str, certificates: str) -> object:
        """Return the document; raise Unavailable if another try may succeed, else Misconfigured."""

    def post(self, url: str, certificates: str, token: str, body: Mapping[str, Any]) -> tuple[int, object]:
        """Return status (2xx or 4xx) and document of the answer; errors are those of `get`."""


@dataclass(frozen=True)
class _Cached:
    at: datetime
    document: object


class KeySets:
    """Sets of keys, by their URL."""

    def __init__(self, documents: WebDocuments, clock: Callable[[], datetime]) -> None:
        self._documents = documents
        self._clock = clock
        self._cache: dict[tuple[str, str], _Cached] = {}

    def discovered(self, issuer: str, certificates: str, key_id: str) -> tuple[Key, ...]:
        """Return the keys of an OpenID provider; errors are those of `at`."""
        url = issuer.rstrip("/") + DISCOVERY
        found = self._document(url, certificates)
        address = found.get("jwks_uri") if isinstance(found, dict) else None
        if not isinstance(address, str):
            raise Misconfigured(f"{url} has no jwks_uri: check the address")
        return self.at(address, certificates, key_id)

    def at(self, url: str, certificates: str, key_id: str, read: Read | None = None) -> tuple[Key, ...]:
        """Return the keys at a URL, fetched again if `key_id` is not among them: the issuer may have a new key.

        Raise Unavailable or Misconfigured.
        """
        reader = read or read_jwks
        found = _keys(url, reader, self._document(url, certificates))
        if key_id and key_id not in {one.id for one in found}:
            found = _keys(url, reader, self._document(url, certificates, newer_than=PAUSE))
        return found

    def _document(self, url: str, certificates: str, newer_than: timedelta = FRESH) -> object:
        now, cached = self._clock(), self._cache.get((url, certificates))
        age = None if cached is None else now - cached.at
        if cached is not None and age is not None and timedelta(0) <= age < newer_than:
            return cached.document
        try:
            document = self._documents.get(url, certificates)
        except (Unavailable, Misconfigured):  # a server that loses its document is repaired as an outage is
            if cached is None or age is None or not timedelta(0) <= age < STALE:
                raise
            return cached.document
        if len(self._cache) >= MOST_DOCUMENTS:
            self._cache.pop(next(iter(self._cache)))
        self._cache.pop((url, certificates), None)
        self._cache[url, certificates] = _Cached(now, document)
        return document


def _keys(url: str, read: Read, document: object) -> tuple[Key, ...]:
    found = read(document)
    if not found:
        raise Misconfigured(f"{url} has no usable keys: check the address")
    return found


def read_jwks(document: object) -> tuple[Key, ...]:
    """Return the keys for signatures in a JWK set (RFC 7517 §5), without those of other kinds."""
    listed = document.get("keys") if isinstance(document, dict) else None
    found = []
    for one in listed[:MOST_KEYS] if isinstance(listed, list) else ():
        if not isinstance(one, dict) or one.get("use", "sig") != "sig":
            continue
        try:
            key = from_jwk(one)
        except (ValueError, TypeError):
            continue
        name, algorithm = one.get("kid"), one.get("alg")
        if isinstance(name, str | None) and isinstance(algorithm, str | None):
            found.append(Key(name or "", key, algorithm or ""))
    return tuple(found)


def read_certificates(document: object) -> tuple[Key, ...]:
    """Return the keys of certificates in PEM by key id, as Google lists them."""
    found = []
    for name, text in list(document.items())[:MOST_KEYS] if isinstance(document, dict) else ():
        try:
            key = x509.load_pem_x509_certificate(str(text).encode()).public_key()
        except ValueError:
            continue
        if isinstance(key, rsa.RSAPublicKey) and LEAST_BITS <= key.key_size <= MOST_BITS:
            found.append(Key(str(name), key))
    return tuple(found)


def read_public_key(text: str) -> PublicKey:
    """Return a public key in PEM; raise ValueError for a private, weak or unsupported one."""
    if "PRIVATE KEY" in text:
        raise ValueError("it is a private key; give the public key")
    try:
        key = serialization.load_pem_public_key(text.encode())
    except Exception:  # noqa: BLE001 (the parser raises several types)
        raise ValueError("not a public key in PEM") from None
    if isinstance(key, rsa.RSAPublicKey) and not LEAST_BITS <= key.key_size <= MOST_BITS:
        raise ValueError(f"unsupported RSA key: must have {LEAST_BITS} to {MOST_BITS} bits")
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name not in {"secp256r1", "secp384r1"}:
        raise ValueError("unsupported curve: must be P-256 or P-384")
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey):
        raise ValueError("unsupported key: must be RSA, EC P-256, EC P-384 or Ed25519")
    return key
