"""The protocol through which ACME issuers keep their accounts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True)
class StoredAccount:
    """An account at a CA: its key and, once the CA has registered it, its URL and contacts.

    The key is sealed, or in KMS: then `sealed_key` is None and `kms_key` its ARN. `next_key` is the sealed key of a
    change that is not finished. `contacts` has the last contact that each issuer of the account set, by its name.
    """

    sealed_key: str | None = field(repr=False)
    url: str | None = None
    contact: tuple[str, ...] = ()
    contacts: Mapping[str, str] = field(default_factory=dict)
    kms_key: str | None = None
    next_key: str | None = field(default=None, repr=False)
    deactivated: bool = False  # by an operator, who must ask for another account


class AccountStore(Protocol):
    """Accounts by an id of directory and external account. Methods raise Unavailable or Misconfigured.

    Each change returns False, and changes nothing, if the account has other keys than `account`.
    """

    def read(self, account_id: str) -> StoredAccount | None:
        """Return the account as last written, or None if it is missing or does not parse."""

    def create(self, account_id: str, sealed_key: str | None, kms_key: str | None = None) -> bool:
        """Store a new account without a URL; return False if another run stored one first."""

    def register(self, account_id: str, account: StoredAccount) -> bool:
        """Store URL and contacts. Idempotent."""

    def begin_key_change(self, account_id: str, account: StoredAccount, next_key: str) -> bool:
        """Store the sealed next key beside the key; return False if there is one."""

    def finish_key_change(self, account_id: str, account: StoredAccount, url: str) -> bool:
        """Replace the key by the next key, and store the URL under which the CA knows that."""

    def abandon_key_change(self, account_id: str, account: StoredAccount) -> bool:
        """Delete the next key."""

    def mark_deactivated(self, account_id: str, account: StoredAccount, *, deactivated: bool) -> bool:
        """Store whether an operator deactivated the account."""

    def replace(self, account_id: str, account: StoredAccount, sealed_key: str) -> bool:
        """Replace a deactivated account by a new one without a URL; return False unless it is deactivated."""
