"""Nonces against replay (RFC 8555 §6.5): issued without a write, redeemed once."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

from evercert.acme import base64url
from evercert.authority.acme.problems import Refused
from evercert.deadline import CLOCK_TOLERANCE, Clock

LIFETIME = timedelta(minutes=10)
_RANDOM, _TIME, _MAC = 16, 6, 16  # bytes
_LENGTH = _RANDOM + _TIME + _MAC


class UsedNonces(Protocol):
    """The nonces that were redeemed."""

    def take(self, digest: str, until: datetime) -> bool:
        """Mark a nonce as used, at least until this time; return False if it was used before. Raises Unavailable."""


class Nonces:
    """Issues and redeems nonces; all instances of a function share the key.

    A nonce is random bytes, the time in milliseconds, and a MAC over both.
    """

    def __init__(self, key: Callable[[], bytes], used: UsedNonces, clock: Clock) -> None:
        """`key` returns the MAC key; it is called when the first nonce needs it."""
        self._key = key
        self._used = used
        self._clock = clock

    def issue(self) -> str:
        """Return a new nonce."""
        moment = int(self._clock().timestamp() * 1_000).to_bytes(_TIME, "big")
        body = os.urandom(_RANDOM) + moment
        return base64url.encode(body + self._mac(body))

    def redeem(self, nonce: object) -> None:
        """Raise Refused (badNonce, or malformed if it is not base64url) unless the nonce is ours, recent and unused."""
        if not isinstance(nonce, str):
            raise Refused("badNonce", "the protected header has no nonce")
        try:
            raw = base64url.decode(nonce)
        except ValueError:
            raise Refused("malformed", "the nonce is not base64url") from None  # §6.5.2
        body, mac = raw[:-_MAC], raw[-_MAC:]
        if len(raw) != _LENGTH or not hmac.compare_digest(self._mac(body), mac):
            raise Refused("badNonce", "this server did not issue the nonce")
        issued = datetime.fromtimestamp(int.from_bytes(body[_RANDOM:], "big") / 1_000, UTC)
        if not issued - CLOCK_TOLERANCE <= self._clock() <= issued + LIFETIME:
            raise Refused("badNonce", "the nonce is too old")
        digest = hashlib.sha256(raw).hexdigest()
        if not self._used.take(digest, issued + LIFETIME + CLOCK_TOLERANCE):
            raise Refused("badNonce", "the nonce was used before")

    def _mac(self, body: bytes) -> bytes:
        return hmac.new(self._key(), body, hashlib.sha256).digest()[:_MAC]
