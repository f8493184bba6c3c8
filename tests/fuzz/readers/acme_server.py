"""Readers of the ACME server: signed requests, nonces, registrations, key changes, and ordered names."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from functools import cache
from typing import Any

from evercert.acme import external_account, jws
from evercert.acme.jwk import to_jwk
from evercert.authority.acme import ordered_names, signed_requests
from evercert.authority.acme.account_service import AccountRules, AccountService
from evercert.authority.acme.limits import RateLimits, Sender
from evercert.authority.acme.nonces import Nonces
from evercert.authority.acme.problems import Refused
from evercert.authority.acme.records import Account
from evercert.authority.configuration.acme_limits import AcmeLimits
from evercert.authority.configuration.profiles import EabCredential
from evercert.pki.keys import PrivateKey
from tests.doubles.acme_storage import FakeAcmeAccounts, FakeBuckets, FakeCredentials, FakeUsedNonces
from tests.doubles.fakes import START, HandClock
from tests.fuzz.changes import changed_tree, mutated, mutated_text
from tests.fuzz.reader import Reader
from tests.samples.certificates import private_key

TYPED = (Refused,)
BASE = "https://ca.example.com/acme"
RULES = AccountRules("p1", True, None, f"{BASE}/new-account", f"{BASE}/accounts/", f"{BASE}/key-change")
MAC = b"m" * 32
SENDER = Sender("p1", AcmeLimits(), "192.0.2.1")
NONCES = Nonces(lambda: b"k" * 32, FakeUsedNonces(), HandClock())


@cache
def keys() -> tuple[PrivateKey, PrivateKey]:
    return PrivateKey(private_key("EC_prime256v1")), PrivateKey.generate("Ed25519")


def signed(payload: bytes, url: str, **header: Any) -> bytes:
    key = keys()[0]
    return jws.sign(payload, {"nonce": "AAAA", "url": url, **(header or {"jwk": to_jwk(key.public_key)})}, key)


def service() -> AccountService:
    """Return a service with one account and one credential."""
    jwk = to_jwk(keys()[0].public_key)
    account = Account(id="1", profile="p1", jwk=jwk, thumbprint=external_account.thumbprint(jwk), created_at=START)
    credential = EabCredential.model_validate({"id": "team", "profile": "p1", "sealed": MAC.hex(), "created-at": START})
    limits = RateLimits(FakeBuckets(), HandClock())
    return AccountService(FakeAcmeAccounts({"1": account}), FakeCredentials({"team": credential}), limits, HandClock())


# -- requests ---------------------------------------------------------------------------------------------------------
def requests() -> list[bytes]:
    return [
        signed(b"", RULES.new_account_url, kid=f"{BASE}/accounts/1"),
        signed(b'{"contact": []}', RULES.new_account_url),
    ]


def read_request(body: bytes) -> None:
    """Read a request and verify its signature; every refusal is a problem document."""
    try:
        request = signed_requests.read(body, jws.MEDIA_TYPE, RULES.new_account_url)
        request.verify(request.key or keys()[0].public_key)
    except Refused as refused:
        json.dumps(refused.body)
        raise


def read_address(text: str) -> None:
    """Read the address of a client, as API Gateway writes it."""
    assert Sender("p1", AcmeLimits(), text).network


def read_nonce(text: str) -> None:
    """Redeem a nonce."""
    NONCES.redeem(text)


def registrations() -> list[Any]:
    binding = external_account.bind(to_jwk(keys()[0].public_key), "team", MAC, RULES.new_account_url)
    return [
        {"contact": ["mailto:ops@example.com"], "termsOfServiceAgreed": True, "externalAccountBinding": binding},
        {"onlyReturnExisting": True},
    ]


def read_registration(members: Any) -> None:
    """Register an account with these members."""
    body = signed(json.dumps(members).encode(), RULES.new_account_url)
    request = signed_requests.read(body, jws.MEDIA_TYPE, RULES.new_account_url)
    empty = replace(service(), accounts=FakeAcmeAccounts())
    empty.register(request, RULES, SENDER)


def key_changes() -> list[Any]:
    old, new = keys()
    payload = json.dumps({"account": f"{BASE}/accounts/1", "oldKey": to_jwk(old.public_key)}).encode()
    header = {"jwk": to_jwk(new.public_key), "url": RULES.key_change_url}
    return [json.loads(jws.sign(payload, header, new))]


def read_key_change(inner: Any) -> None:
    """Change the key of the account."""
    body = signed(json.dumps(inner).encode(), RULES.key_change_url, kid=f"{BASE}/accounts/1")
    request = signed_requests.read(body, jws.MEDIA_TYPE, RULES.key_change_url)
    own = service()
    own.change_key(own.sender(request, RULES), request, RULES)


def names() -> list[Any]:
    return [[{"type": "dns", "value": "*.Example.com"}, {"type": "ip", "value": "2001:db8::1"}]]


def read_names(found: Any) -> None:
    """Read the identifiers of an order; subproblems have printable texts."""
    try:
        ordered_names.read(found)
    except Refused as refused:
        subproblems = refused.body.get("subproblems", [])
        assert all(one["detail"].isprintable() and one["identifier"]["value"].isprintable() for one in subproblems)
        raise


def mutated_body(body: bytes, chance: random.Random) -> bytes:
    """Change bytes of the body, or a member of its JSON."""
    if chance.random() < 0.5:
        return mutated(body, chance)
    return json.dumps(changed_tree(json.loads(body), chance)).encode()


READERS = (
    Reader("request of an ACME client", requests, read_request, mutated_body, TYPED),
    Reader("address of an ACME client", lambda: ["192.0.2.1", "2001:db8::1"], read_address, mutated_text, ()),
    Reader("nonce of an ACME client", lambda: [NONCES.issue()], read_nonce, mutated_text, TYPED),
    Reader("registration at the ACME server", registrations, read_registration, changed_tree, TYPED, 2),
    Reader("key change at the ACME server", key_changes, read_key_change, changed_tree, TYPED, 2),
    Reader("identifiers of an ACME order", names, read_names, changed_tree, TYPED),
)
