"""Changes of the configuration through the API, each with its entry in the audit trail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol

from evercert.authority.configuration.identity import Identity
from evercert.authority.configuration.named_policy import NamedPolicy
from evercert.authority.configuration.profiles import Application, Profile
from evercert.authority.contracts.ports import Configuration
from evercert.errors import Rejected

Managed = NamedPolicy | Profile | Application | Identity
Action = Literal["create", "change", "delete"]


class ChangedMeanwhile(Rejected):
    """An object changed after it was read; nothing was written."""


@dataclass(frozen=True)
class AuditEntry:
    """Who changed what, and when; `before` and `after` are documents without secrets, None if absent."""

    id: str
    at: datetime
    identity: str  # id of the caller
    identity_name: str
    action: Action
    kind: str  # policy, profile, application or identity
    object_id: str
    object_name: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None


@dataclass(frozen=True)
class Change:
    """Objects to store and to delete, together with the audit entries or not at all."""

    entries: tuple[AuditEntry, ...]
    puts: tuple[Managed, ...] = ()
    removals: tuple[Managed, ...] = ()


class ManagedConfiguration(Configuration, Protocol):
    """Configuration of one call that may change it: a write requires that nothing changed since it was read here."""

    def policy(self, policy_id: str) -> NamedPolicy | None:
        """Return the policy with this id, or None."""

    def policies(self) -> tuple[NamedPolicy, ...]:
        """Return all policies by project and name."""

    def applications(self) -> tuple[Application, ...]:
        """Return all applications by name."""

    def identities(self) -> tuple[Identity, ...]:
        """Return all identities by name."""

    def identity_named(self, name: str) -> Identity | None:
        """Return the identity with this name, or None."""

    def apply(self, change: Change) -> None:
        """Write a change in one transaction; raise ChangedMeanwhile, Unavailable or Misconfigured."""
