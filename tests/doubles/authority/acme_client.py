"""An ACME client that builds each request by hand and calls the authority function's entry point."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from evercert.acme import base64url, challenges, external_account, jws
from evercert.acme.jwk import thumbprint, to_jwk
from evercert.authority.configuration.profiles import EabCredential
from evercert.authority.validation.ports import NotValidated, Page
from evercert.authority.validation.validator import Validator
from evercert.pki.attributes import Attributes
from evercert.pki.keys import PrivateKey
from tests.doubles.authority.authority import Setting
from tests.doubles.authority.server import CONTEXT, entry_point, event_of


@dataclass
class Answer:
    """An answer with its parsed body."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def problem(self) -> str:
        """The type of a problem document, without its URN."""
        assert self.headers["Content-Type"] == "application/problem+json", self.text
        return str(self.json["type"]).removeprefix("urn:ietf:params:acme:error:")


@dataclass
class FakeNetwork:
    """Pages and TXT records of the names that clients control."""

    pages: dict[str, bytes | Page | NotValidated] = field(default_factory=dict)
    records: dict[str, list[bytes]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    inside: list[str] = field(default_factory=list)  # those that may be in a private network

    def load(self, url: str, within: timedelta, *, private: bool) -> Page:
        assert within <= timedelta(seconds=10)
        if private:
            self.inside.append(url)
        self.asked.append(url)
        found = self.pages.get(url, Page(404, None, b"not found"))
        if isinstance(found, NotValidated):
            raise found
        return found if isinstance(found, Page) else Page(200, None, found)

    def texts(self, name: str) -> list[bytes]:
        self.asked.append(name)
        return self.records.get(name, [])


class AcmeAuthority:
    """An authority with one profile for ACME clients, its network and its validator."""

    def __init__(self, setting: Setting | None = None, module: Any = None, **options: Any) -> None:
        """`module` is the authority function; by default one with the doubles of the setting."""
        self.setting = setting or Setting()
        self.module = module or entry_point(self.setting.front, self.setting.acme)
        self.profile = self.setting.profile(acme={"eab": "optional", **options}, defaults={"ttlDays": 30})
        self.network = FakeNetwork()
        self.address = "192.0.2.1"  # of all clients
        self.validator = Validator(
            self.setting.acme_orders, self.setting.validations, self.network, self.network, self.setting.clock
        )
        self.base = f"{self.setting.address}/api/v1/cert-manager/acme/profiles/{self.profile.id}"

    def credential(self, name: str = "team", **changes: Any) -> tuple[EabCredential, bytes]:
        """Create a credential; return it with its MAC key."""
        mac_key, sealed = self.setting.mac_keys.new(name)
        now = self.setting.clock()
        values = {"id": name, "profile": self.profile.id, "sealed": sealed, "created-at": now, **changes}
        found = EabCredential.model_validate(values)
        self.setting.configuration.put(found)
        return found, mac_key

    def call(self, method: str, url: str, body: bytes = b"", **headers: str) -> Answer:
        event = event_of(method, url, {name.replace("_", "-"): value for name, value in headers.items()}, body)
        event["requestContext"]["http"]["sourceIp"] = self.address
        found = self.module.handler(event, CONTEXT)
        return Answer(found["statusCode"], found["headers"], found["body"])

    def validate(self) -> list[str]:
        """Deliver all messages of the queue at their times; return the outcomes."""
        outcomes = []
        while self.setting.validations.sent:
            message, delay = self.setting.validations.sent.pop(0)
            self.setting.clock.advance(seconds=delay.total_seconds())
            outcomes.append(self.validator.run(*message)[0])
        return outcomes


class AcmeClient:
    """A client with an account key; `nonce` and `key_id` are of the last answer and of its account."""

    def __init__(self, authority: AcmeAuthority, key: PrivateKey | None = None) -> None:
        self.authority = authority
        self.key = key or PrivateKey.generate("EC_prime256v1")
        self.key_id: str | None = None
        self.directory = authority.call("GET", f"{authority.base}/directory").json

    @property
    def thumbprint(self) -> str:
        return thumbprint(to_jwk(self.key.public_key))

    def nonce(self) -> str:
        return self.authority.call("HEAD", self.directory["newNonce"]).headers["Replay-Nonce"]

    def post(
        self,
        url: str,
        payload: Mapping[str, Any] | bytes | None,
        *,
        header: Mapping[str, Any] | None = None,
        key: PrivateKey | None = None,
        content_type: str = "application/jose+json",
        nonce: str | None = None,
    ) -> Answer:
        """Send a signed request; None makes a POST-as-GET. `header` replaces or removes (None) header members."""
        content = payload if isinstance(payload, bytes) else b"" if payload is None else json.dumps(payload).encode()
        identity = {"kid": self.key_id} if self.key_id else {"jwk": to_jwk(self.key.public_key)}
        members = {"nonce": nonce or self.nonce(), "url": url, **identity, **(header or {})}
        protected = {name: value for name, value in members.items() if value is not None}
        body = jws.sign(content, protected, key or self.key)
        return self.authority.call("POST", url, body, content_type=content_type)

    def register(self, mac: tuple[str, bytes] | None = None, **members: Any) -> Answer:
        """Register an account, bound with key id and MAC key; remember its URL."""
        url = self.directory["newAccount"]
        if mac is not None:
            members["externalAccountBinding"] = external_account.bind(to_jwk(self.key.public_key), *mac, url)
        answer = self.post(url, members)
        if answer.status in {200, 201}:
            self.key_id = answer.headers["Location"]
        return answer

    def order(self, *names: str, **members: Any) -> Answer:
        identifiers = [{"type": "ip" if name[0].isdigit() or ":" in name else "dns", "value": name} for name in names]
        return self.post(self.directory["newOrder"], {"identifiers": identifiers, **members})

    def read(self, url: str) -> Answer:
        return self.post(url, None)

    def prove(self, order: Mapping[str, Any], kind: str = "http-01") -> list[str]:
        """Publish the answers of all authorizations and have them validated; return the outcomes."""
        network = self.authority.network
        for url in order["authorizations"]:
            authorization = self.read(url).json
            challenge = next((one for one in authorization["challenges"] if one["type"] == kind), None)
            if challenge is None or authorization["status"] != "pending":
                continue
            expected = challenges.key_authorization(challenge["token"], self.thumbprint)
            name = authorization["identifier"]["value"]
            host = f"[{name}]" if ":" in name else name
            if kind == "http-01":
                network.pages[f"http://{host}{challenges.HTTP_PATH}{challenge['token']}"] = expected.encode()
            else:
                network.records.setdefault(f"_acme-challenge.{name}", []).append(
                    challenges.dns_value(expected).encode()
                )
            assert self.post(challenge["url"], {}).status == 200
        return self.authority.validate()

    def finalize(self, order: Mapping[str, Any], key: PrivateKey | None = None, **attributes: Any) -> Answer:
        names = [f"{one['type']}:{one['value']}" for one in order["identifiers"]]
        wanted = Attributes.model_validate({"alt-names": names, **attributes})
        csr = x509.load_pem_x509_csr((key or PrivateKey.generate("EC_prime256v1")).sign_csr(wanted).encode())
        return self.post(order["finalize"], {"csr": base64url.encode(csr.public_bytes(serialization.Encoding.DER))})

    def revoke(self, certificate: x509.Certificate, /, **members: Any) -> Answer:
        encoded = base64url.encode(certificate.public_bytes(serialization.Encoding.DER))
        return self.post(self.directory["revokeCert"], {"certificate": encoded, **members})

    def issue(
        self, *names: str, kind: str = "http-01", **members: Any
    ) -> tuple[dict[str, Any], list[x509.Certificate]]:
        """Order, prove, finalize and download; return the order and the chain."""
        placed = self.order(*names, **members)
        assert placed.status == 201, placed.text
        self.prove(placed.json, kind)
        finalized = self.finalize(placed.json)
        assert finalized.status == 200, finalized.text
        order = self.read(placed.headers["Location"]).json
        assert order["status"] == "valid", order
        return order, x509.load_pem_x509_certificates(self.read(order["certificate"]).text.encode())
