"""Changes of an account by an operator: another key, deactivation, another account (RFC 8555 §7.3.5, §7.3.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evercert.acme.jwk import to_jwk
from evercert.acme.key_change import inner_request
from evercert.acme.problem import Problem
from evercert.errors import Misconfigured, Unavailable
from evercert.issuers.acme.errors import ProblemAnswer, explained

if TYPE_CHECKING:
    from evercert.acme.jws import Signer
    from evercert.contracts.accounts import StoredAccount
    from evercert.issuers.acme.account import Account
    from evercert.issuers.acme.connection import Connection
    from evercert.issuers.acme.settings import AcmeSettings

CONFLICT = 409
_INACTIVE = frozenset({"unauthorized", "accountDoesNotExist"})  # what servers answer for a deactivated account
_CHANGED = "the account was changed by another run meanwhile; run the command again"


class AccountChanges:
    """Changes one account; each call finishes what a call that died began."""

    def __init__(self, account: Account, connection: Connection, settings: AcmeSettings) -> None:
        self._account = account
        self._connection = connection
        self._settings = settings
        self._id = settings.account_id

    def rotate_key(self) -> str:
        """Make a key, store it, have the CA replace the old key by it, and then forget the old key."""
        if self._settings.kms_key is not None:
            raise Misconfigured(
                f"the account key is the KMS key {self._settings.kms_key}, which evercert cannot replace; set "
                "account-key of the issuer to another key, which registers another account"
            )
        url = self._connection.directory(latest=True).key_change
        if url is None:
            raise Misconfigured(
                f"{self._settings.directory} has no keyChange: the CA cannot change account keys; to get another key, "
                "deactivate the account and register another one"
            )
        account = self._registered()
        self._account.require_active(account)
        if account.next_key is None:
            account = self._begin(account)
        elif self._account.finish_key_change():
            return f"finished the change of the key of {account.url}"
        self._change(url, account)
        return f"changed the key of {account.url}"

    def deactivate(self) -> str:
        """Mark the stored account, so that no run registers another one, and deactivate it at the CA."""
        account = self._registered()
        if not self._account.store.mark_deactivated(self._id, account, deactivated=True):
            raise Unavailable(_CHANGED)
        refusal = self._refusal(account)
        if refusal is not None:
            self._account.store.mark_deactivated(self._id, account, deactivated=False)
        self._account.reload()
        if refusal is None:
            return f"deactivated {account.url}"
        with explained(f"deactivate the account at {self._settings.directory}", "check the account at the CA"):
            raise ProblemAnswer(refusal)

    def register(self) -> str:
        """Register the account; after a deactivation, another one with a new key."""
        account = self._account.reload()
        if account is not None and account.deactivated:
            if account.sealed_key is None:
                raise Misconfigured(
                    f"the account of KMS key {account.kms_key} was deactivated, and a CA accepts a key once; set "
                    "account-key of the issuer to another key"
                )
            self.deactivate()  # if that died, the CA may not know of it
            self._account.store.replace(self._id, account, self._account.keys.create())  # False: by another run
            self._account.reload()
        return f"registered {self._account.url}"

    def _registered(self) -> StoredAccount:
        """Return the account as it is stored now; raise Misconfigured if no run has registered it."""
        account = self._account.reload()
        if account is None or account.url is None:
            raise Misconfigured(f"no account is registered at {self._settings.directory}: nothing to change")
        return account

    def _begin(self, account: StoredAccount) -> StoredAccount:
        """Store a new key beside the old one: a crash loses neither."""
        self._account.store.begin_key_change(self._id, account, self._account.keys.create())
        stored = self._registered()  # perhaps with the key of another run
        if stored.next_key is None:
            raise Unavailable(_CHANGED)
        return stored

    def _change(self, url: str, account: StoredAccount) -> None:
        """Send keyChange; the old key is forgotten only if the CA knows the account by the new one."""
        old, new = self._keys(account)
        payload = inner_request(url, str(account.url), to_jwk(old.public_key), new)
        refused: ProblemAnswer | None = None
        with explained(f"change the key of the account at {self._settings.directory}", "check the account at the CA"):
            try:
                self._connection.post(url, payload, old, {"kid": account.url})
            except ProblemAnswer as answer:  # also if an earlier request had taken effect
                refused = answer
            if self._account.finish_key_change():
                return
            conflict = refused is not None and refused.problem.status == CONFLICT
            # Pebble answers a conflict with 200.
            if (conflict or self._account.find(new) is not None) and self._account.find(old) is not None:
                self._abandon(account)
            if refused is not None:
                raise refused
        raise Unavailable(
            f"{self._settings.directory} accepted a new key, but does not know the account by it; run the command again"
        )

    def _abandon(self, account: StoredAccount) -> None:
        self._account.store.abandon_key_change(self._id, account)
        raise Misconfigured(
            f"another account at {self._settings.directory} has the new key, so the old one stays; run the command "
            "again, which makes another key"
        )

    def _keys(self, account: StoredAccount) -> list[Signer]:
        """Return the key of the account, and the next one if its change is not finished."""
        keys = self._account.keys
        return [keys.of(account), *([] if account.next_key is None else [keys.sealed(account.next_key)])]

    def _refusal(self, account: StoredAccount) -> Problem | None:
        """Deactivate the account with one of its keys (§7.3.6); return None if the CA did, or had done so before."""
        refusals: list[Problem] = []
        for key in self._keys(account):
            try:
                answer = self._connection.post(str(account.url), {"status": "deactivated"}, key, {"kid": account.url})
            except ProblemAnswer as refused:
                refusals.append(refused.problem)
                continue
            status = answer.json().get("status")
            return None if status == "deactivated" else Problem("about:blank", f"the account has status {status}")
        return None if any(one.kind in _INACTIVE for one in refusals) else refusals[-1]
