"""The command `evercert` beside a table and a queue in memory, without AWS."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from evercert.aws.tags import Owner
from evercert.cli import app, terminal
from evercert.cli.console import Terminal
from evercert.contracts.record import Facts, Record
from evercert.contracts.spec_store import Change
from tests.doubles.fakes import START, FakeQueue, FakeTable, spec
from tests.doubles.strict_aws import refuse
from tests.tools.json_schemas import registry as json_schemas

STACK_ID = "arn:aws:cloudformation:eu-central-1:123456789012:stack/evercert/1"
UID = "8a4e1c9e-6a5e-4b6e-9a53-0d7a3c1f2b44"


def no_secret(**_: Any) -> None:
    raise refuse("ResourceNotFoundException", "DescribeSecret")


@dataclass
class Ended:
    """Exit code and output of one command."""

    code: int
    out: str
    err: str


@dataclass
class Command:
    """Runs commands at `now`; `width` is the terminal's, None a pipe."""

    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]
    table: FakeTable = field(default_factory=FakeTable)
    queue: FakeQueue = field(default_factory=FakeQueue)
    now: datetime = START
    width: int | None = None
    is_terminal: bool = False
    answers: list[bool] = field(default_factory=list)
    questions: list[str] = field(default_factory=list)
    outputs: dict[str, str] = field(default_factory=lambda: {"Version": "0.2.0"})
    clients: Any = field(
        default_factory=lambda: SimpleNamespace(secretsmanager=SimpleNamespace(describe_secret=no_secret))
    )

    def __call__(self, *arguments: str) -> Ended:
        connection = SimpleNamespace(
            name="evercert", id=STACK_ID, specs=self.table, queue=self.queue, owner=Owner.of(STACK_ID),
            regions=["eu-central-1"], outputs=self.outputs, parameters={}, listed=lambda _: [],
            credential_secrets=SimpleNamespace(compare=lambda _: {}, write=lambda *_: None), clients=self.clients,
        )  # fmt: skip
        patch = self.monkeypatch
        patch.setattr(terminal, "connect", lambda stack, region: connection)
        patch.setattr(terminal, "now", lambda: self.now)
        patch.setattr(terminal, "out", Terminal.of_output(self.width))
        patch.setattr(terminal, "confirm", self._confirm)
        patch.setattr(terminal, "_require_terminal", self._require_terminal)
        patch.setattr(sys, "argv", ["evercert", *arguments])
        with pytest.raises(SystemExit) as ended:
            app.run()
        captured = self.capsys.readouterr()
        code = int(ended.value.code or 0)
        if "--json" in arguments:
            json_schemas.check_run(arguments, code, captured.out, captured.err)
        return Ended(code, captured.out, captured.err)

    def store(self, name: str, *, days: float | None = 30, **values: Any) -> Record:
        """Store a record; its certificate began 60 days ago and expires in `days` days."""
        record = Record(name=name, uid=UID, spec=values.pop("spec", None) or spec(name), generation=1)
        self.table.write([Change(record, None)], self.now + timedelta(days=60))
        if days is not None:
            values["facts"] = Facts(
                revision=1, serial_number="0123456789abcdef", not_before=self.now - timedelta(days=60),
                not_after=self.now + timedelta(days=days), fingerprint_sha256="f" * 64, common_name="www.example.com",
                names=("dns:www.example.com",), obtained_at=self.now - timedelta(days=60),
            )  # fmt: skip
        self.table._set(name, {"state": "ready", **values})
        found = self.table.record(name)
        assert isinstance(found, Record), found
        return found

    def _confirm(self, question: str) -> None:
        self.questions.append(question)
        if not self.answers.pop(0):
            raise SystemExit(terminal.FAILED)

    def _require_terminal(self) -> None:
        if not self.is_terminal:
            raise terminal.BadInput(["Cannot ask for confirmation without a terminal; pass --yes."])
