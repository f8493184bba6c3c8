"""An ACME client with an account, and with orders and certificates in each state that its requests can name."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from evercert.acme import base64url
from evercert.pki.attributes import Attributes
from evercert.pki.keys import PrivateKey
from tests.doubles.authority.acme_client import AcmeClient, Answer

KEY = "EC_prime256v1"
TOO_MANY = 429
POLLS = 150  # of an order whose names are validated
_NUMBERS = itertools.count()


class Limited(Exception):
    """The server limits the rate of the account: go on with another one."""


@dataclass
class Placed:
    """An order with its URL and its answer to newOrder."""

    url: str
    json: dict[str, Any]

    @property
    def names(self) -> frozenset[str]:
        return names_of(self.json)


@dataclass
class Issued:
    """A valid order, its certificate, and the key of the certificate."""

    order: Placed
    certificate: x509.Certificate
    key: PrivateKey

    @property
    def der(self) -> str:
        return base64url.encode(self.certificate.public_bytes(serialization.Encoding.DER))


def names_of(order: dict[str, Any]) -> frozenset[str]:
    return frozenset(f"{one['type']}:{one['value']}" for one in order["identifiers"])


def csr_der(names: frozenset[str], key: PrivateKey) -> bytes:
    """Return a request for these names."""
    text = key.sign_csr(Attributes.model_validate({"alt-names": sorted(names)}))
    return x509.load_pem_x509_csr(text.encode()).public_bytes(serialization.Encoding.DER)


def succeeded(answer: Answer) -> Answer:
    if answer.status == TOO_MANY:
        raise Limited(answer.text)
    assert answer.status < 300, f"a valid request was refused: {answer.status} {answer.text}"
    return answer


class Party:
    """The client; `ordered` has the names of each of its orders as the server answered to newOrder."""

    def __init__(self, authority: Any, mac: tuple[str, bytes] | None, *, addresses: bool = True) -> None:
        """`mac` binds accounts; `addresses` orders wildcards and IP addresses too."""
        self.authority, self.mac = authority, mac
        self.addresses = addresses
        self.client = AcmeClient(authority)
        self.ordered: dict[str, frozenset[str]] = {}
        self.ready: list[Placed] = []
        self.sign_up()

    def sign_up(self) -> None:
        """Register another account; those before it keep their orders and certificates."""
        self.client.key, self.client.key_id = PrivateKey.generate(KEY), None
        succeeded(self.client.register(self.mac))
        self.ready.clear()
        self.pending, self.issued = self.place(), self.issue()

    def place(self) -> Placed:
        """Place an order: for one name, two, a wildcard, or an address."""
        number = next(_NUMBERS)
        name = f"w{number}.fuzz.example.com"
        kinds = [(name,), (name, f"v{number}.fuzz.example.com")]
        if self.addresses:
            kinds += [(f"*.{name}",), (name, f"198.51.{number // 250 % 250}.{number % 250 + 1}")]
        names = kinds[number % len(kinds)]
        answer = succeeded(self.client.order(*names))
        placed = Placed(answer.headers["Location"], answer.json)
        assert placed.names == {f"{'ip' if one[0].isdigit() else 'dns'}:{one}" for one in names}
        self.ordered[placed.url] = placed.names
        return placed

    def prepare(self) -> Placed:
        """Return an order that is ready."""
        if not self.ready:
            placed = self.place()
            wildcard = any("*" in name for name in placed.names)
            self.client.prove(placed.json, "dns-01" if wildcard else "http-01")
            self._wait(placed, "ready")
            self.ready.append(placed)
        return self.ready[-1]

    def issue(self) -> Issued:
        """Return a new certificate."""
        placed, key = self.prepare(), PrivateKey.generate(KEY)
        csr = base64url.encode(csr_der(placed.names, key))
        succeeded(self.client.post(placed.json["finalize"], {"csr": csr}))
        self.ready.remove(placed)
        return Issued(placed, self.download(placed), key)

    def download(self, placed: Placed) -> x509.Certificate:
        """Return the certificate of an order that was finalized."""
        order = self._wait(placed, "valid")
        chain = x509.load_pem_x509_certificates(succeeded(self.client.read(order["certificate"])).text.encode())
        chain[0].verify_directly_issued_by(chain[1])
        return chain[0]

    def _wait(self, placed: Placed, status: str) -> dict[str, Any]:
        for _ in range(POLLS):
            order = succeeded(self.client.read(placed.url)).json
            if order["status"] not in {"pending", "processing"}:
                break
            time.sleep(0.2)
        assert order["status"] == status, order
        return dict(order)
