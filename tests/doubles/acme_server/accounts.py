"""Accounts: registration, external account binding, contacts, key change, deactivation (RFC 8555 §7.3)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from evercert import json_parser
from evercert.acme import external_account, jws
from evercert.acme.jwk import JWK, from_jwk, thumbprint, to_jwk
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
        self.key_changes = 0
        self._resources = resources
        self._external = external

    def register(self, call: Call) -> Answer:
        """Handle newAccount: a known key gets its account (§7.3.1)."""
        wanted = call.payload
        if wanted is None:
            raise Refusal("malformed", "newAccount needs a payload")
        account = next((known for known in self.known if known.jwk == call.jwk), None)
        if account is not None:
            _require_valid(account)
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

    def change_key(self, call: Call) -> Answer:
        """Handle keyChange: the checks of §7.3.5, in its order."""
        try:
            message = jws.of_members(call.payload)
            new_key = from_jwk(dict(message.protected["jwk"]))
            jws.verify(message, new_key)
            change = json_parser.parse(message.payload)
            if set(message.protected) != {"alg", "jwk", "url"} or set(change) != {"account", "oldKey"}:
                raise ValueError("the inner JWS has missing or additional members, such as a nonce")
            if message.protected["url"] != call.url:
                raise ValueError("the url of the inner JWS is not that of the outer one")
            if change["account"] != call.sender.url:
                raise ValueError("account is not that of the outer JWS")
            if change["oldKey"] != call.sender.jwk:
                raise ValueError("oldKey is not the key of the account")
        except (ValueError, KeyError, TypeError) as error:
            raise Refusal("malformed", f"key change: {error}") from None
        other = next((known for known in self.known if known.jwk == to_jwk(new_key)), None)
        if other is not None:  # without a body, as Pebble does
            return 409, {"Location": other.url}, b""
        call.sender.jwk = to_jwk(new_key)
        self.key_changes += 1
        return reply({})

    def _update(self, account: Account, call: Call) -> Answer:
        if call.sender is not account:
            raise Refusal("unauthorized", "the account belongs to another key", 403)
        if call.payload is not None and "contact" in call.payload:
            account.contact = _checked(call.payload["contact"])
            self.updates += 1
        if call.payload is not None and "status" in call.payload:
            if call.payload["status"] != "deactivated":
                raise Refusal("malformed", "an account can only be deactivated")
            account.status = "deactivated"
        return reply(account.body())


def _require_valid(account: Account) -> None:
    """Refuse a deactivated account (§7.3.6)."""
    if account.status != "valid":
        raise Refusal("unauthorized", f"Account is not valid, has status {account.status!r}", 401)


def _checked(contact: list[str]) -> list[str]:
    for entry in contact:
        if not _CONTACT.fullmatch(entry):
            raise Refusal("invalidContact", f"contact {entry!r} is not one e-mail address")
        if entry.endswith("@example.org"):
            raise Refusal("invalidContact", f"Invalid contact domain in {entry!r}. Use another one")
    return contact
