"""Probes from end to end: the issuer function has the validator function read what a real server serves."""

from __future__ import annotations

import io
import json
import socket
import ssl
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from evercert.aws import lambda_clock
from evercert.aws.clients import Clients
from evercert.aws.dynamodb.consumers import DynamoDBConsumers
from evercert.contracts.consumers import Acknowledgement
from evercert.contracts.record import Record
from tests.contract.aws.test_served_certificates import listening, tls
from tests.doubles.fakes import START, spec
from tests.doubles.world import World


class Server:
    """A TLS server that serves the pair of a file, read for each connection."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "server.pem"

    def talk(self, connection: socket.socket) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.file)
        tls(context)(connection)

    def load(self, world: World) -> None:
        """Load the delivered pair, as a reload does."""
        value = world.versions()["AWSCURRENT"]
        self.file.write_text(value["private_key"] + value["fullchain"])


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[Server, int]]:
    found = Server(tmp_path)
    with listening(found.talk) as port:
        yield found, port


@pytest.fixture
def validator(
    function: Callable[[str], ModuleType], server: tuple[Server, int], monkeypatch: pytest.MonkeyPatch
) -> ModuleType:
    monkeypatch.setenv("EVERCERT_LOCAL_VALIDATION", f"127.0.0.1:{server[1]}")
    return function("validator")


@pytest.fixture
def issuer(
    function: Callable[[str], ModuleType], validator: ModuleType, monkeypatch: pytest.MonkeyPatch, world: World
) -> ModuleType:
    """Load the issuer function; its client of Lambda calls the validator in this process."""

    class Lambda:
        def invoke(self, *, FunctionName: str, InvocationType: str, Payload: bytes) -> dict[str, Any]:
            assert (FunctionName, InvocationType) == ("validator", "RequestResponse")
            answer = validator.handler(json.loads(Payload), None)
            return {"Payload": io.BytesIO(json.dumps(answer).encode())}

    monkeypatch.setenv("VALIDATOR_FUNCTION", "validator")
    monkeypatch.setattr(Clients, "lambda_", Lambda())
    monkeypatch.setattr(lambda_clock, "now", world.clock)
    return function("issuer")


@pytest.fixture
def consumers(environment: dict[str, str], world: World, monkeypatch: pytest.MonkeyPatch) -> str:
    """Create the table of consumers and name it in the environment; request it before the function."""
    table = world.authority_table("ConsumersTable")
    monkeypatch.setenv("CONSUMERS_TABLE", table)
    return table


def run(issuer: ModuleType, world: World) -> Record:
    """Run the issuer function once, when the certificate is due."""
    record = world.record()
    world.clock.now = max(world.clock(), record.due_at or world.clock())
    message = {"messageId": "1", "body": json.dumps({"certificate": "web"})}
    assert issuer.handler({"Records": [message]}, None) == {"batchItemFailures": []}
    return world.record()


def test_server_that_is_not_reloaded_is_announced(issuer: ModuleType, server: tuple[Server, int], world: World) -> None:
    target = [{"type": "secrets-manager", "secret": world.secret}]
    world.want(spec(destinations=target, probe="www.example.com:443"), {"type": "self-signed"})
    run(issuer, world)
    server[0].load(world)
    record = run(issuer, world)
    assert (record.probed.result, record.revision) == ("served", 1)
    world.specs.request("web", world.clock())
    assert run(issuer, world).revision == 2
    world.events()
    world.clock.now += timedelta(days=1)
    record = run(issuer, world)
    (event,) = [one for one in world.events() if one["type"] == "certificate.stale"]
    assert (record.probed.result, record.probed.announced) == ("outdated", "warning")
    assert event["data"]["probe"]["served"]["fingerprint_sha256"] == record.probed.fingerprint_sha256
    server[0].load(world)
    record = run(issuer, world)
    assert (record.probed.result, record.probed.announced) == ("served", None)
    assert world.events() == []


def test_late_consumer_is_announced(
    consumers: str, issuer: ModuleType, server: tuple[Server, int], world: World
) -> None:
    world.want(spec(destinations=[{"type": "secrets-manager", "secret": world.secret}]), {"type": "self-signed"})
    run(issuer, world)
    world.clock.now += timedelta(days=1)
    loaded = Acknowledgement(
        consumer="AROAEXAMPLE:i-1",
        certificate="web",
        fingerprint_sha256="0" * 64,
        loaded_at=START,
        seen_at=world.clock(),
    )
    DynamoDBConsumers(world.operator.dynamodb, consumers).acknowledge(loaded)
    world.events()
    run(issuer, world)
    (event,) = [one for one in world.events() if one["type"] == "certificate.stale"]
    assert event["data"]["consumers"][0]["consumer"] == "AROAEXAMPLE:i-1"


def test_validator_logs_where_it_asked_and_nothing_of_the_answer(
    function: Callable[[str], ModuleType], server: tuple[Server, int], monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.setenv("EVERCERT_LOCAL_VALIDATION", f"127.0.0.1:{server[1]}")
    validator = function("validator")
    order = {"host": "www.example.com", "port": 443, "server_name": None}
    assert validator.handler({"probe": order}, None)["answers"][0]["problem"] == "no-tls"  # it has no certificate yet
    (line,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert line["message"]["outcome"] == "probed"
    assert set(line["message"]["answers"][0]) == {"address", "problem"}


def test_validator_refuses_loopback_without_the_switch(
    function: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VALIDATION_NETWORKS", "0.0.0.0/0")
    order = {"host": "127.0.0.1", "port": 443, "server_name": None}
    assert function("validator").handler({"probe": order}, None) == {
        "answers": [{"address": "", "problem": "not-allowed"}]
    }
