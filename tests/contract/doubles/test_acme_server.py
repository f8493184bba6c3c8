"""Tests of the ACME double: it refuses what strict servers refuse."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from evercert.acme import base64url, jws
from evercert.acme.jwk import thumbprint, to_jwk
from evercert.pki.keys import PrivateKey
from tests.doubles.acme import FakeAnswers
from tests.doubles.acme_server import AcmeServer
from tests.doubles.fakes import HandClock, spec

HEADERS = {"Content-Type": jws.MEDIA_TYPE, "User-Agent": "test/1"}
ORDER = {"identifiers": [{"type": "dns", "value": "www.example.com"}]}


@dataclass
class Bare:
    """A client that sends whatever a test asks for."""

    server: AcmeServer
    http: httpx.Client
    key: PrivateKey = field(default_factory=lambda: PrivateKey.generate("EC_prime256v1"))
    account: str | None = None
    answers: FakeAnswers = field(default_factory=lambda: FakeAnswers(HandClock()))

    def __post_init__(self) -> None:
        self.directory = self.http.get(self.server.directory).json()
        self.server.use(self.answers)
        self.account = self.post("newAccount", {"termsOfServiceAgreed": True}, jwk=True).headers["Location"]

    def nonce(self) -> str:
        return str(self.http.head(self.directory["newNonce"]).headers["Replay-Nonce"])

    def post(
        self, where: str, payload: Any, *, jwk: bool = False, headers: Mapping[str, str] = HEADERS, **changes: Any
    ) -> httpx.Response:
        """Send a signed request; `changes` replace members of its protected header, None removes one."""
        url = self.directory.get(where, where)
        who = {"jwk": to_jwk(self.key.public_key)} if jwk else {"kid": self.account}
        protected = {**who, "nonce": self.nonce(), "url": url, **changes}
        protected = {name: value for name, value in protected.items() if value is not None}
        content = b"" if payload is None else json.dumps(payload).encode()
        return self.http.post(url, content=jws.sign(content, protected, self.key), headers=dict(headers))

    def ready(self) -> dict[str, Any]:
        """Return an order whose authorization is valid."""
        placed = self.post("newOrder", ORDER)
        authorization = self.post(placed.json()["authorizations"][0], None).json()
        (challenge,) = [entry for entry in authorization["challenges"] if entry["type"] == "http-01"]
        text = f"{challenge['token']}.{thumbprint(to_jwk(self.key.public_key))}"
        self.answers.answers[challenge["token"]] = text
        assert self.post(challenge["url"], {}).status_code == 200
        found: dict[str, Any] = self.post(placed.headers["Location"], None).json()
        assert found["status"] == "ready"
        return found


@pytest.fixture
def server() -> Iterator[AcmeServer]:
    with AcmeServer(HandClock()) as started:
        yield started


@pytest.fixture
def client(server: AcmeServer) -> Iterator[Bare]:
    with httpx.Client(trust_env=False) as http:
        yield Bare(server, http)


def told(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["Content-Type"] == "application/problem+json"
    return answer.status_code, answer.json()["type"].rpartition(":")[2]


def csr(*names: str, key: PrivateKey | None = None) -> dict[str, str]:
    pem = (key or PrivateKey.generate("EC_prime256v1")).sign_csr(spec(attributes={"alt-names": list(names)}).attributes)
    der = x509.load_pem_x509_csr(pem.encode()).public_bytes(serialization.Encoding.DER)
    return {"csr": base64url.encode(der)}


def test_request_needs_its_headers(client: Bare) -> None:
    assert told(client.post("newOrder", ORDER, headers={**HEADERS, "User-Agent": ""})) == (400, "malformed")
    assert told(client.post("newOrder", ORDER, headers={**HEADERS, "Content-Type": "application/json"})) == (
        415,
        "malformed",
    )
    assert told(client.http.get(client.directory["newOrder"])) == (405, "malformed")


def test_nonce_is_valid_once(client: Bare) -> None:
    nonce = client.nonce()
    assert client.post("newOrder", ORDER, nonce=nonce).status_code == 201
    refused = client.post("newOrder", ORDER, nonce=nonce)
    assert told(refused) == (400, "badNonce")
    assert client.post("newOrder", ORDER, nonce=refused.headers["Replay-Nonce"]).status_code == 201
    assert told(client.post("newOrder", ORDER, nonce=None)) == (400, "badNonce")


def test_protected_header_is_verified(client: Bare, server: AcmeServer) -> None:
    url = client.directory["newOrder"]
    assert told(client.post("newOrder", ORDER, url=url.replace("%2F", "/"))) == (403, "unauthorized")
    assert told(client.post("newOrder", ORDER, url=None)) == (403, "unauthorized")
    assert told(client.post("newOrder", ORDER, jwk=True, kid=client.account)) == (400, "malformed")
    assert told(client.post("newOrder", ORDER, jwk=True)) == (400, "malformed")
    assert told(client.post("newAccount", {"termsOfServiceAgreed": True})) == (400, "malformed")
    assert told(client.post("newOrder", ORDER, kid=f"{client.account}0")) == (400, "accountDoesNotExist")
    assert told(client.post("newOrder", ORDER, alg="ES384")) == (400, "malformed")
    assert told(client.post("newOrder", ORDER, alg="none")) == (400, "badSignatureAlgorithm")
    client.key = PrivateKey.generate("EC_prime256v1")
    assert told(client.post("newOrder", ORDER)) == (400, "malformed")


def test_urls_are_compared_exactly(client: Bare, server: AcmeServer) -> None:
    url = client.directory["newOrder"]
    for other in (url.replace("~", "%7E"), url.replace("%2F", "%2f"), f"{url}&", url.partition("?")[0]):
        assert told(client.post(other, ORDER)) == (404, "malformed")


def test_reads_are_posts_with_an_empty_payload(client: Bare) -> None:
    placed = client.post("newOrder", ORDER)
    assert client.post(placed.headers["Location"], None).status_code == 200
    assert told(client.post(placed.headers["Location"], {})) == (400, "malformed")
    assert told(client.post(placed.json()["authorizations"][0], {})) == (400, "malformed")
    assert told(client.http.get(placed.headers["Location"])) == (405, "malformed")


def test_challenge_answer_is_an_empty_object_once(client: Bare) -> None:
    placed = client.post("newOrder", ORDER).json()
    challenge = client.post(placed["authorizations"][0], None).json()["challenges"][0]["url"]
    assert told(client.post(challenge, {"keyAuthorization": "x"})) == (400, "malformed")
    assert client.post(challenge, {}).status_code == 200
    assert told(client.post(challenge, {})) == (400, "malformed")


def test_wrong_answer_invalidates_the_order(client: Bare) -> None:
    placed = client.post("newOrder", ORDER)
    authorization = client.post(placed.json()["authorizations"][0], None).json()
    for challenge in authorization["challenges"]:
        client.answers.answers[challenge["token"]] = f"{challenge['token']}.wrong"
    client.post(authorization["challenges"][1]["url"], {})
    assert client.post(placed.headers["Location"], None).json()["status"] == "invalid"


def test_finalize_needs_a_ready_order_and_its_names(client: Bare, server: AcmeServer) -> None:
    placed = client.post("newOrder", ORDER).json()
    assert told(client.post(placed["finalize"], csr("www.example.com"))) == (403, "orderNotReady")
    order = client.ready()
    for wrong in (csr("www.example.com", "b.example.com"), csr("b.example.com"), {"csr": "AAAA"}):
        assert told(client.post(order["finalize"], wrong)) == (400, "badCSR")
    assert told(client.post(order["finalize"], csr("www.example.com", key=client.key))) == (400, "badCSR")
    assert told(client.post(order["finalize"], {**csr("www.example.com"), "x": 1})) == (400, "malformed")
    assert client.post(order["finalize"], csr("www.example.com")).json()["status"] == "valid"
    assert told(client.post(order["finalize"], csr("www.example.com"))) == (403, "orderNotReady")
    assert len(server.issued) == 1


def test_resources_belong_to_their_account(client: Bare, server: AcmeServer) -> None:
    order = client.ready()
    client.post(order["finalize"], csr("www.example.com"))
    placed = server.orders[0]
    client.key = PrivateKey.generate("EC_prime256v1")
    client.account = client.post("newAccount", {"termsOfServiceAgreed": True}, jwk=True).headers["Location"]
    challenge = placed.authorizations[0].challenges[0].url
    for url in (placed.url, placed.finalize, placed.certificate, placed.listed[0], challenge):
        assert told(client.post(url, None)) == (403, "unauthorized")
    assert told(client.post(server.accounts[0].url, {"contact": []})) == (403, "unauthorized")


def test_new_account_needs_consent_and_contacts(client: Bare) -> None:
    client.key = PrivateKey.generate("EC_prime256v1")
    assert told(client.post("newAccount", {}, jwk=True)) == (403, "userActionRequired")
    for contact in ("ops@example.com", "mailto:a@example.com,b@example.com", "tel:1"):
        wanted = {"termsOfServiceAgreed": True, "contact": [contact]}
        assert told(client.post("newAccount", wanted, jwk=True)) == (400, "invalidContact")
    assert told(client.post("newAccount", {"onlyReturnExisting": True}, jwk=True)) == (400, "accountDoesNotExist")


def test_unknown_members_are_refused(client: Bare) -> None:
    assert told(client.post("newOrder", {**ORDER, "subject": "x"})) == (400, "malformed")
    assert told(client.post("newOrder", {**ORDER, "resource": "new-order"})) == (400, "malformed")
    assert told(client.post("newOrder", {**ORDER, "profile": "unknown"})) == (400, "invalidProfile")
    assert told(client.post("newOrder", {"identifiers": []})) == (400, "malformed")
    assert told(client.post("newOrder", ORDER, extra="x")) == (400, "malformed")
