"""Storage of the ACME server; every write is conditional. Methods raise Unavailable or Misconfigured."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol

from evercert.authority.acme.records import Account, Order
from evercert.authority.configuration.profiles import EabCredential


class Accounts(Protocol):
    """Accounts by id and by key; one profile never has two accounts with the same key."""

    def create(self, account: Account, once: str | None) -> Account | None:
        """Store a new account and return it, or the earlier account of its profile with the same key.

        `once` is the id of a credential that binds one account: return None if it has bound another one.
        """

    def of_id(self, account_id: str) -> Account | None:
        """Return the account, as last written."""

    def of_key(self, scope: str, thumbprint: str) -> Account | None:
        """Return the account with this key in the scope of its profile, as last written."""

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


class Orders(Protocol):
    """Orders by id, by account and by the certificate that they replace."""

    def create(self, order: Order) -> bool:
        """Store a new order; return False if another order that has not failed replaces the same certificate."""

    def of_id(self, order_id: str) -> Order | None:
        """Return the order, as last written."""

    def replace(self, changed: Order, waits_until: datetime | None = None) -> bool:
        """Store a change; return False if the stored version is not the one before.

        An order whose request waits is kept at least as long as one that expires at `waits_until`.
        """

    def finish(self, changed: Order, renewal_id: str | None, until: datetime) -> bool:
        """Store a valid order, and the id of its certificate, which is valid `until` then; else as `replace`."""

    def of_account(self, account_id: str, after: str | None) -> tuple[list[str], str | None]:
        """Return ids of an account's orders, newest first, and the place where the next page begins, if any."""

    def certificate_of(self, renewal_id: str) -> str | None:
        """Return the id of the certificate with this id of renewal information (RFC 9773 §4.1), or None."""

    def replacement_of(self, renewal_id: str) -> Order | None:
        """Return the order that replaces this certificate, or None."""


class Validations(Protocol):
    """The queue of the validator."""

    def send(self, order: Order, place: int, kind: str, delay: timedelta) -> None:
        """Have the next try of a challenge made after a delay; at least once.

        An account with many challenges delays those of others as little as possible.
        """
