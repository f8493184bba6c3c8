"""Accounts of the ACME server, request by request."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from evercert.acme import external_account, jws
from evercert.acme.jwk import thumbprint, to_jwk
from evercert.authority.acme import signed_requests
from evercert.authority.acme.account_service import AccountRules, AccountService
from evercert.authority.acme.limits import RateLimits, Sender
from evercert.authority.acme.problems import Refused
from evercert.authority.acme.records import Account
from evercert.authority.acme.signed_requests import SignedRequest
from evercert.authority.configuration.acme_limits import AcmeLimits
from evercert.authority.configuration.profiles import EabCredential
from evercert.pki.keys import PrivateKey
from tests.doubles.acme_storage import FakeAcmeAccounts, FakeBuckets, FakeCredentials
from tests.doubles.fakes import HandClock

BASE = "https://ca.example.com/acme"
RULES = AccountRules("p1", True, None, f"{BASE}/new-account", f"{BASE}/accounts/", f"{BASE}/key-change")
OPEN = replace(RULES, needs_binding=False)
KEY, OTHER = PrivateKey.generate("EC_prime256v1"), PrivateKey.generate("EC_prime256v1")
MAC = b"m" * 32
SENDER = Sender("p1", AcmeLimits(), "192.0.2.1")


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def service(clock: HandClock) -> AccountService:
    credential = EabCredential.model_validate(
        {"id": "team", "profile": "p1", "sealed": MAC.hex(), "created-at": clock()}
    )
    return AccountService(
        FakeAcmeAccounts(), FakeCredentials({"team": credential}), RateLimits(FakeBuckets(), clock), clock
    )


def signed(url: str, payload: dict[str, Any] | None, key: PrivateKey = KEY, **header: Any) -> SignedRequest:
    content = b"" if payload is None else signed_json(payload)
    body = jws.sign(content, {"nonce": "AAAA", "url": url, **(header or {"jwk": to_jwk(key.public_key)})}, key)
    return signed_requests.read(body, jws.MEDIA_TYPE, url)


def signed_json(payload: dict[str, Any]) -> bytes:
    return json.dumps(payload).encode()


def binding(
    key: PrivateKey = KEY, key_id: str = "team", mac: bytes = MAC, url: str = RULES.new_account_url, alg: str = "HS256"
) -> dict[str, str]:
    return external_account.bind(to_jwk(key.public_key), key_id, mac, url, alg)


def new_account(key: PrivateKey = KEY, **members: Any) -> SignedRequest:
    return signed(RULES.new_account_url, {"contact": ["mailto:ops@example.com"], **members}, key)


def registered(service: AccountService, key: PrivateKey = KEY) -> Account:
    return service.register(new_account(key, externalAccountBinding=binding(key)), RULES, SENDER)[0]


def refusal(call: Callable[[], object]) -> Refused:
    with pytest.raises(Refused) as caught:
        call()
    return caught.value


def stored(service: AccountService) -> dict[str, Account]:
    accounts = service.accounts
    assert isinstance(accounts, FakeAcmeAccounts)
    return accounts.stored


# -- registration -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("alg", ["HS256", "HS384", "HS512"])
def test_bound_account_is_registered(service: AccountService, alg: str) -> None:
    account, is_new = service.register(new_account(externalAccountBinding=binding(alg=alg)), RULES, SENDER)
    assert (is_new, account.status, account.credential) == (True, "valid", "team")
    assert account.contact == ("mailto:ops@example.com",)
    assert account.thumbprint == thumbprint(to_jwk(KEY.public_key))


def test_known_key_finds_its_account(service: AccountService) -> None:
    first = registered(service)
    again, is_new = service.register(new_account(contact=["mailto:x@example.com"]), RULES, SENDER)
    assert (again, is_new) == (first, False)
    assert service.register(new_account(onlyReturnExisting=True), RULES, SENDER) == (first, False)
    assert len(stored(service)) == 1


def test_unknown_key_is_not_registered_by_a_search(service: AccountService) -> None:
    error = refusal(lambda: service.register(new_account(onlyReturnExisting=True), RULES, SENDER))
    assert (error.kind, error.status) == ("accountDoesNotExist", 400)
    assert stored(service) == {}


def test_account_of_another_profile_is_another_account(service: AccountService) -> None:
    registered(service)
    found, is_new = service.register(new_account(), replace(OPEN, profile="p2"), SENDER)
    assert is_new and found.profile == "p2"


def test_missing_binding_is_refused(service: AccountService) -> None:
    assert refusal(lambda: service.register(new_account(), RULES, SENDER)).kind == "externalAccountRequired"
    assert service.register(new_account(), OPEN, SENDER)[1]


@pytest.mark.parametrize(
    "wrong",
    [
        binding(key_id="unknown"),
        binding(mac=b"x" * 32),
        binding(url=f"{BASE}/elsewhere"),
        binding(key=OTHER),
        {**binding(), "payload": binding(key=OTHER)["payload"]},
        {**binding(), "signature": ""},
    ],
    ids=["unknown", "mac", "url", "key", "payload", "unsigned"],
)
def test_wrong_bindings_have_one_answer(service: AccountService, wrong: dict[str, str]) -> None:
    """Also where the profile needs none: a client that sends one means it."""
    errors = [
        refusal(lambda r=r: service.register(new_account(externalAccountBinding=wrong), r, SENDER))
        for r in (RULES, OPEN)
    ]
    assert {(error.kind, error.body["detail"]) for error in errors} == {
        (
            "unauthorized",
            "the external account binding is not accepted: check key id and HMAC key, or ask the operator for new ones",
        )
    }
    assert stored(service) == {}


@pytest.mark.parametrize("wrong", ["text", [], {}, {"protected": "e30", "payload": "", "signature": ""}], ids=repr)
def test_malformed_binding_is_refused(service: AccountService, wrong: object) -> None:
    assert (
        refusal(lambda: service.register(new_account(externalAccountBinding=wrong), RULES, SENDER)).kind == "malformed"
    )


@pytest.mark.parametrize(
    "change", [{"revoked": True}, {"profile": "p2"}, {"expired": True}], ids=["revoked", "foreign", "expired"]
)
def test_credential_that_is_over_binds_nothing(
    service: AccountService, clock: HandClock, change: dict[str, Any]
) -> None:
    credentials = service.credentials
    assert isinstance(credentials, FakeCredentials)
    update = {"expires_at": clock()} if "expired" in change else change
    credentials.stored["team"] = credentials.stored["team"].model_copy(update=update)
    error = refusal(lambda: registered(service))
    assert error.kind == "unauthorized"
    assert stored(service) == {}


def test_single_use_credential_binds_one_account(service: AccountService, clock: HandClock) -> None:
    credentials = service.credentials
    assert isinstance(credentials, FakeCredentials)
    credentials.stored["team"] = credentials.stored["team"].model_copy(
        update={"once": True, "expires_at": clock() + timedelta(days=7)}
    )
    first = registered(service)
    assert refusal(lambda: registered(service, OTHER)).kind == "unauthorized"
    assert registered(service) == first
    assert len(stored(service)) == 1


@pytest.mark.parametrize(
    ("contact", "kind"),
    [
        ("mailto:ops@example.com", "invalidContact"),
        (["mailto:ops@example.com"] * 11, "invalidContact"),
        ([7], "invalidContact"),
        (["tel:+49"], "unsupportedContact"),
        (["ops@example.com"], "unsupportedContact"),
        (["mailto:a@example.com,b@example.com"], "invalidContact"),
        (["mailto:a@example.com?subject=x"], "invalidContact"),
        (["mailto:example.com"], "invalidContact"),
        (["mailto:" + "a" * 65 + "@example.com"], "invalidContact"),
        (["mailto:a@localhost"], "invalidContact"),
    ],
    ids=["text", "many", "number", "phone", "bare", "two", "header", "host", "long", "local"],
)
def test_contact_that_is_no_address_is_refused(service: AccountService, contact: object, kind: str) -> None:
    assert refusal(lambda: service.register(new_account(contact=contact), OPEN, SENDER)).kind == kind
    assert stored(service) == {}


def test_terms_must_be_agreed_to(service: AccountService) -> None:
    rules = replace(OPEN, terms="https://example.com/terms")
    error = refusal(lambda: service.register(new_account(), rules, SENDER))
    assert (error.kind, error.body["instance"]) == ("userActionRequired", "https://example.com/terms")
    assert service.register(new_account(termsOfServiceAgreed=True), rules, SENDER)[1]


def test_registration_needs_the_key_itself(service: AccountService) -> None:
    url = f"{BASE}/accounts/1"
    request = signed(RULES.new_account_url, {}, KEY, kid=url)
    assert refusal(lambda: service.register(request, OPEN, SENDER)).kind == "malformed"


# -- requests of an account -------------------------------------------------------------------------------------------
def of_account(account: Account, url: str, payload: dict[str, Any] | None, key: PrivateKey = KEY) -> SignedRequest:
    return signed(url, payload, key, kid=RULES.url_of(account))


def test_sender_is_the_account_in_kid(service: AccountService) -> None:
    account = registered(service)
    assert service.sender(of_account(account, f"{BASE}/new-order", {}), RULES) == account


def test_key_of_another_account_is_refused(service: AccountService) -> None:
    account = registered(service)
    error = refusal(lambda: service.sender(of_account(account, f"{BASE}/new-order", {}, OTHER), RULES))
    assert error.kind == "malformed"


@pytest.mark.parametrize("kid", ["", f"{BASE}/accounts/unknown", "https://else.example/acme/accounts/1", BASE])
def test_unknown_account_is_refused(service: AccountService, kid: str) -> None:
    registered(service)
    error = refusal(lambda: service.sender(signed(f"{BASE}/new-order", {}, KEY, kid=kid), RULES))
    assert (error.kind, error.status) == ("accountDoesNotExist", 400)


def test_account_of_another_profile_is_unknown(service: AccountService) -> None:
    account = registered(service)
    request = of_account(account, f"{BASE}/new-order", {})
    assert refusal(lambda: service.sender(request, replace(RULES, profile="p2"))).kind == "accountDoesNotExist"


def test_contact_is_updated(service: AccountService) -> None:
    account = registered(service)
    url = RULES.url_of(account)
    changed = service.update(account, of_account(account, url, {"contact": ["mailto:new@example.com"], "orders": "x"}))
    assert (changed.contact, changed.version) == (("mailto:new@example.com",), 2)
    assert stored(service)[account.id] == changed
    assert service.update(changed, of_account(account, url, {})) == changed
    assert service.update(changed, of_account(account, url, None)) == changed


def test_outdated_update_is_refused(service: AccountService) -> None:
    account = registered(service)
    request = of_account(account, RULES.url_of(account), {"contact": []})
    service.update(account, request)
    other = of_account(account, RULES.url_of(account), {"status": "deactivated"})
    error = refusal(lambda: service.update(account, other))
    assert (error.kind, error.status) == ("serverInternal", 503)
    assert stored(service)[account.id].status == "valid"


def test_deactivated_account_may_do_nothing(service: AccountService) -> None:
    account = registered(service)
    request = of_account(account, RULES.url_of(account), {"status": "deactivated"})
    assert service.update(account, request).status == "deactivated"
    errors = [
        refusal(lambda: service.sender(request, RULES)),
        refusal(lambda: service.register(new_account(), RULES, SENDER)),
        refusal(lambda: service.register(new_account(onlyReturnExisting=True), RULES, SENDER)),
    ]
    assert [(error.kind, error.status) for error in errors] == [("unauthorized", 401)] * 3


# -- key change -------------------------------------------------------------------------------------------------------
def key_change(account: Account, new: PrivateKey, old: PrivateKey = KEY, **changes: Any) -> SignedRequest:
    payload = {"account": RULES.url_of(account), "oldKey": to_jwk(old.public_key), **changes.pop("payload", {})}
    header = {"jwk": to_jwk(new.public_key), "url": RULES.key_change_url, **changes}
    inner = json.loads(jws.sign(signed_json(payload), header, changes.pop("signer", new)))
    return of_account(account, RULES.key_change_url, inner)


def test_key_is_changed(service: AccountService) -> None:
    account = registered(service)
    changed = service.change_key(account, key_change(account, OTHER), RULES)
    assert (changed.id, changed.thumbprint) == (account.id, thumbprint(to_jwk(OTHER.public_key)))
    url = f"{BASE}/new-order"
    assert service.sender(of_account(account, url, {}, OTHER), RULES) == changed
    assert refusal(lambda: service.sender(of_account(account, url, {}), RULES)).kind == "malformed"
    assert (
        refusal(lambda: service.register(new_account(onlyReturnExisting=True), RULES, SENDER)).kind
        == "accountDoesNotExist"
    )


def test_key_of_another_account_is_not_taken(service: AccountService) -> None:
    account, holder = registered(service), registered(service, OTHER)
    error = refusal(lambda: service.change_key(account, key_change(account, OTHER), RULES))
    assert (error.status, error.headers) == (409, {"Location": RULES.url_of(holder)})
    assert stored(service)[account.id] == account


@pytest.mark.parametrize(
    "changes",
    [
        {"payload": {"account": f"{BASE}/accounts/other"}},
        {"payload": {"oldKey": to_jwk(OTHER.public_key)}},
        {"payload": {"oldKey": None}},
        {"url": f"{BASE}/new-order"},
        {"nonce": "AAAA"},
        {"kid": "x"},
        {"jwk": to_jwk(KEY.public_key)},
    ],
    ids=["account", "old", "no-old", "url", "nonce", "kid", "signature"],
)
def test_wrong_key_change_is_malformed(service: AccountService, changes: dict[str, Any]) -> None:
    account = registered(service)
    error = refusal(lambda: service.change_key(account, key_change(account, OTHER, **changes), RULES))
    assert error.kind == "malformed"
    assert stored(service)[account.id] == account


def test_key_change_without_an_inner_request_is_malformed(service: AccountService) -> None:
    account = registered(service)
    request = of_account(account, RULES.key_change_url, {"account": "x"})
    assert refusal(lambda: service.change_key(account, request, RULES)).kind == "malformed"
