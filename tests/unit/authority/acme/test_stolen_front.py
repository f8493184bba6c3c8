"""The holder of the front's permissions writes what it likes into the authority's table; the signer keeps the ceiling.

The configuration table is out of its reach (tests/stack/test_authority.py), so the CAs and their ceilings are genuine.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509

from evercert.acme import base64url
from evercert.acme.jwk import to_jwk
from evercert.authority.acme.records import Account, Authorization, Challenge, Order
from evercert.authority.contracts.records import RequestRecord
from evercert.authority.policy.policy import Policy
from evercert.errors import Unavailable
from evercert.pki.identifiers import parse
from evercert.pki.keys import public_bytes
from tests.doubles.authority.acme_client import AcmeAuthority, AcmeClient, Answer
from tests.doubles.authority.authority import ANYTHING, Setting
from tests.doubles.authority.ceremony import ceiling, csr
from tests.doubles.fakes import START
from tests.fuzz.server.promises import check_certificate
from tests.samples import requests as raw
from tests.samples.certificates import private_key

CEILING = ceiling(
    dns=("*.example.com",), ip=(), uri=(), key_algorithms=("EC_prime256v1", "RSA_2048"),
    key_usages=("digital_signature",), extended_key_usages=("server_auth",), longest=timedelta(days=90),
)  # fmt: skip
KEY = private_key("EC_prime256v1")


@pytest.fixture
def client() -> AcmeClient:
    client = AcmeClient(AcmeAuthority(Setting(allowed=CEILING)))
    client.register()
    return client


def signatures(client: AcmeClient) -> tuple[int, int]:
    """Return how many results the ledger has, and how often keys of CAs have signed."""
    setting = client.authority.setting
    return len(setting.ledger.results), len(setting.kms.calls)


# -- forged certificate requests of orders --------------------------------------------------------------------------------------
LEAVES: dict[str, Mapping[str, Any]] = {
    "name": {"names": (parse("dns:evil.net"),)},
    "parent": {"names": (parse("dns:example.com"),)},
    "wildcard": {"names": (parse("dns:*.evil.net"),)},
    "second-name": {"names": (parse("dns:www.example.com"), parse("dns:evil.net"))},
    "address": {"names": (parse("ip:10.0.0.1"),)},
    "email": {"names": (parse("email:root@www.example.com"),)},
    "uri": {"names": (parse("uri:spiffe://example.com/admin"),)},
    "common-name": {"subject": {"common_name": ("evil.net",)}},
    "ten-years": {"not_after": START + timedelta(days=3_650)},
    "one-day-more": {"not_after": START + timedelta(days=91)},
    "old-start": {"not_before": START - timedelta(days=2)},
    "late-start": {"not_before": START + timedelta(days=40), "not_after": START + timedelta(days=50)},
    "certificates": {"key_usages": ("digital_signature", "key_cert_sign")},
    "crls": {"key_usages": ("crl_sign",)},
    "encryption": {"key_usages": ("digital_signature", "key_agreement")},
    "clients": {"extended_key_usages": ("client_auth",)},
    "code": {"extended_key_usages": ("server_auth", "code_signing")},
    "ocsp": {"extended_key_usages": ("ocsp_signing",)},
    "any-purpose": {"extended_key_usages": ()},
}


def waiting(client: AcmeClient) -> tuple[Answer, RequestRecord]:
    """Return an order in `processing`, because the signer is away, and its stored request."""
    setting = client.authority.setting
    placed = client.order("www.example.com")
    client.prove(placed.json)
    setting.signer.trouble = [Unavailable("away")]
    assert client.finalize(placed.json).json["status"] == "processing"
    (request,) = setting.certificates.requests.values()
    return placed, request


def require_refused(client: AcmeClient, placed: Answer, request: RequestRecord, words: str = "") -> None:
    """Store the forged request and poll the order."""
    setting, before = client.authority.setting, signatures(client)
    setting.certificates.requests[request.id] = request
    order = client.read(placed.headers["Location"]).json
    assert order["status"] == "invalid", order
    assert words in order["error"]["detail"]
    assert signatures(client) == before
    assert setting.certificates.certificates == {}
    assert client.read(f"{placed.headers['Location']}/certificate").problem == "orderNotReady"


@pytest.mark.parametrize("forged", LEAVES)
def test_forged_request_beyond_the_ceiling_is_not_signed(client: AcmeClient, forged: str) -> None:
    placed, request = waiting(client)
    require_refused(client, placed, replace(request, leaf=request.leaf.model_copy(update=LEAVES[forged])))


CSRS = {
    "RSA": private_key("RSA_2048"),
    "P-384": private_key("EC_secp384r1"),
    "key-of-the-ca": private_key("EC_prime256v1", 9_002),
}


@pytest.mark.parametrize("kind", CSRS)
def test_forged_request_with_another_key_is_not_signed(client: AcmeClient, kind: str) -> None:
    placed, request = waiting(client)
    require_refused(client, placed, replace(request, csr=csr(CSRS[kind])))


def test_forged_request_for_the_root_is_not_signed(client: AcmeClient) -> None:
    placed, request = waiting(client)
    root = client.authority.setting.cas["EC-root"]
    require_refused(client, placed, replace(request, ca=root.id), "is a root")


def test_genuine_request_of_the_same_order_is_signed(client: AcmeClient) -> None:
    """The forged ones are refused for what they ask, not because they wait."""
    placed, _ = waiting(client)
    assert client.read(placed.headers["Location"]).json["status"] == "valid"


# -- forged orders, accounts and profiles ------------------------------------------------------------------------------------
def forged_order(client: AcmeClient, *names: str, **changes: Any) -> Order:
    """Write an order whose challenges seem to be validated."""
    authority = client.authority
    done = Challenge(type="http-01", token="x", status="valid", validated_at=START)
    account_id = str(client.key_id).rpartition("/")[2]
    values: dict[str, Any] = {
        "id": uuid.uuid4().hex, "account": account_id, "profile": authority.profile.id, "created_at": START,
        "expires_at": START + timedelta(days=1),
        "authorizations": tuple(
            Authorization(kind="dns", name=name.removeprefix("*."), wildcard="*" in name, status="valid", challenges=(done,))
            for name in names
        ), **changes,
    }  # fmt: skip
    order = Order(**values)
    authority.setting.acme_orders.stored[order.id] = order
    return order


def finalized(client: AcmeClient, order: Order, *extensions: bytes, names: tuple[str, ...] = ()) -> Answer:
    wanted = names or tuple(name.value for name in order.names)
    text = raw.request(raw.name(), [raw.extensions(raw.dns_names(*wanted), *extensions)], key=KEY)
    url = f"{client.authority.base}/orders/{order.id}/finalize"
    return client.post(url, {"csr": base64url.encode(raw.der(text))})


WIDE_DEFAULTS: dict[str, dict[str, Any]] = {
    "code": {"extendedKeyUsages": ["code_signing"]},
    "any-usage": {"keyUsages": ["key_agreement"]},
    "ten-years": {"ttlDays": 3_650},
}


@pytest.mark.parametrize("names", [("evil.net",), ("www.example.com", "evil.net"), ("*.evil.net",), ("example.com",)])
def test_forged_order_for_other_names_is_not_signed(client: AcmeClient, names: tuple[str, ...]) -> None:
    before = signatures(client)
    answer = finalized(client, forged_order(client, *names))
    assert (answer.problem, signatures(client)) == ("badCSR", before), answer.text
    assert client.authority.setting.certificates.certificates == {}


def test_forged_order_for_ten_years_is_not_signed(client: AcmeClient) -> None:
    before = signatures(client)
    answer = finalized(client, forged_order(client, "www.example.com", not_after=START + timedelta(days=3_650)))
    assert (answer.problem, signatures(client)) == ("badCSR", before), answer.text


@pytest.mark.parametrize("defaults", WIDE_DEFAULTS)
def test_forged_profile_does_not_exceed_the_ceiling(client: AcmeClient, defaults: str) -> None:
    """A front that lies to itself about the profile, which it cannot write."""
    anything = {**ANYTHING, "extendedKeyUsages": {"allowed": ["server_auth", "code_signing"]}}
    changes = {"defaults": WIDE_DEFAULTS[defaults], "policy": Policy.model_validate(anything)}
    client.authority.setting.configuration.put(client.authority.profile.model_copy(update=changes))
    before = signatures(client)
    answer = finalized(client, forged_order(client, "www.example.com"))
    assert (answer.problem, signatures(client)) == ("badCSR", before), answer.text


EXTENSIONS: dict[str, tuple[bytes, ...]] = {
    "none": (),
    "ca": (raw.extension("2.5.29.19", bytes.fromhex("30060101ff020103"), critical=True),),
    "certificates": (raw.extension(raw.KEY_USAGE, bytes.fromhex("03020106"), critical=True),),
    "clients": (raw.extension("2.5.29.37", raw.sequence(raw.identifier("1.3.6.1.5.5.7.3.2"))),),
    "encryption": (raw.extension(raw.KEY_USAGE, bytes.fromhex("03020308")),),
}


@pytest.mark.parametrize("asked", EXTENSIONS)
def test_forged_order_gets_at_most_what_the_ceiling_allows(client: AcmeClient, asked: str) -> None:
    """A name that was never validated can be certified: the ceiling, not the challenge, bounds a stolen front."""
    order = forged_order(client, "unproven.example.com", not_after=START + timedelta(days=89))
    answer = finalized(client, order, *EXTENSIONS[asked])
    assert answer.json["status"] == "valid", answer.text
    certificates = client.authority.setting.certificates.certificates
    (record,) = certificates.values()
    found = record.signed
    check_certificate(found, frozenset({"dns:unproven.example.com"}), public_bytes(KEY.public_key()))
    assert found.not_valid_after_utc - found.not_valid_before_utc <= timedelta(days=90, minutes=5)
    purposes = found.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(purposes) == [x509.ExtendedKeyUsageOID.SERVER_AUTH]
    (intent,) = client.authority.setting.ledger.intents.values()  # the operator's audit sees it
    assert intent.serial_number == found.serial_number
    assert "unproven.example.com" in intent.says["leaf"]


def test_forged_account_gets_at_most_what_the_ceiling_allows(client: AcmeClient) -> None:
    """An account without registration, for a profile that requires a credential."""
    setting, profile = client.authority.setting, client.authority.profile
    thief = AcmeClient(client.authority)
    account = Account(
        id="forged", profile=profile.id, jwk=to_jwk(thief.key.public_key), thumbprint=thief.thumbprint, created_at=START
    )
    setting.acme_accounts.stored[account.id] = account
    thief.key_id = f"{client.authority.base}/accounts/{account.id}"
    assert finalized(thief, forged_order(thief, "www.example.com")).json["status"] == "valid"
    assert finalized(thief, forged_order(thief, "evil.net")).problem == "badCSR"
    names = {
        name for intent in setting.ledger.intents.values() for name in ("evil.net",) if name in intent.says["leaf"]
    }
    assert (len(setting.ledger.intents), names) == (1, set())
