"""Connections that died while a function was frozen, for every client of the authority's functions."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError

from evercert.aws import clients as aws_clients
from evercert.aws.clients import Clients
from evercert.aws.connections import IDLE, EarlyRetry, ReconnectingClient
from evercert.aws.timeouts import SIGNER, WAITED_FOR, Limits
from tests.doubles.dropping_proxy import DroppingProxy
from tests.doubles.raw_server import RawServer, drop, reply

ANSWER = reply(body={"KeyId": "key", "Plaintext": "eA=="})
CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "dynamodb": ("get_item", {"TableName": "table", "Key": {"pk": {"S": "x"}}}),
    "kms": ("decrypt", {"CiphertextBlob": b"x"}),
    "lambda": ("invoke", {"FunctionName": "signer", "Payload": b"{}"}),
}
Call = Callable[[], None]
EARLY = 1


class Clock:
    """The time of day, which continues while a function is frozen."""

    now = 1_000.0

    def __call__(self) -> datetime:
        return datetime.fromtimestamp(self.now, UTC)


@pytest.fixture(scope="module")
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="module")
def server() -> Iterator[RawServer]:
    with RawServer(ANSWER) as running:
        yield running


@pytest.fixture(scope="module")
def proxy(server: RawServer) -> Iterator[DroppingProxy]:
    with DroppingProxy(server.port) as running:
        yield running


@pytest.fixture(scope="module")
def clients(proxy: DroppingProxy, clock: Clock) -> Iterator[dict[str, Any]]:
    """Return the clients of the front by service; creating them takes most of the time of these tests."""
    values = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{proxy.port}",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in values.items():
            patch.setenv(name, value)
        patch.setattr(aws_clients, "ReconnectingClient", lambda make: ReconnectingClient(make, clock))
        patch.setattr(aws_clients, "EarlyRetry", lambda seconds: EarlyRetry(seconds, lambda: clock.now))
        patch.setattr(aws_clients, "SIGNER", Limits(connect=1, read=2, attempts=1, backoff=0, early=EARLY))
        made = Clients(limits=WAITED_FOR)
        found = {service: made.client(service) for service in CALLS}
        for client in found.values():
            assert client.meta
        yield found


@pytest.fixture(autouse=True)
def fresh(clients: dict[str, Any], server: RawServer, proxy: DroppingProxy) -> None:
    for client in clients.values():
        client.close()
    server.deeds[:] = [ANSWER]
    server.heard.clear()
    proxy.connections = proxy.lost = 0


@pytest.fixture(params=CALLS)
def call(request: pytest.FixtureRequest, clients: dict[str, Any]) -> Call:
    """Return one call of each client of the front and the signer."""
    return calling(clients, request.param)


@pytest.fixture
def ask(clients: dict[str, Any]) -> Call:
    """Return a call of the signer."""
    return calling(clients, "lambda")


def calling(clients: dict[str, Any], service: str) -> Call:
    name, arguments = CALLS[service]

    def once() -> None:
        answer = getattr(clients[service], name)(**arguments)
        if "Payload" in answer:
            answer["Payload"].read()  # the connection is free afterwards

    return once


@pytest.mark.parametrize("fault", ["close", "reset", "silence"])
def test_client_connects_again_after_a_pause(call: Call, proxy: DroppingProxy, clock: Clock, fault: str) -> None:
    call()
    getattr(proxy, fault)()
    clock.now += IDLE + 1
    call()
    assert (proxy.connections, proxy.lost) == (2, 0)


@pytest.mark.parametrize("fault", ["close", "reset"])
def test_client_repeats_a_call_on_a_closed_connection(call: Call, proxy: DroppingProxy, fault: str) -> None:
    call()
    getattr(proxy, fault)()
    call()
    assert proxy.connections == 2


def test_client_keeps_a_connection_in_use(call: Call, proxy: DroppingProxy, clock: Clock) -> None:
    for _ in range(5):
        call()
        clock.now += IDLE
    assert proxy.connections == 1


def test_client_connects_again_when_the_clock_goes_back(call: Call, proxy: DroppingProxy, clock: Clock) -> None:
    call()
    clock.now -= 1
    call()
    assert proxy.connections == 2


@pytest.mark.parametrize("deeds", [[drop], [drop, drop, ANSWER]], ids=["always", "twice"])
def test_signer_call_is_sent_at_most_twice(ask: Call, server: RawServer, deeds: list[Any]) -> None:
    server.deeds[:] = deeds
    with pytest.raises(BotoCoreError):
        ask()
    assert len(server.heard) == 2


def test_signer_call_that_runs_is_not_sent_again(ask: Call, server: RawServer, clock: Clock) -> None:
    """A slow signer uses up the time of the call; a second one would outlast the front."""

    def run(server: RawServer, connection: socket.socket) -> bool:
        clock.now += EARLY
        return drop(server, connection)

    server.deeds[:] = [run]
    with pytest.raises(BotoCoreError):
        ask()
    assert len(server.heard) == 1


def test_signer_limit_includes_the_early_attempt() -> None:
    assert SIGNER.early > 0
    assert SIGNER.call.total_seconds() == SIGNER.early + SIGNER.connect + SIGNER.read
