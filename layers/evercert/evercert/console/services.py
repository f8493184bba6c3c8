"""Ports of the console, which its pages use with the operator's permissions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from evercert.contracts.queue import Queue
from evercert.contracts.spec_store import Specs
from evercert.deadline import Clock
from evercert.registry import Registry


class BadDocument(Exception):
    """A document with mistakes; `lines` has one line for each."""

    def __init__(self, lines: Sequence[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = tuple(lines)


class Check(Protocol):
    """Result of one check of `doctor`; `status` is ok, warning, failed or unknown."""

    @property
    def name(self) -> str:
        """The subject of the check."""

    @property
    def status(self) -> str:
        """The result."""

    @property
    def found(self) -> str:
        """The finding, for people."""

    @property
    def remedy(self) -> str:
        """The remedy; empty without a problem."""


@dataclass(frozen=True)
class DocumentPlan:
    """Effect of a document that is not written yet, as lines of text, and notes."""

    lines: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    empty: bool = False


class DocumentDesk(Protocol):
    """Plans and applies documents as `evercert apply` does; raises BadDocument, and the errors of the stack."""

    def plan(self, text: str) -> DocumentPlan:
        """Compare the document with the stack, read-only."""

    def apply(self, text: str) -> DocumentPlan:
        """Plan the document again, and write it. Idempotent."""


class Doctor(Protocol):
    """The checks of `evercert doctor`."""

    def names(self) -> Sequence[str]:
        """Prepare the checks, and return their names in order."""

    def run(self, name: str) -> Sequence[Check]:
        """Run a check that `names` returned last; its error is a failed result."""


class EventFeed(Protocol):
    """The stack's events since the first call, through a temporary queue."""

    def since(self, number: int) -> Sequence[tuple[int, Mapping[str, Any]]]:
        """Return the events after this number with their numbers; at most the last 500 are remembered."""


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


class AuthorityDocumentDesk(DocumentDesk, Protocol):
    """Plans and applies documents of policies and profiles as `evercert authority apply` does."""

    def text_of(self, profile: str) -> str:
        """Return a profile as a document that can be applied; raise Rejected if it is missing."""


class AuthorityDesk(Protocol):
    """The stack's authority; methods raise Rejected, Unavailable or Misconfigured."""

    @property
    def documents(self) -> AuthorityDocumentDesk:
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

    def revoke(self, certificate: str, reason: str) -> bool:
        """Revoke a certificate, which is final; return whether the published CRL lists it."""


@dataclass(frozen=True)
class Services:
    """Everything that the pages use. `authority` is None if the stack has none."""

    stack: str
    region: str
    specs: Specs
    queue: Queue
    issuers: Registry
    clock: Clock
    documents: DocumentDesk
    doctor: Doctor
    events: EventFeed | None  # None: reading them would create a queue
    authority: AuthorityDesk | None = None
    version: str = ""
    read_only: bool = False
    pause_refusal: str | None = None  # why certificates cannot be paused: the stack is too old
