"""Refused registrations, key changes and revocations over the entry point: a fresh nonce, and nothing changed."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from evercert.acme import external_account, jws
from evercert.acme.jwk import to_jwk
from evercert.pki.keys import PrivateKey
from tests.doubles.authority.acme_client import AcmeAuthority, AcmeClient, Answer

TERMS = "https://ca.example.com/terms"
OTHER = PrivateKey.generate("EC_prime256v1")


def state(authority: AcmeAuthority) -> Any:
    setting = authority.setting
    accounts, orders = setting.acme_accounts, setting.acme_orders
    return copy.deepcopy((accounts.stored, accounts.bound, orders.stored, setting.certificates.certificates))


def require_refused(authority: AcmeAuthority, call: Callable[[], Answer], status: int, kind: str) -> None:
    before = state(authority)
    answer = call()
    assert (answer.status, answer.problem, answer.json["status"]) == (status, kind, status), answer.text
    assert state(authority) == before
    stranger, nonce = AcmeClient(authority), answer.headers["Replay-Nonce"]
    found = stranger.post(stranger.directory["newAccount"], {"onlyReturnExisting": True}, nonce=nonce)
    assert found.problem == "accountDoesNotExist"  # not badNonce


# -- registration -----------------------------------------------------------------------------------------------------
def bound(client: AcmeClient, mac_key: bytes, **changes: Any) -> dict[str, Any]:
    """Return members with a binding and agreed terms."""
    values = {"key": client.key, "kid": "team", "mac": mac_key, "url": client.directory["newAccount"], **changes}
    found = external_account.bind(to_jwk(values["key"].public_key), values["kid"], values["mac"], values["url"])
    return {"termsOfServiceAgreed": True, "externalAccountBinding": found}


REGISTRATIONS: dict[str, tuple[Callable[[AcmeClient, bytes], dict[str, Any]], int, str]] = {
    "no-binding": (lambda c, m: bound(c, m) | {"externalAccountBinding": None}, 403, "externalAccountRequired"),
    "text-binding": (lambda c, m: bound(c, m) | {"externalAccountBinding": "team"}, 400, "malformed"),
    "empty-binding": (lambda c, m: bound(c, m) | {"externalAccountBinding": {}}, 400, "malformed"),
    "unknown-credential": (lambda c, m: bound(c, m, kid="other"), 403, "unauthorized"),
    "long-credential": (lambda c, m: bound(c, m, kid="x" * 65), 403, "unauthorized"),
    "wrong-mac": (lambda c, m: bound(c, m[::-1]), 403, "unauthorized"),
    "wrong-url": (lambda c, m: bound(c, m, url="https://x.example/"), 403, "unauthorized"),
    "another-key": (lambda c, m: bound(c, m, key=OTHER), 403, "unauthorized"),
    "no-terms": (lambda c, m: bound(c, m) | {"termsOfServiceAgreed": False}, 403, "userActionRequired"),
    "text-terms": (lambda c, m: bound(c, m) | {"termsOfServiceAgreed": "yes"}, 403, "userActionRequired"),
    "unknown-account": (lambda _, __: {"onlyReturnExisting": True}, 400, "accountDoesNotExist"),
    "bad-contact": (lambda c, m: bound(c, m) | {"contact": ["mailto:x"]}, 400, "invalidContact"),
    "phone": (lambda c, m: bound(c, m) | {"contact": ["tel:+1"]}, 400, "unsupportedContact"),
}


@pytest.mark.parametrize("case", REGISTRATIONS)
def test_registration_is_refused(case: str) -> None:
    authority = AcmeAuthority(eab="required", **{"terms-of-service": TERMS})
    _, mac_key = authority.credential("team")
    client = AcmeClient(authority)
    members, status, kind = REGISTRATIONS[case]
    request = members(client, mac_key)
    require_refused(authority, lambda: client.post(client.directory["newAccount"], request), status, kind)
    assert client.post(client.directory["newAccount"], bound(client, mac_key)).status == 201


# -- key change -------------------------------------------------------------------------------------------------------
@pytest.fixture
def client() -> AcmeClient:
    client = AcmeClient(AcmeAuthority())
    client.register()
    return client


def inner(client: AcmeClient, key: PrivateKey = OTHER, signer: PrivateKey | None = None, **changes: Any) -> Any:
    """Return the inner JWS of a key change; changes of `account` and `oldKey`, and of its header."""
    content = {"account": client.key_id, "oldKey": to_jwk(client.key.public_key)}
    header = {"jwk": to_jwk(key.public_key), "url": client.directory["keyChange"]}
    payload = {name: changes.get(name, value) for name, value in content.items()}
    extra = {name: value for name, value in changes.items() if name not in content}
    return json.loads(jws.sign(json.dumps(payload).encode(), {**header, **extra}, signer or key))


KEY_CHANGES: dict[str, Callable[[AcmeClient], Any]] = {
    "no-jws": lambda _: {},
    "wrong-account": lambda c: inner(c, account="https://ca.example.com/accounts/1"),
    "no-account": lambda c: inner(c, account=None),
    "wrong-old-key": lambda c: inner(c, oldKey=to_jwk(OTHER.public_key)),
    "no-old-key": lambda c: inner(c, oldKey=None),
    "nonce": lambda c: inner(c, nonce="AAAA"),
    "kid": lambda c: inner(c, kid=c.key_id),
    "another-url": lambda c: inner(c, url=c.directory["newOrder"]),
    "another-signer": lambda c: inner(c, signer=c.key),
}


@pytest.mark.parametrize("case", KEY_CHANGES)
def test_key_change_is_refused(client: AcmeClient, case: str) -> None:
    payload = KEY_CHANGES[case](client)
    require_refused(client.authority, lambda: client.post(client.directory["keyChange"], payload), 400, "malformed")


def test_key_of_another_account_is_a_conflict(client: AcmeClient) -> None:
    other = AcmeClient(client.authority)
    other.register()
    answer = client.post(client.directory["keyChange"], inner(client, other.key))
    assert (answer.status, answer.problem, answer.headers["Location"]) == (409, "malformed", other.key_id)


# -- revocation -------------------------------------------------------------------------------------------------------
REVOCATIONS: dict[str, tuple[dict[str, Any], int, str]] = {
    "no-certificate": ({"certificate": None}, 400, "malformed"),
    "text": ({"certificate": "a+b/"}, 400, "malformed"),
    "junk": ({"certificate": "AAAA"}, 400, "malformed"),
    "unused-reason": ({"reason": 7}, 400, "badRevocationReason"),
    "text-reason": ({"reason": "1"}, 400, "badRevocationReason"),
    "true-reason": ({"reason": True}, 400, "badRevocationReason"),
}


@pytest.mark.parametrize("case", REVOCATIONS)
def test_revocation_is_refused(client: AcmeClient, case: str) -> None:
    _, chain = client.issue("www.example.com")
    changes, status, kind = REVOCATIONS[case]
    require_refused(client.authority, lambda: client.revoke(chain[0], **changes), status, kind)


def test_certificate_of_another_client_is_not_revoked(client: AcmeClient) -> None:
    _, chain = client.issue("www.example.com")
    other = AcmeClient(client.authority)
    other.register()
    require_refused(client.authority, lambda: other.revoke(chain[0]), 403, "unauthorized")


def test_certificate_of_another_ca_is_not_revoked(client: AcmeClient) -> None:
    root = client.authority.setting.cas["EC-root"].current.x509
    require_refused(client.authority, lambda: client.revoke(root), 404, "malformed")
