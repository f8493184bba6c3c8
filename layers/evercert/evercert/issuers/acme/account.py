"""The account of an issuer at its CA: its key, registration and requests (RFC 8555 §7.3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from evercert.acme.jwk import thumbprint, to_jwk
from evercert.errors import Misconfigured, Unavailable
from evercert.issuers.acme.account_keys import AccountKeys
from evercert.issuers.acme.errors import ProblemAnswer, explained
from evercert.issuers.acme.registration import Registration

if TYPE_CHECKING:
    from evercert.acme.jws import Signer
    from evercert.contracts.accounts import AccountStore, StoredAccount
    from evercert.http_client.response import Response
    from evercert.issuers.acme.connection import Connection
    from evercert.issuers.acme.settings import AcmeSettings
    from evercert.issuers.context import IssuerContext

# What servers answer if the account has another key now: RFC 8555 names no error for a wrong signature.
OTHER_KEY = frozenset({"accountDoesNotExist", "unauthorized", "malformed"})
MOST_CONTACTS = 100  # issuers of one account whose contacts are stored


class Account:
    """Finds or registers the account, and signs requests with its key; one instance per process and issuer."""

    def __init__(self, connection: Connection, settings: AcmeSettings, context: IssuerContext) -> None:
        self.keys = AccountKeys(settings, context)
        self._connection = connection
        self._settings = settings
        self._registration = Registration(connection, settings, context)
        self._id = settings.account_id
        self._stored: StoredAccount | None = None

    @property
    def store(self) -> AccountStore:
        """The store of all accounts."""
        return self.keys.ports.accounts

    def post(self, url: str, payload: Mapping[str, Any] | None, accept: str = "application/json") -> Response:
        """Send a request of the account; if the CA no longer knows the account, register it again, once.

        Raises the errors of `Connection.post`.
        """
        self._update_contact()
        return self._send(url, payload, accept)

    @property
    def url(self) -> str:
        """The URL of the account; registers the account or updates its contacts first, if necessary."""
        self._update_contact()
        return str(self._registered.url)

    @property
    def thumbprint(self) -> str:
        """The thumbprint of the account key (RFC 7638)."""
        return thumbprint(to_jwk(self.keys.of(self._opened).public_key))

    def check(self) -> str:
        """Return whether the account is registered; raise if its key cannot be opened. Registers nothing."""
        stored = self.store.read(self._id)
        if stored is None and self._settings.kms_key is not None:
            _ = self.keys.ports.kms_key(self._settings.kms_key).public_key
        if stored is not None:
            _ = self.keys.of(stored).public_key
            self.require_active(stored)
        if stored is None or stored.url is None:
            return "not registered: the first certificate registers it"
        unfinished = "" if stored.next_key is None else "; a key change is not finished: run rotate-key again"
        return f"registered: {stored.url}{unfinished}"

    def check_credentials(self) -> str:
        """Read the key of the external account; return where it is."""
        external = self._settings.external_account
        if external is None:
            return "none needed"
        self._registration.mac_key(external)
        return f"{external.hmac_key} is readable"

    def reload(self) -> StoredAccount | None:
        """Return the account as it is stored now, and use it from now on."""
        self._stored = self.store.read(self._id)
        return self._stored

    def find(self, key: Signer) -> str | None:
        """Return the URL under which the CA knows the account of this key, or None."""
        return self._registration.find(key)

    def finish_key_change(self) -> bool:
        """Use the next key if the CA knows the account by it, and no longer by the old key; return whether it does."""
        stored = self._opened
        if stored.next_key is None:
            return False
        url = self.find(self.keys.sealed(stored.next_key))
        if url is None or self.find(self.keys.of(stored)) is not None:
            return False
        if not self.store.finish_key_change(self._id, stored, url):
            finished = self.reload()  # perhaps by another run
            if finished is None or finished.sealed_key != stored.next_key:
                raise self._replaced()
        self._stored = replace(stored, sealed_key=stored.next_key, next_key=None, url=url)
        return True

    def require_active(self, stored: StoredAccount) -> None:
        """Raise Misconfigured after a deactivation: only an operator decides to register another account."""
        if stored.deactivated:
            raise Misconfigured(
                f"the ACME account at {self._settings.directory} was deactivated; to register another one, run: "
                f"evercert issuer register-account {self._settings.name or 'NAME'}"
            )

    @property
    def _opened(self) -> StoredAccount:
        if self._stored is None:
            self._stored = self.store.read(self._id) or self._create()
        self.require_active(self._stored)
        return self._stored

    @property
    def _registered(self) -> StoredAccount:
        if self._opened.url is None:
            self._register()
        return self._opened

    def _create(self) -> StoredAccount:
        """Store a new key before it is registered: a crash leaves no account without its key."""
        kms_key = self._settings.kms_key
        sealed_key = self.keys.create() if kms_key is None else None
        self.store.create(self._id, sealed_key, kms_key)
        stored = self.store.read(self._id)  # perhaps that of another run
        if stored is None:
            raise Unavailable("cannot read the ACME account that was just stored")
        return stored

    def _register(self) -> None:
        account = self._opened
        url, created = self._registration.register(self.keys.of(account))
        # Of an existing account, the CA ignores the contacts: `_update_contact` sends them.
        contact = self._settings.contact if created else account.contact
        self._keep(replace(account, url=url, contact=contact), sent=created)

    def _update_contact(self) -> None:
        """Send the contacts (§7.3.2) if this issuer's own have changed: those of another issuer stay as they are."""
        account, contact = self._registered, self._settings.contact
        known = account.contacts.get(self._settings.name)
        if known == "".join(contact) or (known is None and not contact):
            return
        if account.contact != contact:
            operation = f"change the contact of the account at {self._settings.directory}"
            with explained(operation, "correct `email` of the issuer"):
                self._send(None, {"contact": list(contact)})
        self._keep(replace(self._registered, contact=contact), sent=True)

    def _keep(self, account: StoredAccount, *, sent: bool) -> None:
        """Store URL and contacts; `sent`: the contacts are those of this issuer."""
        if sent and (self._settings.contact or account.contacts):
            others = account.contacts if len(account.contacts) < MOST_CONTACTS else {}
            account = replace(account, contacts={**others, self._settings.name: "".join(self._settings.contact)})
        if not self.store.register(self._id, account):
            raise self._replaced()
        self._stored = account

    def _send(self, url: str | None, payload: Mapping[str, Any] | None, accept: str = "application/json") -> Response:
        """Send a request to a URL, or to that of the account; once more if the account has another key or URL now."""
        try:
            return self._signed(url, payload, accept)
        except ProblemAnswer as answer:
            if answer.problem.kind not in OTHER_KEY or not self._is_other(answer.problem.kind):
                raise
        return self._signed(url, payload, accept)

    def _signed(self, url: str | None, payload: Mapping[str, Any] | None, accept: str) -> Response:
        account = self._registered
        return self._connection.post(
            url or str(account.url), payload, self.keys.of(account), {"kid": account.url}, accept
        )

    def _is_other(self, kind: str) -> bool:
        """Return whether the account is another one than this process knows, or has to be registered again."""
        known = self._opened
        self._stored = stored = self.store.read(self._id) or known
        if stored.deactivated or (stored.sealed_key, stored.url) != (known.sealed_key, known.url):
            return True
        if self.finish_key_change():
            return True
        if kind == "accountDoesNotExist":
            self._stored = replace(stored, url=None)
            return True
        return False

    def _replaced(self) -> Unavailable:
        self._stored = None
        return Unavailable(
            f"the account at {self._settings.directory} was replaced by another run; the next run uses that one"
        )
