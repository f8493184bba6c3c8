"""What the signer is asked for, and what is written down before it signs."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from evercert.authority.ca.leaf_fields import Leaf


@dataclass(frozen=True)
class LeafOrder:
    """One certificate, once: the same `id` is answered with the same certificate, and refused for another one."""

    id: str
    ca: str
    profile: str
    leaf: Leaf
    csr: str  # PEM; proves possession, and brings the public key: nothing else is read from it


@dataclass(frozen=True)
class Revoked:
    """An entry of a CRL; `reason` as RFC 5280 §5.3.1 writes it (`keyCompromise`), or None."""

    serial_number: int
    at: datetime
    reason: str | None = None


@dataclass(frozen=True)
class CrlOrder:
    """One CRL; a number is signed once."""

    ca: str
    number: int
    this_update: datetime
    next_update: datetime
    revoked: tuple[Revoked, ...]


@dataclass(frozen=True)
class Intent:
    """What is about to be signed, written before it is; `order` is the digest of what was asked for."""

    id: str
    ca: str
    serial_number: int
    order: str
    at: datetime
    says: dict[str, Any] = field(default_factory=dict)  # for people: profile, subject, names, dates, CSR's key
