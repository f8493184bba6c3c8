"""Documents of servers that managers of projects name, over real connections."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from evercert.deadline import Deadline
from evercert.errors import EvercertError, Misconfigured, OutOfTime, Unavailable
from evercert.http_client.documents import HTTPDocuments
from tests.doubles.fakes import HandClock
from tests.doubles.raw_server import Deed, RawServer, bundle, drip, drop, reply, server_context

HOST = "ca.test"


def served(*deeds: Deed) -> RawServer:
    return RawServer(*deeds, tls=server_context(HOST))


class Bench:
    """A reader whose names all resolve to this machine."""

    def __init__(self, *, local: bool = True, address: str = "127.0.0.1") -> None:
        self.clock = HandClock()
        self.deadline = Deadline(self.clock)
        self.documents = HTTPDocuments(
            self.deadline, self.clock, lambda _: None, local=local, resolve=lambda _host, _port: [address]
        )


def test_document_is_read_with_the_trusted_certificates() -> None:
    with served(reply(200, {"keys": []})) as server:
        found = Bench().documents.get(f"https://{HOST}:{server.port}/keys?p=policy", bundle())
    assert found == {"keys": []}
    assert (server.heard[0].method, server.heard[0].target) == ("GET", "/keys?p=policy")


def test_other_certificates_are_refused() -> None:
    with served(reply(200, b"{}")) as server, pytest.raises(EvercertError):
        Bench().documents.get(f"https://{HOST}:{server.port}/keys", "")


def test_token_and_body_are_sent() -> None:
    with served(reply(201, b'{"status": {}}')) as server:
        found = Bench().documents.post(f"https://{HOST}:{server.port}/reviews", bundle(), "canary", {"kind": "Review"})
    assert found == (201, {"status": {}})
    assert server.heard[0].headers["authorization"] == "Bearer canary"
    assert json.loads(server.heard[0].body) == {"kind": "Review"}


def test_refusal_has_no_document() -> None:
    with served(reply(403, b"no")) as server:
        assert Bench().documents.post(f"https://{HOST}:{server.port}/", bundle(), "t", {}) == (403, None)


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("deed", [reply(408, b"{}"), reply(429, b"{}"), reply(500, b"{}"), reply(503, b"{}"), drop])
def test_answers_that_another_try_may_change_are_an_outage(deed: Deed, method: str) -> None:
    with served(deed) as server, pytest.raises(Unavailable):
        call(method, server)


@pytest.mark.parametrize("deed", [reply(400, b"{}"), reply(404, b"{}"), reply(410, b"{}"), reply(422, b"{}")])
def test_refusals_are_a_fault_of_the_address(deed: Deed) -> None:
    with served(deed) as server, pytest.raises(Misconfigured, match=r"answered 4[0-9]+: check the address"):
        call("get", server)


@pytest.mark.parametrize("method", ["get", "post"])
def test_document_that_is_not_json_is_a_fault_of_the_address(method: str) -> None:
    with served(reply(200, b"<html>")) as server, pytest.raises(Misconfigured, match="check the address"):
        call(method, server)


def call(method: str, server: RawServer) -> object:
    url = f"https://{HOST}:{server.port}/keys"
    return Bench().documents.get(url, bundle()) if method == "get" else Bench().documents.post(url, bundle(), "t", {})


def test_redirects_are_not_followed() -> None:
    moved = reply(302, b"", Location="https://evil.example/")
    with served(moved) as server, pytest.raises(Misconfigured, match="redirect"):
        Bench().documents.get(f"https://{HOST}:{server.port}/keys", bundle())


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "::1", "fd00:ec2::254"])
def test_forbidden_addresses_are_not_contacted(address: str) -> None:
    with pytest.raises(Misconfigured):
        Bench(local=False, address=address).documents.get(f"https://{HOST}/keys", "")


@pytest.mark.parametrize(
    "url", ["http://ca.test/keys", "ftp://ca.test/", "https://", "", "https://a b/", "https://ca.test/../x"]
)
def test_invalid_addresses_are_refused(url: str) -> None:
    with pytest.raises(Misconfigured):
        Bench(local=False).documents.get(url, "")


def test_no_call_starts_without_time() -> None:
    bench = Bench()
    bench.deadline.begin(bench.clock() + timedelta(seconds=3))
    with pytest.raises(OutOfTime):
        bench.documents.get(f"https://{HOST}/keys", "")


def test_slow_answer_ends_in_time() -> None:
    with served(drip(b"X: y\r\n")) as server, pytest.raises(Unavailable, match="in time"):
        Bench().documents.get(f"https://{HOST}:{server.port}/keys", bundle())
