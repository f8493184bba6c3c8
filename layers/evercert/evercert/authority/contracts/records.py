"""What the front keeps: tokens, requests and certificates."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from evercert.authority.ca.leaf_fields import Leaf
from evercert.authority.requests.requested_fields import Metadata

RequestStatus = Literal["pending", "issued", "failed"]


@dataclass(frozen=True)
class Token:
    """An access token, by its SHA-256; `uses` counts down to 0, None: without end."""

    digest: str
    identity: str
    created_at: datetime
    expires_at: datetime | None  # None: never
    latest_at: datetime | None  # no renewal passes it
    ttl_seconds: int
    uses: int | None = None


@dataclass(frozen=True)
class RequestRecord:
    """A certificate request, written before the signer hears of it; holds all that is needed to go on with it."""

    id: str
    certificate_id: str
    identity: str
    profile: str  # id
    application: str | None  # id
    project: str  # id
    created_at: datetime
    updated_at: datetime
    status: RequestStatus
    ca: str  # id; empty for a self-signed one
    leaf: Leaf
    lifetime: int  # seconds that were asked for, without what it is backdated
    csr: str
    remove_roots: bool = False
    metadata: Metadata = ()
    sealed_key: str | None = None  # only where the authority made the key
    supplied_csr: bool = False
    renews: str | None = None  # the id of the certificate that it replaces
    error: str | None = None
    asked: str = ""  # the digest of what was asked for: a retry asks for the same


@dataclass(frozen=True)
class CertificateRecord:
    """An issued certificate."""

    id: str
    request: str
    identity: str
    profile: str
    application: str | None
    project: str
    ca: str
    created_at: datetime
    updated_at: datetime
    serial_number: str  # hexadecimal, lower case
    not_before: datetime
    not_after: datetime
    certificate: str  # PEM
    chain: str  # PEM of what is above it, root last
    leaf: Leaf
    lifetime: int  # as in Requested: what a renewal gets
    csr: str
    supplied_csr: bool = False
    metadata: Metadata = ()
    sealed_key: str | None = None
    renews: str | None = None
    renewed_by: str | None = None
    revoked_at: datetime | None = None
    reason: str | None = None  # in the contract's words: `KEY_COMPROMISE`
