"""Requests of the authority's clients at Pebble, through evercert's ACME issuer."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest
from cryptography import x509

from evercert.contracts.issuer import OpenIssuer
from evercert.pki.keys import PrivateKey
from tests.doubles.acme import AcmeBench, web_host
from tests.doubles.acme import clock as real_clock
from tests.doubles.authority.client import CERTIFICATES
from tests.doubles.fakes import FakeIssuers
from tests.tools.pebble import Pebble, pebble
from tests.unit.operations.test_external_requests import External

pytestmark = pytest.mark.peer("go")
MOST_RUNS = 60


@pytest.fixture(scope="module")
def server() -> Iterator[Pebble]:
    with pebble(nonce_reject=15, chain_length=2) as running:
        yield running


@pytest.fixture
def client(server: Pebble) -> Iterator[External]:
    client = External(clock=real_clock)
    bench = AcmeBench(**{"directory": server.directory, "ca-bundle": server.ca_bundle, "email": "ops@example.com"})
    issuers = FakeIssuers({"outside": OpenIssuer(bench.issuer, "hash")})
    client.fulfillment = replace(client.fulfillment, issuers=issuers, sleep=bench.sleep)
    with web_host(bench.answers, server.http_port), closing(bench):
        yield client


def finished(client: External, request: str) -> str:
    """Continue a request as the issuer function does, until it ends."""
    for _ in range(MOST_RUNS):
        if (outcome := client.run(request)) != "pending":
            return outcome
        time.sleep(1)
    raise AssertionError(client.status(request))


def test_certificate_of_an_acme_ca_returns_to_the_request(client: External, server: Pebble) -> None:
    request = client.asked()
    assert finished(client, request) == "issued"
    found = client.status(request)
    bundle = client.get(f"{CERTIFICATES}/{found['certificateId']}/bundle").json
    chain = x509.load_pem_x509_certificates(f"{bundle['certificate']}\n{bundle['certificateChain']}".encode())
    assert chain[0].public_key() == PrivateKey.from_pem(found["privateKey"]).public_key
    assert server.status(f"{chain[0].serial_number:x}") == "Valid" and len(chain) == 3
    shown = client.get(f"{CERTIFICATES}/{found['certificateId']}").json["certificate"]
    assert (shown["caType"], shown["altNames"]) == ("external", "www.example.com")


def test_refusal_of_an_acme_ca_is_the_error_of_the_request(client: External) -> None:
    name = "blocked.example.com"
    request = client.asked({"commonName": name, "altNames": [{"type": "dns_name", "value": name}]})
    assert finished(client, request) == "failed"
    assert "rejectedIdentifier" in client.status(request)["errorMessage"]
