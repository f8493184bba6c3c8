"""Stored records: tokens, requests and certificates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from evercert.authority.ca.leaf_fields import Leaf
from evercert.authority.contracts.approval_terms import ApprovalTerms, Decision
from evercert.authority.requests.requested_fields import AS_CERTIFIED, Metadata, Spelling
from evercert.errors import Misconfigured
from evercert.pki.certificate import load

RequestStatus = Literal["pending_approval", "pending", "pending_validation", "issued", "failed", "rejected"]
Origin = Literal["api", "acme", "automatic", "command"]  # of a request or revocation


@dataclass(frozen=True)
class Token:
    """An access token, identified by its SHA-256; `uses` counts down to 0, None means unlimited."""

    digest: str
    identity: str
    created_at: datetime
    expires_at: datetime | None  # None: never
    latest_at: datetime | None  # a renewal cannot extend the token beyond it
    ttl_seconds: int
    uses: int | None = None


@dataclass(frozen=True)
class LoginFailures:
    """Wrong client secrets of one client ID: their count until it expires, or a lockout.

    `stored` has the attributes as read, for the condition of the next write.
    """

    count: int = 0
    counted_until: datetime | None = None
    locked_until: datetime | None = None
    stored: Mapping[str, Any] = field(default_factory=dict, compare=False)


@dataclass(frozen=True)
class RequestRecord:
    """A certificate request, stored before the signer is called, with everything needed to resume it."""

    id: str
    certificate_id: str
    identity: str
    profile: str  # id
    application: str | None  # id
    project: str  # id
    created_at: datetime
    updated_at: datetime
    status: RequestStatus
    ca: str  # id; empty if self-signed
    leaf: Leaf
    lifetime: int  # requested seconds, without backdating
    csr: str
    remove_roots: bool = False
    metadata: Metadata = ()
    sealed_key: str | None = None  # only if the authority generated the key
    supplied_csr: bool = False
    renews: str | None = None  # id of the certificate that it replaces
    error: str | None = None
    asked: str = ""  # digest of the request body; equal for a retry
    spelling: Spelling = AS_CERTIFIED
    notes: tuple[str, ...] = ()  # what the certificate leaves out of the request
    renew_before_days: int | None = None  # None: the authority does not renew the certificate by itself
    approval: ApprovalTerms | None = None  # None: needs none
    decisions: tuple[Decision, ...] = ()
    approved_at: datetime | None = None
    external: str = ""  # name of the external issuer that issues it
    dated: bool = False  # the client named the end
    longest: int | None = None  # seconds: the policy's limit, for an issuer that chooses the validity itself
    origin: Origin = "api"

    @property
    def is_open(self) -> bool:
        """Return whether the request may still lead to a certificate."""
        return self.status in {"pending_approval", "pending", "pending_validation"}


@dataclass(frozen=True)
class ListedRequest:
    """An entry of the index of a profile's requests."""

    id: str
    created_at: str  # as stored; sorts by time


@dataclass(frozen=True)
class DueCertificate:
    """An entry of the index of automatic renewals."""

    id: str
    due_at: str  # as stored
    not_after: str  # as stored; sorts by time


@dataclass(frozen=True)
class CertificateRecord:
    """An issued or imported certificate."""

    id: str
    request: str  # id; an imported certificate has no request, and its own id here
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
    chain: str  # PEM of the issuers, root last
    leaf: Leaf
    lifetime: int  # requested seconds; a renewal inherits it
    csr: str
    supplied_csr: bool = False
    metadata: Metadata = ()
    sealed_key: str | None = None
    renews: str | None = None
    renewed_by: str | None = None
    revoked_at: datetime | None = None
    spelling: Spelling = AS_CERTIFIED
    reason: str | None = None  # as in the Infisical API: `KEY_COMPROMISE`
    renew_before_days: int | None = None  # None: the authority does not renew it by itself
    renewal_error: str | None = None  # why its last automatic renewal failed, or the policy refused one
    due_at: datetime | None = None  # of its next automatic renewal; None also after a renewal or revocation
    external: str = ""  # name of the external issuer that issued it
    reference: str | None = None  # the id that this issuer gave it
    imported: bool = False  # by `identity`; the authority neither renews nor revokes it
    friendly_name: str = ""  # empty: the common name

    @property
    def signed(self) -> x509.Certificate:
        """The parsed certificate; raises Misconfigured if it is malformed (manual edit)."""
        try:
            found = load(self.certificate)
            found.public_key()
        except (ValueError, UnsupportedAlgorithm) as error:
            raise Misconfigured(
                f"certificate {self.id} of the authority's table cannot be read ({error}); restore it from a backup"
            ) from None
        return found
