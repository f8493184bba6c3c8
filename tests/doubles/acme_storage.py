"""Storage of the ACME server in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from evercert.authority.acme.records import Account, EabCredential
from evercert.errors import SealBroken


@dataclass
class FakeUsedNonces:
    """Used nonces."""

    taken: dict[str, datetime] = field(default_factory=dict)

    def take(self, digest: str, until: datetime) -> bool:
        if digest in self.taken:
            return False
        self.taken[digest] = until
        return True


@dataclass
class FakeAcmeAccounts:
    """Accounts, and the single-use credentials that are bound."""

    stored: dict[str, Account] = field(default_factory=dict)
    bound: dict[str, str] = field(default_factory=dict)

    def create(self, account: Account, once: str | None) -> Account | None:
        if (found := self.of_key(account.profile, account.thumbprint)) is not None:
            return found
        if once is not None and self.bound.setdefault(once, account.id) != account.id:
            return None
        self.stored[account.id] = account
        return account

    def of_id(self, account_id: str) -> Account | None:
        return self.stored.get(account_id)

    def of_key(self, profile_id: str, thumbprint: str) -> Account | None:
        same = (one for one in self.stored.values() if (one.profile, one.thumbprint) == (profile_id, thumbprint))
        return next(same, None)

    def replace(self, changed: Account) -> bool:
        found = self.stored[changed.id]
        if found.version != changed.version - 1 or found.thumbprint != changed.thumbprint:
            return False
        self.stored[changed.id] = changed
        return True

    def change_key(self, before: Account, changed: Account) -> bool:
        if self.stored[before.id] != before or self.of_key(changed.profile, changed.thumbprint) is not None:
            return False
        self.stored[before.id] = changed
        return True


@dataclass
class FakeCredentials:
    """Credentials whose MAC keys are not encrypted."""

    stored: dict[str, EabCredential] = field(default_factory=dict)

    def of_id(self, credential_id: str) -> EabCredential | None:
        return self.stored.get(credential_id)

    def mac_key(self, credential: EabCredential) -> bytes:
        if credential.sealed == "broken":
            raise SealBroken("the MAC key was changed")
        return bytes.fromhex(credential.sealed)
