"""Challenges: key authorizations and where they are published (RFC 8555 §8)."""

from __future__ import annotations

import hashlib
import re

from evercert.acme import base64url

HTTP_PATH = "/.well-known/acme-challenge/"
DNS_LABEL = "_acme-challenge"
SHORTEST_TOKEN = 22  # characters of 128 bits, which §8.3 requires
LONGEST_TOKEN = 256
_DNS_VALUE = re.compile(r"[A-Za-z0-9_-]{43}")
_TOKEN = re.compile(rf"[A-Za-z0-9_-]{{{SHORTEST_TOKEN},{LONGEST_TOKEN}}}")


def is_token(text: object) -> bool:
    """Whether this is a token of an HTTP or DNS challenge: base64url with at least 128 bits (§8.3, §11.3)."""
    return isinstance(text, str) and _TOKEN.fullmatch(text) is not None


def key_authorization(token: str, thumbprint: str) -> str:
    """Return the key authorization of a token and the account key's thumbprint (§8.1)."""
    return f"{token}.{thumbprint}"


def dns_value(authorization: str) -> str:
    """Return the text of the TXT record of a dns-01 challenge (§8.4)."""
    return base64url.encode(hashlib.sha256(authorization.encode()).digest())


def is_dns_value(text: str) -> bool:
    """Whether this may be the text of such a record: the base64url of a digest."""
    return _DNS_VALUE.fullmatch(text) is not None
