"""Needs of a run beside its issuer, and issuers that can be opened together with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from evercert.contracts.issuer import Issuers, OpenIssuer
from evercert.contracts.ports import BreakerState
from evercert.contracts.revisions import KeptRevisions


@dataclass(frozen=True)
class Needs:
    """Services whose breakers a run needs, and name and uid of the certificate whose kept revisions it needs."""

    services: tuple[str, ...] = ()
    revisions_of: tuple[str, str] | None = None


@dataclass(frozen=True)
class FoundBeside:
    """Breakers by service, and kept revisions; what is missing has to be read on its own."""

    breakers: Mapping[str, BreakerState] = field(default_factory=dict)
    revisions: KeptRevisions | None = None


@runtime_checkable
class BatchingIssuers(Issuers, Protocol):
    """Issuers that can be opened, and other needs of a run read, in one call."""

    def open_beside(self, name: str, certificate: str | None, needs: Needs) -> tuple[OpenIssuer, FoundBeside]:
        """Return what `open` returns, and everything that is needed, or nothing of it; raise what `open` raises."""
