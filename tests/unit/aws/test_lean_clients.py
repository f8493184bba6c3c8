"""Lean clients: the same requests as those of usual clients, prepared in less time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse

from evercert.aws.clients import Clients
from evercert.aws.session import Session
from evercert.aws.timeouts import SIGNER, USUAL, WAITED_FOR, Limits
from tests.doubles.world import World

CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "dynamodb": ("get_item", {"TableName": "table", "Key": {"pk": {"S": "a"}, "sk": {"S": "b"}}}),
    "kms": ("list_keys", {}),
    "lambda": ("invoke", {"FunctionName": "signer", "Payload": b"{}"}),
    "s3": ("get_object", {"Bucket": "bucket-b", "Key": "key"}),
}


class Body:
    def stream(self, **_: Any) -> Any:
        yield b'{"Keys": []}'


def sent(limits: Limits, service: str, *others: dict[str, Any]) -> tuple[str, str, str]:
    """Return method, URL and user agent of the last call."""
    made: list[tuple[str, str, str]] = []

    def answer(request: Any, **_: Any) -> AWSResponse:
        made.append((request.method, request.url, request.headers["User-Agent"].decode()))
        return AWSResponse(request.url, 200, {}, Body())

    client = Clients(session=Session("eu-central-1"), limits=limits).client(service)
    client.meta.events.register(f"before-send.{service}", answer)
    name, arguments = CALLS[service]
    for more in ({}, *others):
        getattr(client, name)(**arguments | more)
    return made[-1]


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")


@pytest.mark.parametrize("service", CALLS)
def test_lean_client_calls_the_usual_endpoint(service: str) -> None:
    others = ({"TableName": "other"},) if service == "dynamodb" else ({"Bucket": "other"},) if service == "s3" else ()
    lean, usual = (sent(limits, service, *others) for limits in (WAITED_FOR, replace(WAITED_FOR, lean=False)))
    assert lean[:2] == usual[:2]


@pytest.mark.parametrize("service", CALLS)
def test_user_agent_names_botocore_and_evercert(service: str) -> None:
    for limits in (USUAL, WAITED_FOR):
        agent = sent(limits, service)[2]
        assert agent.startswith("Botocore/") and "evercert" in agent.split(" ")


def test_only_functions_that_clients_wait_for_are_lean() -> None:
    assert (USUAL.lean, WAITED_FOR.lean, SIGNER.lean) == (False, True, True)
    assert WAITED_FOR.config.parameter_validation is False


def test_parameters_are_checked_by_the_tests(world: World) -> None:
    """The contract tests make every call of the functions with these clients."""
    for client in (world.clients.dynamodb, world.clients.kms, world.clients.s3, world.clients.sqs):
        assert client.meta.config.parameter_validation is True
