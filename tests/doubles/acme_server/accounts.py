"""Accounts: registration, external account binding, contacts (RFC 8555 §7.3)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from evercert.acme import external_account
from evercert.acme.jwk import JWK, thumbprint
from tests.doubles.acme_server.answers import Refusal, reply
from tests.doubles.acme_server.messages import Call
from tests.doubles.acme_server.resources import Resources
from tests.doubles.acme_server.state import Account
from tests.doubles.infisical.http_server import Answer

_CONTACT = re.compile(r"mailto:[^@?,\s]+@[^@?,\s]+\.[a-z]+")


class Accounts:
    """The accounts of the server; with external accounts, each registration must be bound to one."""

    def __init__(self, resources: Resources, external: Mapping[str, bytes] | None) -> None:
        self.known: list[Account] = []
        self.updates = 0  # of contacts
        self._resources = resources
        self._external = external

    def register(self, call: Call) -> Answer:
        """Handle newAccount: a known key gets its account (§7.3.1)."""
        wanted = call.payload
        if wanted is None:
            raise Refusal("malformed", "newAccount needs a payload")
        account = next((known for known in self.known if known.jwk == call.jwk), None)
        if account is not None:
            return reply(account.body(), headers={"Location": account.url})
        if wanted.get("onlyReturnExisting"):
            raise Refusal("accountDoesNotExist", "unable to find existing account for only-return-existing request")
        if wanted.get("termsOfServiceAgreed") is not True:
            raise Refusal("userActionRequired", "Must agree to terms of service", 403)
        contact = _checked(wanted.get("contact", []))
        account = Account(call.jwk, contact, self._bound(wanted.get("externalAccountBinding"), call.jwk, call.url))
        account.url = self._resources.add(
            "account", f"/acct%2F{{}}/~{thumbprint(call.jwk)[:6]}?v=1", lambda later: self._update(account, later)
        )
        self.known.append(account)
        return reply(account.body(), 201, {"Location": account.url})

    def _bound(self, binding: object, jwk: JWK, url: str) -> str | None:
        if self._external is None:
            return None
        if not isinstance(binding, dict):
            raise Refusal("externalAccountRequired", "The request must include an external account binding", 403)
        try:
            key_id = external_account.key_id_of(binding)
            if key_id not in self._external:
                raise ValueError("unknown key identifier")
            external_account.verify(binding, jwk, self._external[key_id], url)
        except ValueError as error:
            raise Refusal("malformed", f"[External Account Binding] {error}") from None
        return key_id

    def _update(self, account: Account, call: Call) -> Answer:
        if call.sender is not account:
            raise Refusal("unauthorized", "the account belongs to another key", 403)
        if call.payload is not None and "contact" in call.payload:
            account.contact = _checked(call.payload["contact"])
            self.updates += 1
        return reply(account.body())


def _checked(contact: list[str]) -> list[str]:
    for entry in contact:
        if not _CONTACT.fullmatch(entry):
            raise Refusal("invalidContact", f"contact {entry!r} is not one e-mail address")
        if entry.endswith("@example.org"):
            raise Refusal("invalidContact", f"Invalid contact domain in {entry!r}. Use another one")
    return contact
