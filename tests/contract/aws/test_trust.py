"""TLS connections of evercert's clients: to AWS with Amazon's roots, elsewhere with the operator's or botocore's bundle."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import SSLError

from evercert.aws import trust
from evercert.aws.clients import translated
from evercert.aws.session import Session
from evercert.aws.timeouts import WAITED_FOR
from evercert.errors import Unavailable
from tests.doubles.raw_server import RawServer, bundle, reply, server_context
from tests.tools.local_stack import CREDENTIALS

HOSTS = {"eu-central-1": "sqs.eu-central-1.amazonaws.com", "us-gov-west-1": "sqs.us-gov-west-1.amazonaws.com"}


@pytest.fixture(autouse=True)
def _no_bundle_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)


@pytest.fixture
def private_ca(tmp_path: Path) -> str:
    """Write the CA of the servers below into a file."""
    path = tmp_path / "ca.pem"
    path.write_text(bundle())
    return str(path)


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """Return a function that lists the queues of a region whose endpoint is a server on loopback."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)

    def call(region: str) -> Any:
        with served(HOSTS[region]) as port:
            resolve = socket.getaddrinfo
            monkeypatch.setattr(socket, "getaddrinfo", lambda _host, _port, *more: resolve("127.0.0.1", port, *more))
            return Session(region).client("sqs", config=WAITED_FOR.config).list_queues()["QueueUrls"]

    return call


@contextmanager
def served(name: str) -> Iterator[int]:
    with RawServer(reply(200, {"QueueUrls": ["q"]}), tls=server_context(name)) as server:
        yield server.port


def test_clients_trust_amazons_roots(
    listed: Callable[[str], Any], private_ca: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trust, "AMAZON_ROOTS", private_ca)
    assert listed("eu-central-1") == ["q"]


def test_clients_refuse_other_roots(listed: Callable[[str], Any]) -> None:
    with pytest.raises(Unavailable, match="set AWS_CA_BUNDLE"), translated("list queues"):
        listed("eu-central-1")


def test_clients_of_other_partitions_ignore_amazons_roots(
    listed: Callable[[str], Any], private_ca: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trust, "AMAZON_ROOTS", private_ca)
    with pytest.raises(SSLError):
        listed("us-gov-west-1")


@pytest.mark.parametrize("region", HOSTS)
def test_clients_trust_the_bundle_of_the_operator(
    region: str, listed: Callable[[str], Any], private_ca: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", private_ca)
    assert listed(region) == ["q"]


def test_clients_trust_the_operators_bundle_at_another_endpoint(
    private_ca: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_CA_BUNDLE", private_ca)
    with served("127.0.0.1") as port:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"https://127.0.0.1:{port}")
        client = Session("eu-central-1").client("sqs", config=WAITED_FOR.config)
        assert client.list_queues()["QueueUrls"] == ["q"]
