"""Orders that the signer receives, and the intents that it records before it signs."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from evercert.authority.ca.leaf_fields import Leaf


@dataclass(frozen=True)
class LeafOrder:
    """An order for one certificate. Idempotent by `id`: the signer refuses the same id with other contents."""

    id: str
    ca: str
    profile: str
    leaf: Leaf
    csr: str  # PEM; only the proof of possession and the public key are read from it


@dataclass(frozen=True)
class Revoked:
    """An entry of a CRL; `reason` is that of RFC 5280 §5.3.1 (`keyCompromise`), or None."""

    serial_number: int
    at: datetime
    reason: str | None = None


@dataclass(frozen=True)
class CrlOrder:
    """An order for one CRL; the signer signs each number once."""

    ca: str
    number: int
    this_update: datetime
    next_update: datetime
    revoked: tuple[Revoked, ...]


@dataclass(frozen=True)
class Intent:
    """A signature about to be made, recorded beforehand; `order` is the digest of the order."""

    id: str
    ca: str
    serial_number: int
    order: str
    at: datetime
    says: dict[str, Any] = field(default_factory=dict)  # for auditors: profile, subject, names, dates, key
