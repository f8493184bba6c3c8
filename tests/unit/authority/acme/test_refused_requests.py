"""Requests that break a rule of RFC 8555 §6, for each resource: type, status, a fresh nonce, and nothing changed."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from evercert.acme import base64url, jws
from evercert.acme.jwk import to_jwk
from evercert.pki.keys import PrivateKey
from tests.doubles.authority.acme_client import AcmeAuthority, AcmeClient, Answer
from tests.samples import requests

RESOURCES = (
    "new-account", "new-order", "revoke-cert", "key-change", "account", "orders", "order", "finalize", "certificate",
    "authorization", "challenge",
)  # fmt: skip
OTHER = PrivateKey.generate("EC_prime256v1")
JOSE = "application/jose+json"


@dataclass
class World:
    """A client with an open order, and the URL of each resource."""

    client: AcmeClient
    urls: Mapping[str, str]

    def state(self) -> Any:
        setting = self.client.authority.setting
        accounts = setting.acme_accounts.stored
        stored = (setting.acme_orders.stored, accounts, setting.certificates.certificates, setting.validations.sent)
        return copy.deepcopy(stored)

    def header(self, resource: str, **changes: Any) -> dict[str, Any]:
        """Return a valid protected header, with changes; None removes a member."""
        identity = (
            {"jwk": to_jwk(self.client.key.public_key)} if resource == "new-account" else {"kid": self.client.key_id}
        )
        found = {"alg": "ES256", "nonce": self.client.nonce(), "url": self.urls[resource], **identity, **changes}
        return {name: value for name, value in found.items() if value is not None}

    def members(self, resource: str, payload: bytes = b"{}", **changes: Any) -> dict[str, str]:
        """Return a JWS whose signature fits its header."""
        return jws.signed(payload, self.header(resource, **changes), self.client.key)

    def send(self, resource: str, body: bytes, content_type: str = JOSE, method: str = "POST") -> Answer:
        return self.client.authority.call(method, self.urls[resource], body, content_type=content_type)

    def post(self, resource: str, members: Any) -> Answer:
        return self.send(resource, json.dumps(members).encode())


@pytest.fixture
def world() -> World:
    client = AcmeClient(AcmeAuthority())
    client.register()
    placed = client.order("www.example.com")
    authorization = placed.json["authorizations"][0]
    challenge = client.read(authorization).json["challenges"][0]["url"]
    assert client.key_id is not None
    base = client.authority.base
    urls = {
        "new-account": f"{base}/new-account",
        "new-order": f"{base}/new-order",
        "revoke-cert": f"{base}/revoke-cert",
        "key-change": f"{base}/key-change",
        "account": client.key_id,
        "orders": f"{client.key_id}/orders",
        "order": placed.headers["Location"],
        "finalize": placed.json["finalize"],
        "certificate": f"{placed.headers['Location']}/certificate",
        "authorization": authorization,
        "challenge": challenge,
    }
    return World(client, urls)


def forged(world: World, resource: str, **header: Any) -> Answer:
    """Send a JWS with this header, whatever its algorithm, signed as ES256."""
    members = world.header(resource, **header)
    found = jws.flattened(b"{}", members, lambda _: bytes(64))
    return world.post(resource, found)


def without(world: World, resource: str, name: str) -> Answer:
    found = world.members(resource)
    del found[name]
    return world.post(resource, found)


def changed(world: World, resource: str, **members: Any) -> Answer:
    return world.post(resource, {**world.members(resource), **members})


def reused(world: World, resource: str) -> Answer:
    nonce = world.client.nonce()
    assert world.client.post(world.urls["account"], None, nonce=nonce).status == 200
    return world.post(resource, world.members(resource, nonce=nonce))


def old(world: World, resource: str) -> Answer:
    nonce = world.client.nonce()
    world.client.authority.setting.clock.advance(seconds=700)
    return world.post(resource, world.members(resource, nonce=nonce))


def broken(world: World, resource: str) -> Answer:
    signature = base64url.decode(world.members(resource)["signature"])
    return changed(world, resource, signature=base64url.encode(bytes([signature[0] ^ 1]) + signature[1:]))


def of_another_key(world: World, resource: str) -> Answer:
    found = jws.signed(b"{}", world.header(resource), OTHER)
    return world.post(resource, found)


def raw(body: bytes) -> Callable[[World, str], Answer]:
    return lambda world, resource: world.send(resource, body)


def with_payload(payload: bytes) -> Callable[[World, str], Answer]:
    return lambda world, resource: world.post(resource, world.members(resource, payload))


def with_header(**header: Any) -> Callable[[World, str], Answer]:
    return lambda world, resource: world.post(resource, world.members(resource, **header))


MALFORMED = (400, "malformed")
RULES: dict[str, tuple[Callable[[World, str], Answer], tuple[int, str]]] = {
    "content-type": (
        lambda world, resource: world.send(resource, json.dumps(world.members(resource)).encode(), "application/json"),
        (415, "malformed"),
    ),
    "put": (lambda world, resource: world.send(resource, b"", method="PUT"), (405, "malformed")),
    "delete": (lambda world, resource: world.send(resource, b"", method="DELETE"), (405, "malformed")),
    "get": (lambda world, resource: world.send(resource, b"", method="GET"), (405, "malformed")),
    "empty": (raw(b""), MALFORMED),
    "no-json": (raw(b"{"), MALFORMED),
    "list": (raw(b"[]"), MALFORMED),
    "compact": (raw(b'"a.b.c"'), MALFORMED),
    "deep": (raw(b"[" * 5_000), MALFORMED),
    "large": (raw(b" " * 60_000), (413, "malformed")),
    "unprotected-header": (lambda world, resource: changed(world, resource, header={"kid": "x"}), MALFORMED),
    "signatures": (lambda world, resource: changed(world, resource, signatures=[]), MALFORMED),
    "no-payload": (lambda world, resource: without(world, resource, "payload"), MALFORMED),
    "no-signature": (lambda world, resource: without(world, resource, "signature"), MALFORMED),
    "no-header": (lambda world, resource: without(world, resource, "protected"), MALFORMED),
    "padding": (
        lambda world, resource: changed(world, resource, payload=world.members(resource)["payload"] + "="),
        MALFORMED,
    ),
    "alg-none": (lambda world, resource: forged(world, resource, alg="none"), (400, "badSignatureAlgorithm")),
    "alg-mac": (lambda world, resource: forged(world, resource, alg="HS256"), (400, "badSignatureAlgorithm")),
    "alg-of-another-key": (
        lambda world, resource: forged(world, resource, alg="RS256"),
        (400, "badSignatureAlgorithm"),
    ),
    "crit": (with_header(crit=["x"]), MALFORMED),
    "unencoded-payload": (with_header(b64=False), MALFORMED),
    "other-url": (with_header(url="https://ca.example.com/other"), (401, "unauthorized")),
    "no-url": (with_header(url=None), (401, "unauthorized")),
    "jwk-and-kid": (with_header(jwk=to_jwk(OTHER.public_key), kid="https://ca.example.com/a"), MALFORMED),
    "neither-jwk-nor-kid": (with_header(jwk=None, kid=None), MALFORMED),
    "no-nonce": (with_header(nonce=None), (400, "badNonce")),
    "number-as-nonce": (with_header(nonce=7), (400, "badNonce")),
    "foreign-nonce": (with_header(nonce="AAAA"), (400, "badNonce")),
    "nonce-not-base64url": (with_header(nonce="a+b/"), MALFORMED),
    "used-nonce": (reused, (400, "badNonce")),
    "old-nonce": (old, (400, "badNonce")),
    "broken-signature": (broken, MALFORMED),
    "signature-of-another-key": (of_another_key, MALFORMED),
    "payload-no-json": (with_payload(b"{"), MALFORMED),
    "payload-list": (with_payload(b"[]"), MALFORMED),
    "payload-text": (with_payload(b'"x"'), MALFORMED),
}


def require_refused(world: World, call: Callable[[], Answer], expected: tuple[int, str]) -> None:
    before = world.state()
    answer = call()
    assert (answer.status, answer.problem) == expected, answer.text
    assert answer.json["status"] == answer.status
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Link"].endswith('/directory>;rel="index"')
    if "Allow" not in answer.headers:
        again = world.client.post(world.urls["account"], None, nonce=answer.headers["Replay-Nonce"])
        assert again.status == 200
    if answer.problem == "badSignatureAlgorithm":
        assert "ES256" in answer.json["algorithms"]
    assert world.state() == before


@pytest.mark.parametrize("resource", RESOURCES)
@pytest.mark.parametrize("rule", RULES)
def test_request_is_refused(world: World, resource: str, rule: str) -> None:
    call, expected = RULES[rule]
    require_refused(world, lambda: call(world, resource), expected)


@pytest.mark.parametrize("resource", [one for one in RESOURCES if one not in {"new-account", "revoke-cert"}])
def test_request_is_signed_by_an_account(world: World, resource: str) -> None:
    jwk = {"kid": None, "jwk": to_jwk(world.client.key.public_key)}
    require_refused(world, lambda: with_header(**jwk)(world, resource), MALFORMED)
    for kid in (
        f"{world.client.key_id}x",
        "https://other.example/accounts/1",
        f"{world.client.authority.base}/accounts/",
    ):
        require_refused(
            world,
            lambda kid=kid: with_header(kid=kid)(world, resource),
            (400, "accountDoesNotExist"),  # type: ignore[misc]
        )


@pytest.mark.parametrize("resource", ["orders", "order", "certificate"])
def test_resource_is_read_with_an_empty_payload(world: World, resource: str) -> None:
    require_refused(world, lambda: with_payload(b"{}")(world, resource), MALFORMED)


def test_request_of_someone_else_uses_up_no_nonce(world: World) -> None:
    nonce = world.client.nonce()
    members = jws.signed(b"{}", world.header("order", nonce=nonce), OTHER)
    assert world.post("order", members).problem == "malformed"
    assert world.client.post(world.urls["order"], None, nonce=nonce).status == 200


NO_OBJECTS = [b"{}", b'{"identifiers":[]}', b'{"identifiers":{}}', b'{"identifiers":["www.example.com"]}',
              b'{"identifiers":[{"type":"dns"}]}', b'{"identifiers":[{"type":"dns","value":7}]}']  # fmt: skip


@pytest.mark.parametrize("payload", NO_OBJECTS)
def test_order_without_names_is_malformed(world: World, payload: bytes) -> None:
    require_refused(world, lambda: with_payload(payload)(world, "new-order"), MALFORMED)


def order(*names: tuple[str, str], **members: Any) -> bytes:
    return json.dumps({"identifiers": [{"type": kind, "value": value} for kind, value in names], **members}).encode()


NAME = ("dns", "www.example.com")


@pytest.mark.parametrize(
    ("payload", "kind"),
    [
        (order(("email", "a@example.com")), "unsupportedIdentifier"),
        (order(("dns", "127.0.0.1")), "malformed"),
        (order(("dns", "*.*.example.com")), "malformed"),
        (order(("dns", "www.example.com.")), "malformed"),
        (order(("dns", "bücher.example")), "malformed"),
        (order(("dns", "xn--a")), "malformed"),
        (order(("dns", "a" * 64 + ".example")), "malformed"),
        (order(("dns", "")), "malformed"),
        (order(("ip", "192.0.2.0/24")), "malformed"),
        (order(("ip", "www.example.com")), "malformed"),
        (order(("ip", "010.0.0.1")), "malformed"),
        (order(NAME, profile="other"), "invalidProfile"),
        (order(NAME, profile=7), "invalidProfile"),
        (order(NAME, notAfter="soon"), "malformed"),
        (order(NAME, notAfter="2020-01-01T00:00:00Z"), "malformed"),
        (order(NAME, notBefore="2030-01-02T00:00:00Z", notAfter="2030-01-01T00:00:00Z"), "malformed"),
        (order(NAME, replaces="AAAA.BBBB"), "malformed"),
        (order(NAME, replaces=7), "malformed"),
        (order(*[("dns", f"w{number}.example.com") for number in range(101)]), "malformed"),
    ],
)
def test_order_is_refused(world: World, payload: bytes, kind: str) -> None:
    require_refused(world, lambda: with_payload(payload)(world, "new-order"), (400, kind))


def finalized(world: World, key: PrivateKey | None = None, **attributes: Any) -> Answer:
    names = attributes.pop("names", ["dns:www.example.com"])
    found = {"finalize": world.urls["finalize"], "identifiers": [
        {"type": one.partition(":")[0], "value": one.partition(":")[2]} for one in names
    ]}  # fmt: skip
    return world.client.finalize(found, key, **attributes)


@pytest.fixture
def ready(world: World) -> World:
    world.client.prove(world.client.read(world.urls["order"]).json)
    return world


@pytest.mark.parametrize("names", [["dns:other.example.com"], ["dns:www.example.com", "dns:api.example.com"]])
def test_csr_has_the_names_of_the_order(ready: World, names: list[str]) -> None:
    require_refused(ready, lambda: finalized(ready, names=names), (400, "badCSR"))
    assert ready.client.read(ready.urls["order"]).json["status"] == "ready"


def test_csr_has_another_key_than_the_account(ready: World) -> None:
    require_refused(ready, lambda: finalized(ready, ready.client.key), (400, "badCSR"))


@pytest.mark.parametrize("csr", [None, 7, "", "AAAA", "a+b/", "A" * 30_000])
def test_unreadable_csr_is_refused(ready: World, csr: object) -> None:
    answer = ready.client.post(ready.urls["finalize"], {"csr": csr})
    assert (answer.status, answer.problem) in {(400, "badCSR"), (400, "malformed")}
    assert ready.client.read(ready.urls["order"]).json["status"] == "ready"


@pytest.mark.parametrize("version", [1, 2, -1])
def test_csr_of_another_version_is_refused(ready: World, version: int) -> None:
    """PKCS #10 has version 0 only (RFC 2986 §4.1); `cryptography` raises InvalidVersion, which is no ValueError."""
    der = requests.der(requests.request(version=version))
    answer = ready.client.post(ready.urls["finalize"], {"csr": base64url.encode(der)})
    assert (answer.status, answer.problem) == (400, "badCSR")
    assert ready.client.read(ready.urls["order"]).json["status"] == "ready"


@pytest.mark.parametrize("version", [1, 3, 7])
def test_certificate_of_another_version_is_not_revoked(world: World, version: int) -> None:
    """The number 2 stands for X.509 version 3 (RFC 5280 §4.1.2.1)."""
    der = world.client.issue("api.example.com")[1][0].public_bytes(serialization.Encoding.DER)
    other = der.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01" + bytes([version]), 1)
    answer = world.client.post(world.urls["revoke-cert"], {"certificate": base64url.encode(other)})
    assert (answer.status, answer.problem) == (400, "malformed")


def test_order_that_is_not_ready_is_not_finalized(world: World) -> None:
    require_refused(world, lambda: finalized(world), (403, "orderNotReady"))


@pytest.mark.parametrize("contact", ["mailto:a@example.com", [7], ["mailto:a@b@c"], ["mailto:a@example.com?cc=b@c.d"]])
def test_bad_contact_is_refused(world: World, contact: object) -> None:
    answer = world.client.post(world.urls["account"], {"contact": contact})
    assert (answer.status, answer.problem) == (400, "invalidContact")


def test_unsupported_contact_is_refused(world: World) -> None:
    answer = world.client.post(world.urls["account"], {"contact": ["tel:+123"]})
    assert (answer.status, answer.problem) == (400, "unsupportedContact")


@pytest.mark.parametrize("payload", [{"status": "valid"}, {"identifier": {}}])
def test_authorization_is_only_deactivated(world: World, payload: dict[str, Any]) -> None:
    require_refused(world, lambda: world.client.post(world.urls["authorization"], payload), MALFORMED)


def test_unknown_paths_are_not_found(world: World) -> None:
    base, other = world.client.authority.base, "00000000-0000-0000-0000-000000000000"
    for url in (
        f"{base}/other",
        f"{base}/orders/x/y",
        base.replace(world.client.authority.profile.id, other) + "/directory",
    ):
        answer = world.client.authority.call("GET", url)
        assert (answer.status, answer.problem) == (404, "malformed")


def test_profile_without_acme_has_no_directory(world: World) -> None:
    plain = world.client.authority.setting.profile(slug="plain")
    base = world.client.authority.base.replace(world.client.authority.profile.id, plain.id)
    assert world.client.authority.call("GET", f"{base}/directory").status == 404


def test_browser_may_send_requests(world: World) -> None:
    answer = world.client.authority.call("OPTIONS", world.urls["new-order"])
    assert answer.status == 204
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Replay-Nonce" in answer.headers["Access-Control-Expose-Headers"]
