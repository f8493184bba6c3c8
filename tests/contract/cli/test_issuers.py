"""`evercert issuer` on tables of the emulator: definitions, pauses, the account; and a dry run of the function's code."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import dns.resolver as dns_resolver
import pytest

from evercert.aws.clients import Clients
from evercert.aws.dynamodb.account_store import DynamoDBAccounts
from evercert.aws.dynamodb.issuer_loader import DynamoDBIssuers
from evercert.cli import app, terminal
from evercert.cli.connection import Connection
from evercert.cli.doctor.stack_checks import Check
from evercert.cli.issuers import web_host
from evercert.contracts.accounts import StoredAccount
from evercert.contracts.spec_store import Pause, PauseTarget
from evercert.issuers import ISSUERS
from evercert.issuers.acme.settings import AcmeSettings
from evercert.issuers.context import AcmeContext
from evercert.operations.accounts import change_account
from evercert.operations.diagnosis import dry_run
from evercert.registry import Component
from evercert.solvers.context import RegisteredSolvers, SolverContext
from tests.doubles.acme import FakeOrderBuckets, no_kms
from tests.doubles.acme_server import AcmeServer
from tests.doubles.fakes import HandClock
from tests.doubles.name_server import NameServer
from tests.doubles.world import STACK, STACK_ID, World

SEALED = "sealed-key-of-the-account"
Run = Callable[..., tuple[int, Any, str]]


class Function:
    """The Lambda API of a stack whose issuer function has the ports of the world, with ACME."""

    def __init__(self, world: World) -> None:
        def context() -> Any:
            accounts = DynamoDBAccounts(world.clients.dynamodb, world.table)
            solvers = RegisteredSolvers(SolverContext(None))
            acme = AcmeContext(accounts, world.ports.seal, solvers, FakeOrderBuckets(), no_kms)
            return replace(world.context(), acme=acme)

        issuers = DynamoDBIssuers(world.clients.dynamodb, world.issuers_table, ISSUERS, context, world.clock)
        self.ports = replace(world.ports, issuers=issuers)

    def invoke(self, *, FunctionName: str, Payload: bytes) -> dict[str, Any]:
        assert FunctionName == "issuer"
        event = json.loads(Payload)
        if "account" in event:
            answer = change_account(event["account"]["issuer"], event["account"]["change"], self.ports)
        else:
            answer = dry_run(event["test"]["issuer"], event["test"]["names"], self.ports)
        return {"Payload": io.BytesIO(json.dumps(answer).encode())}


@pytest.fixture
def server(world: World) -> Iterator[AcmeServer]:
    with AcmeServer(HandClock()) as started:
        definition = {"type": "acme", "directory": started.directory, "solvers": [{"type": "http-01"}]}
        world.specs.write_issuer("letsencrypt", Component.model_validate(definition))
        yield started
        world._hang_up()


@pytest.fixture
def evercert(world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    class Session:
        def client(self, service: str, config: object) -> Function:
            assert service == "lambda"
            return Function(world)

    clients = Clients(session=world.operator.session)
    monkeypatch.setattr(clients, "session", Session(), raising=False)
    monkeypatch.setitem(clients.__dict__, "dynamodb", world.operator.dynamodb)
    outputs = {"CertificatesTable": world.table, "IssuersTable": world.issuers_table, "IssuerFunction": "issuer"}
    connection = Connection(STACK, STACK_ID, "CREATE_COMPLETE", clients, outputs, {}, world.specs, world.ports.queue)  # type: ignore[arg-type]
    monkeypatch.setattr(terminal, "connect", lambda stack, region: connection)

    def run(*arguments: str) -> tuple[int, Any, str]:
        monkeypatch.setattr(sys, "argv", ["evercert", "issuer", *arguments, "--json"])
        with pytest.raises(SystemExit) as ended:
            app.run()
        captured = capsys.readouterr()
        return int(ended.value.code or 0), json.loads(captured.out or "null"), captured.err

    return run


def put(world: World, name: str, **attributes: Any) -> None:
    """Store an item as a manual edit does."""
    world.operator.dynamodb.put_item(TableName=world.issuers_table, Item={"pk": {"S": f"issuer#{name}"}, **attributes})


def test_list_shows_items_that_do_not_parse(world: World, server: AcmeServer, evercert: Run) -> None:
    put(world, "empty")
    put(world, "list", definition={"S": "[]"})
    put(world, "unknown", definition={"S": '{"type": "x", "token": "s3cret"}'})
    world.specs.pause(PauseTarget("letsencrypt"), Pause(world.clock(), "audit"), world.clock())
    code, rows, err = evercert("list")
    assert (code, err) == (0, "")
    found = {row["name"]: row for row in rows}
    assert found["letsencrypt"]["address"] == server.directory and found["letsencrypt"]["paused"]
    assert found["empty"]["problem"] == "the definition of issuer 'empty' does not parse; apply it again"
    assert found["list"]["problem"].startswith("the definition of issuer 'list' does not parse: ")
    assert found["unknown"]["problem"].startswith("there is no issuer type 'x'")
    assert "s3cret" not in json.dumps(rows)


def test_show_reads_the_account_of_the_table(world: World, server: AcmeServer, evercert: Run) -> None:
    assert evercert("show", "letsencrypt")[1]["account"] is None
    accounts = DynamoDBAccounts(world.operator.dynamodb, world.table)
    settings = AcmeSettings.model_validate({"directory": server.directory, "solvers": [{"type": "http-01"}]})
    accounts.create(settings.account_id, SEALED, None)
    assert evercert("show", "letsencrypt")[1]["account"] is None
    url, contact = f"{server.address}/account/1", ("mailto:ops@example.com",)
    accounts.register(settings.account_id, StoredAccount(SEALED, url, contact))
    code, shown, _ = evercert("show", "letsencrypt")
    assert (code, shown["account"]) == (0, {"url": url, "contact": [*contact]})
    assert SEALED not in json.dumps(shown)


def test_dry_run_stores_nothing(world: World, server: AcmeServer, evercert: Run) -> None:
    code, checks, _ = evercert("test", "letsencrypt")
    assert (code, [(check["check"], check["status"]) for check in checks]) == (
        0,
        [("definition", "ok"), ("server", "ok"), ("credentials", "ok"), ("account", "ok")],
    )
    assert checks[-1]["found"] == "not registered: the first certificate registers it"
    assert world.items() == []
    assert {(seen.kind, seen.method) for seen in server.seen} == {("directory", "GET")}


def test_dry_run_names_the_remedy(world: World, server: AcmeServer, evercert: Run) -> None:
    code, checks, _ = evercert("test", "letsencrypt", "--name", "*.example.com")
    assert (code, checks[-1]["check"], checks[-1]["status"]) == (1, "name *.example.com", "failed")
    assert checks[-1]["found"].endswith("choose a DNS solver for it")
    assert world.items() == []


def test_dry_run_compares_caa_with_the_directory(
    world: World, server: AcmeServer, evercert: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The function knows the CA's domains, the table the account, and this machine asks the DNS."""
    server.faults.directory = lambda body: {**body, "meta": {**body["meta"], "caaIdentities": ["ca.example"]}}
    monkeypatch.setattr(web_host, "check", lambda name: Check(f"web host {name}", "ok", ""))
    settings = AcmeSettings.model_validate({"directory": server.directory, "solvers": [{"type": "http-01"}]})
    accounts = DynamoDBAccounts(world.operator.dynamodb, world.table)
    accounts.create(settings.account_id, SEALED, None)
    accounts.register(settings.account_id, StoredAccount(SEALED, url := f"{server.address}/account/1"))
    with NameServer(
        {}, caa={"example.com": [f'0 issue "ca.example;accounturi={url}"'], "example.org": ['0 issue ";"']}
    ) as dns:
        resolver = dns_resolver.Resolver(configure=False)
        resolver.nameservers, resolver.port = ["127.0.0.1"], dns.port
        monkeypatch.setattr(dns_resolver, "Resolver", lambda: resolver)
        _, checks, _ = evercert("test", "letsencrypt", "--name", "www.example.com", "--name", "example.org")
    found = {check["check"]: (check["status"], check["found"]) for check in checks if check["check"].startswith("CAA ")}
    assert found == {
        "CAA www.example.com": ("ok", "the records at example.com allow it"),
        "CAA example.org": ("failed", 'forbidden by the record 0 issue ";" at example.org'),
    }


def test_account_is_registered_rotated_and_deactivated(world: World, server: AcmeServer, evercert: Run) -> None:
    """Through the issuer function and its table."""
    for command, extra in (("register-account", []), ("rotate-key", ["--yes"]), ("deactivate-account", ["--yes"])):
        code, answer, err = evercert(command, "letsencrypt", *extra)
        assert (code, err, answer["issuers"]) == (0, "", ["letsencrypt"])
    assert (server.key_changes, [account.status for account in server.accounts]) == (1, ["deactivated"])
    assert evercert("show", "letsencrypt")[1]["account"]["deactivated"] is True
    code, answer, err = evercert("rotate-key", "letsencrypt", "--yes")
    assert (code, answer) == (1, None)
    (error,) = json.loads(err)["errors"]
    assert error.endswith("was deactivated; to register another one, run: evercert issuer register-account letsencrypt")
    assert evercert("register-account", "letsencrypt")[0] == 0
    assert [account.status for account in server.accounts] == ["deactivated", "valid"]
