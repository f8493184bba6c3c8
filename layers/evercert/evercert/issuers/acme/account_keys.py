"""Keys of an account: generated and sealed, or in KMS."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import NAMESPACE_URL, uuid5

from evercert.errors import Misconfigured, SealBroken
from evercert.pki.keys import PrivateKey

if TYPE_CHECKING:
    from evercert.acme.jws import Signer
    from evercert.contracts.accounts import StoredAccount
    from evercert.issuers.acme.settings import AcmeSettings
    from evercert.issuers.context import AcmeContext, IssuerContext

_SEALED_REVISION = 0  # an account has no revisions
_MOST_OPEN = 4  # keys in memory: each change adds one


class AccountKeys:
    """Makes and opens the keys of one account; each is opened once."""

    def __init__(self, settings: AcmeSettings, context: IssuerContext) -> None:
        self.uid = str(uuid5(NAMESPACE_URL, f"evercert:acme-account:{settings.account_id}"))
        self._settings = settings
        self._context = context
        self._open: dict[str, Signer] = {}

    @property
    def ports(self) -> AcmeContext:
        """The resources of ACME issuers; raises Misconfigured outside of the issuer function."""
        if self._context.acme is None:
            raise Misconfigured("cannot use an ACME account here: only the issuer function can")
        return self._context.acme

    def create(self) -> str:
        """Return a new key, sealed."""
        key = PrivateKey.generate(self._settings.key_algorithm)
        return self.ports.seal.close(key, self.uid, _SEALED_REVISION)

    def of(self, account: StoredAccount) -> Signer:
        """Return the key of the account."""
        if account.kms_key is not None:
            return self._once(account.kms_key, sealed=False)
        return self.sealed(str(account.sealed_key))

    def sealed(self, text: str) -> Signer:
        """Return a sealed key; raise Misconfigured if it cannot be opened."""
        return self._once(text, sealed=True)

    def _once(self, text: str, *, sealed: bool) -> Signer:
        if text not in self._open:
            if len(self._open) >= _MOST_OPEN:
                self._open.clear()
            self._open[text] = self._unsealed(text) if sealed else self.ports.kms_key(text)
        return self._open[text]

    def _unsealed(self, text: str) -> PrivateKey:
        try:
            return self.ports.seal.open(text, self.uid, _SEALED_REVISION)
        except SealBroken:
            raise Misconfigured(
                f"cannot open the key of the ACME account at {self._settings.directory}: it was sealed by another "
                f"stack or changed; delete the item acme-account#{self._settings.account_id} of the table to register "
                "a new account"
            ) from None
