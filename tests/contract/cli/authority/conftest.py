"""`evercert authority …` on the tables and keys of the emulator."""

from __future__ import annotations

import sys
import uuid
from types import SimpleNamespace
from typing import Any

import pytest

from evercert import __version__
from evercert.aws.authority.certificates import DynamoDBCertificates
from evercert.aws.authority.configuration_writer import ConfigurationWriter
from evercert.aws.authority.key_creation import CAKeyMaking
from evercert.aws.clients import Clients
from evercert.cli import terminal
from evercert.cli.app import run
from evercert.cli.connection import Connection
from tests.contract.cli.authority.command_line import ROLE, Command, FrontFunction, Result, fine
from tests.doubles.world import World


@pytest.fixture
def outputs(world: World) -> dict[str, str]:
    return {
        "AuthorityConfiguration": world.authority_table("AuthorityConfigurationTable"),
        "AuthorityTable": world.authority_table("AuthorityTable"),
        "IssuersTable": world.issuers_table,
        "AuthorityAudit": world.authority_table("AuthorityAuditTable"),
        "AuthorityLedger": world.authority_table("AuthorityLedgerTable"),
        "AuthorityAddress": "https://ca.example.com",
        "Version": __version__,
        "AuthorityFunction": "front",
        **{f"{name}Role": f"{ROLE}{name.lower()}" for name in ("Signer", "Authority", "Checker", "Issuer")},
    }


@pytest.fixture
def function() -> FrontFunction:
    front = FrontFunction()
    front.action = lambda: None
    return front


@pytest.fixture
def command(
    world: World,
    outputs: dict[str, str],
    function: FrontFunction,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Command:
    """Run `evercert authority …`; return its exit code, standard output and standard error."""
    stack = f"stack-{uuid.uuid4().hex[:8]}"
    before = {key["KeyArn"] for key in world.operator.kms.list_keys(Limit=1000)["Keys"]}
    every = CAKeyMaking._arns
    clients = Clients(session=world.operator.session)
    clients.lambda_ = function  # type: ignore[assignment]
    monkeypatch.setattr(CAKeyMaking, "_arns", lambda self: (arn for arn in every(self) if arn not in before))

    def connect(name: str, region: str | None) -> Connection:
        assert region is None
        none: Any = SimpleNamespace()
        return Connection(name, "id", "UPDATE_COMPLETE", clients, outputs, {}, none, none)

    monkeypatch.setattr(terminal, "connect", connect)

    def called(*arguments: str) -> Result:
        monkeypatch.setattr(sys, "argv", ["evercert", "authority", *arguments, "--stack", stack])
        with pytest.raises(SystemExit) as ended:
            run()
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return called


@pytest.fixture
def configuration(world: World, outputs: dict[str, str]) -> ConfigurationWriter:
    return ConfigurationWriter(world.operator.dynamodb, outputs["AuthorityConfiguration"])


@pytest.fixture
def cas(command: Command) -> list[dict[str, Any]]:
    return list(fine(command("init", "--common-name", "Example", "--yes", "--json")))


@pytest.fixture
def certificates(world: World, outputs: dict[str, str]) -> DynamoDBCertificates:
    return DynamoDBCertificates(world.operator.dynamodb, outputs["AuthorityTable"], outputs["AuthorityAudit"])
