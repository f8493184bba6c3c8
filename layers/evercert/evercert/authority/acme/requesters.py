"""Accounts as requesters of certificates that wait for an approval."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evercert.authority.acme.host_credentials import identity_of

if TYPE_CHECKING:
    from evercert.authority.acme.ports import Accounts
    from evercert.authority.configuration.profiles import EabCredential, Profile


@dataclass(frozen=True)
class AccountRequesters:
    """Port AcmeRequesters; `credential` returns a credential by its id."""

    accounts: Accounts
    credential: Callable[[str], EabCredential | None]

    def identity(self, account_id: str) -> str | None:
        """Return the id of the identity that fetched the credential of the account, None for other accounts."""
        account = self.accounts.of_id(account_id)
        return None if account is None or account.credential is None else identity_of(account.credential)

    def problem(self, account_id: str, profile: Profile) -> str | None:
        """Return why the account could not order the certificate now, or None."""
        account, options = self.accounts.of_id(account_id), profile.acme_enrollment
        if options is None:
            return "The profile serves no ACME clients any more"
        if account is None or account.status != "valid":
            return "The ACME account of the request was deactivated"
        if account.generation != profile.generation:
            return "The profile of the ACME account was deleted, and another one has its name"
        if account.credential is None:
            return "The profile requires credentials by now" if options.eab == "required" else None
        credential = self.credential(account.credential)
        return "The credential of the ACME account was revoked" if credential is None or credential.revoked else None
