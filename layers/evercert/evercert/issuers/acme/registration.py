"""Requests to newAccount: register a key, perhaps for an external account, or find its account (RFC 8555 §7.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evercert.acme import external_account
from evercert.acme.jwk import JWK, to_jwk
from evercert.errors import Misconfigured, Unavailable
from evercert.issuers.acme.errors import ProblemAnswer, explained

if TYPE_CHECKING:
    from evercert.acme.jws import Signer
    from evercert.http_client.response import Response
    from evercert.issuers.acme.connection import Connection
    from evercert.issuers.acme.settings import AcmeSettings, ExternalAccount
    from evercert.issuers.context import IssuerContext

CREATED = 201


class Registration:
    """The newAccount resource of one directory."""

    def __init__(self, connection: Connection, settings: AcmeSettings, context: IssuerContext) -> None:
        self._connection = connection
        self._settings = settings
        self._context = context

    def register(self, key: Signer) -> tuple[str, bool]:
        """Register the key; return the URL of its account, and whether that is new: its contacts are ours then.

        The CA returns the existing account if it has one with this key (§7.3.1).
        """
        url = self._connection.directory().new_account
        jwk = to_jwk(key.public_key)
        payload: dict[str, Any] = {"termsOfServiceAgreed": True}
        if self._settings.contact:
            payload["contact"] = list(self._settings.contact)
        if (external := self._settings.external_account) is not None:
            payload["externalAccountBinding"] = self._binding(external, jwk, url)
        where = "`directory` and `email`" if external is None else "external-account"
        with explained(f"register an account at {self._settings.directory}", f"check {where} of the issuer"):
            answer = self._connection.post(url, payload, key, {"jwk": jwk})
        return _location(answer), answer.status == CREATED

    def find(self, key: Signer) -> str | None:
        """Return the URL of the key's account, or None if the CA has none; registers nothing."""
        url, jwk = self._connection.directory().new_account, to_jwk(key.public_key)
        with explained(f"look for the account at {self._settings.directory}", "check the account at the CA"):
            try:
                return _location(self._connection.post(url, {"onlyReturnExisting": True}, key, {"jwk": jwk}))
            except ProblemAnswer as answer:
                if answer.problem.kind != "accountDoesNotExist":
                    raise
                return None

    def mac_key(self, external: ExternalAccount) -> bytes:
        """Read the key of the external account."""
        text = self._context.credentials.read(external.hmac_key, self._settings.directory, key="hmac-key")
        try:
            return external_account.decode_mac_key(str(text))
        except ValueError:
            raise Misconfigured(
                f"{external.hmac_key}: the HMAC key is not base64url; copy it from the CA again"
            ) from None

    def _binding(self, external: ExternalAccount, jwk: JWK, url: str) -> dict[str, str]:
        return external_account.bind(jwk, external.key_id, self.mac_key(external), url, external.algorithm)


def _location(answer: Response) -> str:
    location = answer.headers.get("location")
    if not location:
        raise Unavailable(f"{answer.operation} answered without the URL of the account")
    return location
