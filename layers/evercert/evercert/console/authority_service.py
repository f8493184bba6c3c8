"""Ports of the console to the authority: configuration, approvals, issuance and revocation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from evercert.console.document_service import DocumentService


@dataclass(frozen=True)
class WaitingRequest:
    """Certificate request that waits for an approval."""

    id: str
    names: Sequence[str]
    profile: str
    requester: str
    created_at: str
    until: str
    approvals: str  # such as `1 of 2`


@dataclass(frozen=True)
class AuthorityRow:
    """Row of one of the authority's tables: a title and facts as pairs of label and text."""

    title: str
    facts: Sequence[tuple[str, str]]
    status: str = ""


@dataclass(frozen=True)
class AuthorityTables:
    """CAs, profiles, policies and identities, for people."""

    address: str
    cas: Sequence[AuthorityRow] = ()
    profiles: Sequence[AuthorityRow] = ()
    policies: Sequence[AuthorityRow] = ()
    identities: Sequence[AuthorityRow] = ()


@dataclass(frozen=True)
class CAPlan:
    """New issuing CA, as lines of text, and the command that creates it."""

    lines: tuple[str, ...]
    command: str


class AuthorityDocumentService(DocumentService, Protocol):
    """Plans and applies documents of policies and profiles as `evercert authority apply` does."""

    def text_of(self, profile: str) -> str:
        """Return a profile as a document that can be applied; raise Rejected if it is missing."""


@dataclass(frozen=True)
class IssuanceChoices:
    """Choices of a request: profiles as `project/slug`, and identities with a login by AWS IAM, as ID and name."""

    profiles: Sequence[str] = ()
    identities: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class IssuanceRequest:
    """Request for a certificate that the stack neither delivers nor follows.

    `token` is the idempotency key. Without a CSR, the authority generates the private key. `request_id` is a pending
    request to fetch; nothing new is requested then.
    """

    profile: str
    identity: str
    token: str
    common_name: str = ""
    names: Sequence[str] = ()
    ttl: str = ""
    algorithm: str = ""
    csr: str = field(default="", repr=False)  # a person may paste the private key instead
    request_id: str = ""


@dataclass(frozen=True)
class IssuedFiles:
    """Certificate with its issuers as PEM, and its private key if the authority generated it."""

    chain: str
    serial_number: str
    private_key: str = field(default="", repr=False)


@dataclass(frozen=True)
class PendingRequest:
    """Request that is not issued yet."""

    id: str
    needs_approval: bool


class AuthorityIssuance(Protocol):
    """Requests to the authority's API, as an identity whose login accepts the operator's AWS credentials."""

    def choices(self) -> IssuanceChoices:
        """Return what a request can name."""

    def issue(self, request: IssuanceRequest) -> IssuedFiles | PendingRequest:
        """Request the certificate, or fetch that of a pending request; raise InvalidInput for fields with mistakes.

        Idempotent by the token: another request with the same one is rejected.
        """


class AuthorityService(Protocol):
    """The stack's authority; methods raise Rejected, Unavailable or Misconfigured."""

    @property
    def issuance(self) -> AuthorityIssuance:
        """The requests for certificates."""

    @property
    def documents(self) -> AuthorityDocumentService:
        """The documents of policies and profiles."""

    def tables(self) -> AuthorityTables:
        """Return the configuration."""

    def waiting(self) -> Sequence[WaitingRequest]:
        """Return the requests that wait for an approval, oldest first."""

    def decide(self, request: str, reason: str, *, approved: bool) -> str:
        """Approve or reject a request; return what it waits for now, or its state."""

    def plan_ca(self, name: str, algorithm: str) -> CAPlan:
        """Return what a new issuing CA would be; raise Rejected if it cannot be created."""

    def issued(self, search: str, most: int) -> Sequence[Mapping[str, Any]]:
        """Return certificates that end soonest, or those with this name (`*.example.com`, `*part*`) or serial number.

        Raise Rejected for a search that is too broad.
        """

    def chain(self, certificate: str) -> str:
        """Return an issued certificate with its issuers as PEM; raise Rejected for an unknown ID."""

    def revoke(self, certificate: str, reason: str) -> bool:
        """Revoke a certificate, which is final; return whether the published CRL lists it."""
