"""The account of an issuer at its CA: its key, registration and requests (RFC 8555 §7.3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, uuid5

from evercert.acme import external_account
from evercert.acme.jwk import thumbprint, to_jwk
from evercert.contracts.accounts import StoredAccount
from evercert.errors import Misconfigured, SealBroken, Unavailable
from evercert.issuers.acme.errors import ProblemAnswer, explained
from evercert.pki.keys import PrivateKey

if TYPE_CHECKING:
    from evercert.http_client.response import Response
    from evercert.issuers.acme.connection import Connection
    from evercert.issuers.acme.settings import AcmeSettings
    from evercert.issuers.context import AcmeContext, IssuerContext

_SEALED_REVISION = 0  # an account has no revisions


class Account:
    """Finds or registers the account, and signs requests with its key; one instance per process and issuer."""

    def __init__(self, connection: Connection, settings: AcmeSettings, context: IssuerContext) -> None:
        self._connection = connection
        self._settings = settings
        self._context = context
        self._id = settings.account_id
        self._uid = str(uuid5(NAMESPACE_URL, f"evercert:acme-account:{self._id}"))
        self._stored: StoredAccount | None = None

    def post(self, url: str, payload: Mapping[str, Any] | None, accept: str = "application/json") -> Response:
        """Send a request of the account; if the CA no longer knows the account, register it again, once.

        Raises the errors of `Connection.post`.
        """
        try:
            return self._connection.post(url, payload, self._key, {"kid": self.url}, accept)
        except ProblemAnswer as answer:
            if answer.problem.kind != "accountDoesNotExist":
                raise
        self._stored = replace(self._opened, url=None)
        return self._connection.post(url, payload, self._key, {"kid": self.url}, accept)

    @property
    def url(self) -> str:
        """The URL of the account; registers the account or updates its contacts first, if necessary."""
        stored = self._opened
        if stored.url is None:
            stored = self._register()
        elif stored.contact != self._settings.contact:
            stored = self._update_contact(stored.url) or self._register()
        self._stored = stored
        return str(stored.url)

    @property
    def thumbprint(self) -> str:
        """The thumbprint of the account key (RFC 7638)."""
        return thumbprint(to_jwk(self._key.public_key))

    def check(self) -> str:
        """Return whether the account is registered; raise if its key cannot be opened. Registers nothing."""
        stored = self._ports.accounts.read(self._id)
        if stored is not None:
            self._open_key(stored)
        if stored is None or stored.url is None:
            return "not registered: the first certificate registers it"
        return f"registered: {stored.url}"

    def check_credentials(self) -> str:
        """Read the key of the external account; return where it is."""
        external = self._settings.external_account
        if external is None:
            return "none needed"
        self._mac_key()
        return f"{external.hmac_key} is readable"

    @property
    def _opened(self) -> StoredAccount:
        if self._stored is None:
            self._stored = self._ports.accounts.read(self._id) or self._create()
        return self._stored

    @cached_property
    def _key(self) -> PrivateKey:
        return self._open_key(self._opened)

    def _open_key(self, stored: StoredAccount) -> PrivateKey:
        try:
            return self._ports.seal.open(stored.sealed_key, self._uid, _SEALED_REVISION)
        except SealBroken:
            raise Misconfigured(
                f"cannot open the key of the ACME account at {self._settings.directory}: it was sealed by another "
                f"stack or changed; delete the item acme-account#{self._id} of the table to register a new account"
            ) from None

    @property
    def _ports(self) -> AcmeContext:
        if self._context.acme is None:
            raise Misconfigured("cannot use an ACME account here: only the issuer function can")
        return self._context.acme

    def _create(self) -> StoredAccount:
        """Store a new key before it is registered: a crash leaves no account without its key."""
        key = PrivateKey.generate(self._settings.account_key)
        sealed_key = self._ports.seal.close(key, self._uid, _SEALED_REVISION)
        self._ports.accounts.create(self._id, sealed_key)
        stored = self._ports.accounts.read(self._id)  # perhaps that of another run
        if stored is None:
            raise Unavailable("cannot read the ACME account that was just stored")
        return stored

    def _register(self) -> StoredAccount:
        """Register the key; the CA returns the existing account if it has one with this key (§7.3.1)."""
        url = self._connection.directory().new_account
        jwk = to_jwk(self._key.public_key)
        payload: dict[str, Any] = {"termsOfServiceAgreed": True}
        if self._settings.contact:
            payload["contact"] = list(self._settings.contact)
        if (external := self._settings.external_account) is not None:
            mac_key = self._mac_key()
            payload["externalAccountBinding"] = external_account.bind(
                jwk, external.key_id, mac_key, url, external.algorithm
            )
        where = "`directory` and `email`" if external is None else "external-account"
        with explained(f"register an account at {self._settings.directory}", f"check {where} of the issuer"):
            answer = self._connection.post(url, payload, self._key, {"jwk": jwk})
        location = answer.headers.get("location")
        if not location:
            raise Unavailable(f"{answer.operation} answered without the URL of the account")
        return self._keep(location)

    def _update_contact(self, url: str) -> StoredAccount | None:
        """Send the contacts (§7.3.2); return None if the CA no longer knows the account."""
        operation = f"change the contact of the account at {self._settings.directory}"
        with explained(operation, "correct `email` of the issuer"):
            try:
                self._connection.post(url, {"contact": list(self._settings.contact)}, self._key, {"kid": url})
            except ProblemAnswer as answer:
                if answer.problem.kind != "accountDoesNotExist":
                    raise
                return None
        return self._keep(url)

    def _keep(self, url: str) -> StoredAccount:
        stored = StoredAccount(self._opened.sealed_key, url, self._settings.contact)
        if not self._ports.accounts.register(self._id, stored):
            raise Unavailable(
                f"the account at {self._settings.directory} was replaced by another run; the next run uses that one"
            )
        return stored

    def _mac_key(self) -> bytes:
        external = self._settings.external_account
        assert external is not None  # noqa: S101 (for the type checker)
        text = self._context.credentials.read(external.hmac_key, self._settings.directory, key="hmac-key")
        try:
            return external_account.decode_mac_key(str(text))
        except ValueError:
            raise Misconfigured(
                f"{external.hmac_key}: the HMAC key is not base64url; copy it from the CA again"
            ) from None
