"""A stack with issuers and one account, and `evercert issuer` on it."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import pytest

from evercert.cli import app, terminal
from evercert.contracts.record import Record
from evercert.contracts.spec_store import Pause, PauseTarget
from evercert.errors import Misconfigured
from evercert.registry import Component

SECRET = "s3cret-of-the-account"
SEALED = "sealed-key-of-the-account"
DIRECTORY = "https://acme.example/directory"
ACCOUNT = "https://acme.example/account/1"
INFISICAL = {"address": "https://infisical.example", "auth": {"type": "aws-iam", "identity-id": "4f6f1c9e-6a5e-4b6e-9a53-0d7a3c1f2b44"}}  # fmt: skip
Ended = tuple[int, str, str]
Evercert = Callable[..., Ended]


def acme(**settings: Any) -> Component:
    return Component.model_validate(
        {"type": "acme", "directory": DIRECTORY, "solvers": [{"type": "route53"}], **settings}
    )


class Stack:
    """Issuers, pauses, one stored account, and the answer of the issuer function."""

    def __init__(self) -> None:
        self.defined: dict[str, Component | Misconfigured] = {
            "letsencrypt": acme(profile="classic", email="ops@example.com"),
            "main": Component(type="self-signed"),
            "broken": Misconfigured("the definition of issuer 'broken' does not parse; apply it again"),
            "mistaken": acme(directory=DIRECTORY, token=SECRET),
        }
        self.paused: dict[PauseTarget, Pause] = {}
        self.account: dict[str, Any] = {
            "sealed_key": {"S": SEALED}, "url": {"S": ACCOUNT}, "contact": {"L": [{"S": "mailto:ops@example.com"}]},
        }  # fmt: skip
        self.answer: Any = {"checks": [{"check": "definition", "found": "valid", "problem": None}]}
        self.events: list[Any] = []
        self.certificates: list[Record] = []

    def definitions(self) -> dict[str, Component | Misconfigured]:
        return self.defined

    def pauses(self, now: datetime) -> dict[PauseTarget, Pause]:
        return self.paused

    def records(self) -> list[Record]:
        return self.certificates

    def get_item(self, *, Key: dict[str, Any], **_: Any) -> dict[str, Any]:
        assert Key["pk"]["S"].startswith("acme-account#") and Key["sk"]["S"] == "account"
        return {"Item": self.account} if self.account else {}

    def invoke(self, *, FunctionName: str, Payload: bytes) -> dict[str, Any]:
        assert FunctionName == "IssuerFunction"
        self.events.append(json.loads(Payload))
        return {"Payload": io.BytesIO(json.dumps(self.answer).encode())}

    def connect(self, *_: Any) -> Any:
        session = SimpleNamespace(client=lambda service, config: self)
        clients = SimpleNamespace(session=session, dynamodb=self)
        return SimpleNamespace(specs=self, clients=clients, output=lambda key: key)


@pytest.fixture
def stack() -> Stack:
    return Stack()


@pytest.fixture
def evercert(stack: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Evercert:
    monkeypatch.setattr(terminal, "connect", stack.connect)

    def run(*arguments: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["evercert", "issuer", *arguments])
        with pytest.raises(SystemExit) as ended:
            app.run()
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return run
