"""The protocol through which ACME issuers keep their accounts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True)
class StoredAccount:
    """An account at a CA: its sealed key and, once the CA has registered it, its URL and contacts."""

    sealed_key: str = field(repr=False)
    url: str | None = None
    contact: tuple[str, ...] = ()


class AccountStore(Protocol):
    """Accounts by an id of directory and external account. Methods raise Unavailable or Misconfigured."""

    def read(self, account_id: str) -> StoredAccount | None:
        """Return the account as last written, or None if it is missing or does not parse."""

    def create(self, account_id: str, sealed_key: str) -> bool:
        """Store a new account without a URL; return False if another run stored one first."""

    def register(self, account_id: str, account: StoredAccount) -> bool:
        """Store URL and contacts; return False if the account has another key now. Idempotent."""
