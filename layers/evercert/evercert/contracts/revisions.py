"""Delivered revisions that are kept, so that an operator can restore one, and the request to do so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from evercert.contracts.record_part import Count, Part
from evercert.schema import Instant


class RollbackRequest(Part):
    """An operator's request to restore a kept revision."""

    to: Count
    requested_at: Instant
    reason: str | None = None


class KeptRevision(Part):
    """A delivered revision with its sealed private key and its chain.

    `origin` is the revision that issued this certificate: a restored certificate has a later revision.
    """

    revision: Count
    origin: Count
    generation: Count
    issuer: str
    request_hash: str
    issuer_hash: str
    sealed_key: str | None = None  # None: the user supplied the CSR
    csr: str | None = None  # None: evercert or the issuer generated the key; the chain has its public half
    chain: str
    obtained_at: Instant | None = None
    reference: str | None = None


@dataclass(frozen=True)
class KeptRevisions:
    """The kept revisions of one certificate, the latest first.

    `version` is the stored value that the next write requires. `newer`: a newer evercert wrote them.
    """

    revisions: tuple[KeptRevision, ...] = ()
    version: Any = None
    newer: bool = False

    def find(self, revision: int) -> KeptRevision | None:
        """Return the revision with this number, or None."""
        return next((kept for kept in self.revisions if kept.revision == revision), None)


@dataclass(frozen=True)
class RevisionsToKeep:
    """The revisions of this uid that replace those of `seen`, written together with the conclusion of a run."""

    uid: str
    seen: KeptRevisions
    revisions: tuple[KeptRevision, ...]


class RevisionsNotKept(Exception):
    """The kept revisions have no room, or were changed or deleted since they were read."""


class RevisionStore(Protocol):
    """The kept revisions of certificates."""

    def read(self, name: str, uid: str) -> KeptRevisions:
        """Return the revisions of this certificate with a consistent read; those of an earlier uid do not count.

        Raises Unavailable or Misconfigured.
        """
