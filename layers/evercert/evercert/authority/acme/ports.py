"""Storage of the ACME server; every write is conditional. Methods raise Unavailable or Misconfigured."""

from __future__ import annotations

from typing import Protocol

from evercert.authority.acme.records import Account, EabCredential


class Accounts(Protocol):
    """Accounts by id and by key; one profile never has two accounts with the same key."""

    def create(self, account: Account, once: str | None) -> Account | None:
        """Store a new account and return it, or the earlier account of its profile with the same key.

        `once` is the id of a credential that binds one account: return None if it has bound another one.
        """

    def of_id(self, account_id: str) -> Account | None:
        """Return the account, as last written."""

    def of_key(self, profile_id: str, thumbprint: str) -> Account | None:
        """Return the account with this key, as last written."""

    def replace(self, changed: Account) -> bool:
        """Store a change of anything but the key; return False if the stored version is not the one before."""

    def change_key(self, before: Account, changed: Account) -> bool:
        """Store the account with another key; return False if that key is taken, or the account changed meanwhile."""


class EabCredentials(Protocol):
    """Credentials that operators created, and their MAC keys."""

    def of_id(self, credential_id: str) -> EabCredential | None:
        """Return the credential, or None."""

    def mac_key(self, credential: EabCredential) -> bytes:
        """Decrypt the MAC key; raise SealBroken if it was changed."""
