"""Accounts of the ACME server (RFC 8555 §7.3): registration, update, key change, deactivation."""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import dataclass
from typing import Any

from evercert.acme import external_account, jws
from evercert.acme.jwk import PublicKey, from_jwk, thumbprint, to_jwk
from evercert.authority.acme.limits import RateLimits, Sender
from evercert.authority.acme.ports import Accounts, EabCredentials
from evercert.authority.acme.problems import Refused, malformed
from evercert.authority.acme.records import Account, scope_of
from evercert.authority.acme.signed_requests import SignedRequest, public_key
from evercert.authority.configuration.profiles import EabCredential
from evercert.deadline import Clock

MOST_CONTACTS, LONGEST_CONTACT = 10, 300
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ADDRESS = re.compile(r"[^\s@,?&%<>\"()\[\]]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})+")
# One answer for an unknown, expired, revoked or used credential and a wrong MAC: a client learns nothing from it.
_NOT_BOUND = "the external account binding is not accepted: check key id and HMAC key, or ask the operator for new ones"

_OF_DELETED_PROFILE = "the account belongs to a deleted profile of this name; register another account"


@dataclass(frozen=True)
class AccountRules:
    """The requirements of a profile, and the URLs of its server; an id completes `account_url`."""

    profile: str  # id
    needs_binding: bool
    terms: str | None  # URL
    new_account_url: str
    account_url: str
    key_change_url: str
    generation: str = ""  # of the profile

    @property
    def scope(self) -> str:
        """Return the scope of the profile's accounts."""
        return scope_of(self.profile, self.generation)

    def url_of(self, account: Account) -> str:
        """Return the URL of an account, which is its `kid`."""
        return f"{self.account_url}{account.id}"


@dataclass(frozen=True)
class AccountService:
    """Registers and changes accounts; raises Refused."""

    accounts: Accounts
    credentials: EabCredentials
    limits: RateLimits
    clock: Clock

    def sender(self, request: SignedRequest, rules: AccountRules) -> Account:
        """Return the account that signed the request (§6.2); raise Refused for an unknown or deactivated one."""
        url = request.account_url or ""
        account = None
        account_id = url.removeprefix(rules.account_url)
        if url.startswith(rules.account_url) and _ID.fullmatch(account_id):
            account = self.accounts.of_id(account_id)
        if account is None or account.profile != rules.profile:
            raise Refused("accountDoesNotExist", "no account has the URL in kid; register one", status=400)
        request.verify(from_jwk(account.jwk))
        if account.generation != rules.generation:
            raise Refused("accountDoesNotExist", _OF_DELETED_PROFILE, status=400)
        if account.status != "valid":
            raise Refused("unauthorized", f"the account is {account.status}", status=401)
        return account

    def register(self, request: SignedRequest, rules: AccountRules, sender: Sender) -> tuple[Account, bool]:
        """Return the account of the key, and whether it is new (§7.3). Idempotent."""
        key = _own_key(request)
        request.verify(key)
        members = request.members()
        found = self.accounts.of_key(rules.scope, thumbprint(to_jwk(key)))
        if found is not None:
            return _usable(found), False
        if members.get("onlyReturnExisting") is True:
            raise Refused("accountDoesNotExist", "no account has this key")
        contact = _contact(members)
        if rules.terms is not None and members.get("termsOfServiceAgreed") is not True:
            raise Refused("userActionRequired", f"agree to the terms of service: {rules.terms}", instance=rules.terms)
        credential = self._bound(members, key, rules, sender)
        jwk = to_jwk(key)
        account = Account(
            id=str(uuid.uuid4()),
            profile=rules.profile,
            jwk=jwk,
            thumbprint=thumbprint(jwk),
            contact=contact,
            credential=credential and credential.id,
            binding=_binding(members) if credential is not None else None,
            created_at=self.clock(),
            generation=rules.generation,
        )
        stored = self.accounts.create(account, credential.id if credential is not None and credential.once else None)
        if stored is None:
            raise Refused("unauthorized", _NOT_BOUND)
        return _usable(stored), stored.id == account.id

    def update(self, account: Account, request: SignedRequest) -> Account:
        """Change contacts, or deactivate the account (§7.3.2, §7.3.6); other members are ignored."""
        members = request.payload
        if members is None:
            return account
        changed = account
        if "contact" in members:
            changed = changed.model_copy(update={"contact": _contact(members)})
        if members.get("status") == "deactivated":
            changed = changed.model_copy(update={"status": "deactivated"})
        if changed == account:
            return account
        changed = changed.model_copy(update={"version": account.version + 1})
        if not self.accounts.replace(changed):
            raise Refused("serverInternal", "the account was changed meanwhile; try again", status=503)
        return changed

    def change_key(self, account: Account, request: SignedRequest, rules: AccountRules) -> Account:
        """Give the account the key that signed the inner JWS (§7.3.5)."""
        inner, key = _inner_request(request)
        asked = inner.get("account"), inner.get("oldKey")
        if asked[0] != rules.url_of(account):
            raise malformed("the member account of the inner JWS is not the URL in kid")
        old = public_key(asked[1])
        if thumbprint(to_jwk(old)) != account.thumbprint:
            raise malformed("the member oldKey of the inner JWS is not the key of the account")
        jwk = to_jwk(key)
        if thumbprint(jwk) == account.thumbprint:
            raise malformed("the new key is the key of the account")
        changed = account.model_copy(update={"jwk": jwk, "thumbprint": thumbprint(jwk), "version": account.version + 1})
        if not self.accounts.change_key(account, changed):
            holder = self.accounts.of_key(rules.scope, changed.thumbprint)
            if holder is None:
                raise Refused("serverInternal", "the account was changed meanwhile; try again", status=503)
            headers = {"Location": rules.url_of(holder)}
            raise malformed_conflict("another account has the new key", headers)
        return changed

    def _bound(
        self, members: dict[str, Any], key: PublicKey, rules: AccountRules, sender: Sender
    ) -> EabCredential | None:
        """Return the credential of the binding, and count the registration.

        A wrong HMAC key counts for the client's address, a right one for its credential: guesses of strangers keep no
        client with a credential behind the same address from registering.
        """
        try:
            found = self._credential(members, key, rules)
        except Refused as refused:
            if refused.kind == "unauthorized":  # a guess
                self.limits.registration(sender)
            raise
        if found is None:
            self.limits.registration(sender)
        else:
            self.limits.binding(sender, found.id)
        return found

    def _credential(self, members: dict[str, Any], key: PublicKey, rules: AccountRules) -> EabCredential | None:
        """Verify the binding (§7.3.4); return its credential, or None if there is no binding and none is needed."""
        binding = members.get("externalAccountBinding")
        if binding is None:
            if rules.needs_binding:
                raise Refused("externalAccountRequired", "ask the operator for a key id and an HMAC key")
            return None
        if not isinstance(binding, dict):
            raise malformed("externalAccountBinding must be a flattened JWS")
        try:
            key_id = external_account.key_id_of(binding)
            found = self.credentials.of_id(key_id) if _ID.fullmatch(key_id) else None
        except ValueError as error:
            raise malformed(f"externalAccountBinding: {error}") from None
        now = self.clock()
        usable = found is not None and found.is_of(rules.profile, rules.generation) and not found.revoked
        if found is None or not usable or (found.expires_at is not None and found.expires_at <= now):
            raise Refused("unauthorized", _NOT_BOUND)
        try:
            external_account.verify(binding, to_jwk(key), self.credentials.mac_key(found), rules.new_account_url)
        except ValueError:
            raise Refused("unauthorized", _NOT_BOUND) from None
        return found


def _binding(members: dict[str, Any]) -> dict[str, str]:
    """Return the verified binding without members that no JWS has."""
    found = members["externalAccountBinding"]
    return {name: str(found[name]) for name in ("protected", "payload", "signature")}


def malformed_conflict(detail: str, headers: dict[str, str]) -> Refused:
    """Return the refusal of a key that another account has (§7.3.5)."""
    return Refused("malformed", detail, status=409, headers=headers)


def _own_key(request: SignedRequest) -> PublicKey:
    if request.key is None:
        raise malformed("newAccount is signed with the header jwk, not kid")
    return request.key


def _usable(account: Account) -> Account:
    if account.status != "valid":
        raise Refused("unauthorized", f"the account with this key is {account.status}", status=401)
    return account


def _inner_request(request: SignedRequest) -> tuple[dict[str, Any], PublicKey]:
    """Return the payload of the inner JWS and the key that signed it."""
    try:
        message = jws.of_members(request.members())
        payload = json.loads(message.payload)
    except (ValueError, RecursionError):
        raise malformed("the payload is not a JWS with a JSON object") from None
    header = message.protected
    if not isinstance(payload, dict) or "nonce" in header or "kid" in header or header.get("url") != request.url:
        raise malformed("the inner JWS must have the header jwk, the url of the request, and no nonce")
    key = public_key(header.get("jwk"))
    SignedRequest(request.url, message, payload, key).verify(key)
    return payload, key


def _contact(members: dict[str, Any]) -> tuple[str, ...]:
    """Return the contacts; raise Refused for one that no operator can write to (§7.3)."""
    found = members.get("contact") or []
    if not isinstance(found, list) or len(found) > MOST_CONTACTS or not all(isinstance(one, str) for one in found):
        raise Refused("invalidContact", f"contact must be a list of at most {MOST_CONTACTS} URLs")
    for one in found:
        if not one.lower().startswith("mailto:"):
            raise Refused("unsupportedContact", "only mailto: contacts are supported")
        printable = one.isascii() and one.isprintable()
        if len(one) > LONGEST_CONTACT or not printable or not _ADDRESS.fullmatch(one[len("mailto:") :]):
            raise Refused("invalidContact", "a contact must be one e-mail address, without header fields")
    return tuple(found)
