"""Each entry point with its file from events/: translation and wiring."""

from __future__ import annotations

import json
import socket
from datetime import UTC, datetime, timedelta

import pytest

from evercert.aws.dynamodb import items
from evercert.documents.spec import Component
from evercert.timestamps import to_text
from tests.doubles.acme_server import AcmeServer
from tests.doubles.fakes import spec
from tests.doubles.world import STACK, World, assert_pair
from tests.functions.conftest import event


def want(world: World, **changes) -> None:
    world.clock.now = datetime.now(UTC) - timedelta(seconds=1)
    target = [{"type": "secrets-manager", "secret": world.secret}]
    world.want(spec(destinations=target, **changes), {"type": "self-signed"})


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_checker_enqueues_due_certificates(world: World, function, context, capsys) -> None:
    want(world)
    tick = function("checker").handler(event("schedule.json"), context)
    assert tick == {
        "sent": 1, "refused": 0, "overtaken": 0, "foreign": 0, "left": 0, "throttled": 0, "oldest_due": to_text(world.clock())
    }  # fmt: skip
    (message,) = world._receive()
    assert json.loads(message["Body"]) == {"certificate": "web"}
    line, metrics = lines(capsys)
    assert line["message"]["outcome"] == "checked"
    assert (metrics["service"], metrics["stack"], metrics["Ticks"], metrics["CertificatesDue"]) == (
        "checker",
        STACK,
        [1],
        [1],
    )
    assert "SoonestExpiryDays" not in metrics  # nothing is delivered yet


def test_checker_reports_the_soonest_expiry(world: World, function, context, capsys) -> None:
    want(world)
    world.settle(world.settled)
    function("checker").handler(event("schedule.json"), context)
    line, metrics = lines(capsys)
    assert line["message"]["soonest_expiry"] == to_text(world.record().facts.not_after)
    left = (world.record().facts.not_after - datetime.now(UTC)) / timedelta(days=1)
    assert metrics["SoonestExpiryDays"][0] == pytest.approx(left, abs=0.01)


def test_checker_sweeps_once_a_day(world: World, function, context, capsys) -> None:
    want(world)
    remove = {"UpdateExpression": "REMOVE due_at, due_shard"}
    world.operator.dynamodb.update_item(TableName=world.table, Key=items.key("web"), **remove)
    checker = function("checker").handler
    done = {"finished": True, "restarted": False}
    assert checker({"task": "sweep"}, context) == {"seen": 1, "repaired": 1, **done}
    assert checker({"task": "sweep"}, context) == {"seen": 0, "repaired": 0, **done}
    assert world.record().due_at is not None
    assert [line["message"]["outcome"] for line in lines(capsys)] == ["swept", "swept"]


def test_checker_stops_before_its_timeout(world: World, function, capsys) -> None:
    from types import SimpleNamespace

    want(world)
    tick = function("checker").handler(event("schedule.json"), SimpleNamespace(get_remaining_time_in_millis=lambda: 0))
    assert (tick["sent"], tick["left"]) == (0, 1)


def test_issuer_issues_one_message_and_returns_the_other(world: World, function, context, capsys) -> None:
    want(world)
    answer = function("issuer").handler(event("issue.json"), context)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "2e1424d4-f796-459a-8184-9c92662be6da"}]}
    assert_pair(world.versions()["AWSCURRENT"])
    (cloud_event,) = world.events()
    assert cloud_event["type"] == "certificate.issued"
    issued, metrics, unreadable = lines(capsys)
    assert (metrics["service"], metrics["stack"], metrics["CertificatesIssued"]) == ("issuer", STACK, [1])
    assert (issued["level"], issued["message"]["outcome"]) == ("INFO", "certificate.issued")
    assert (unreadable["level"], unreadable["message"]["outcome"]) == ("ERROR", "undeliverable")


def test_issuer_returns_only_message_ids_of_the_event(function, context, capsys) -> None:
    """On AWS an unknown id fails the whole batch; the emulator treats it as success."""
    sent = {**event("issue.json")}
    for record in sent["Records"]:
        record["body"] = "nonsense"
    answer = function("issuer").handler(sent, context)
    ids = [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]
    assert ids == [record["messageId"] for record in sent["Records"]]
    assert all(isinstance(i, str) and i for i in ids)


def test_missing_table_is_logged_and_drops_the_message(function, context, monkeypatch, capsys) -> None:
    monkeypatch.setenv("CERTIFICATES_TABLE", "no-such-table")
    sent = event("issue.json")
    sent["Records"] = sent["Records"][:1]
    assert function("issuer").handler(sent, context) == {"batchItemFailures": []}
    (line,) = lines(capsys)
    assert (line["level"], line["message"]["outcome"]) == ("WARNING", "misconfigured")


@pytest.mark.parametrize(("name", "missing"), [("checker", "QUEUE_URL"), ("issuer", "SEAL_KEY")])
def test_invalid_environment_names_the_variable(
    function, context, monkeypatch, capsys, name: str, missing: str
) -> None:
    monkeypatch.delenv(missing)
    module = function(name)
    sent = {"checker": event("schedule.json"), "issuer": event("issue.json")}[name]
    try:
        module.handler(sent, context)
    except Exception as error:  # noqa: BLE001
        assert missing in str(error)
    else:
        assert missing in capsys.readouterr().out


def test_import_needs_no_environment(function, monkeypatch) -> None:
    for name in ("CERTIFICATES_TABLE", "QUEUE_URL", "AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name)
    assert function("checker").handler
    assert function("issuer").handler


@pytest.mark.parametrize("name", ["checker", "issuer"])
def test_import_makes_no_calls(function, monkeypatch, name: str) -> None:
    """Clients are created at import; a call there would delay every start, and its failure would end the process."""
    with socket.create_server(("127.0.0.1", 0)) as nothing_answers:
        nothing_answers.settimeout(0)
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{nothing_answers.getsockname()[1]}")
        assert function(name).handler
        with pytest.raises(BlockingIOError):
            nothing_answers.accept()


def test_handlers_have_at_most_forty_lines() -> None:
    import ast

    from tests.tools.local_stack import ROOT

    for path in (ROOT / "functions").glob("*/app.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                assert node.end_lineno - node.lineno < 40, (path, node.name)


# -- examinations by operators ----------------------------------------------------------------------------------------
def test_issuer_examine_reports_problems_and_changes_nothing(world: World, function, context, capsys) -> None:
    want(world)
    before = world.items()
    answer = function("issuer").handler({"examine": ["web", "unknown"]}, context)
    assert answer == {
        "seal": None,
        "issuers": {"main": None},
        "certificates": {"web": [], "unknown": ["no such certificate"]},
    }
    assert world.items() == before
    assert json.dumps(answer)


def test_issuer_examine_reports_each_certificate(world: World, function, context, monkeypatch) -> None:
    want(world)
    world.operator.secretsmanager.create_secret(Name=world.secret, SecretString="theirs")
    monkeypatch.setenv("SEAL_KEY", "no-such-key")
    world.operator.dynamodb.delete_item(TableName=world.issuers_table, Key={"pk": {"S": "issuer#main"}})
    answer = function("issuer").handler({"examine": ["web"]}, context)
    assert "no-such-key" in answer["seal"] or "seal a private key" in answer["seal"]
    assert "is not defined" in answer["issuers"]["main"]
    assert "does not belong to this stack" in answer["certificates"]["web"][0]


def test_issuer_test_orders_nothing(world: World, function, context, monkeypatch) -> None:
    monkeypatch.setenv("EVERCERT_LOCAL_ISSUERS", "1")
    monkeypatch.setenv("RESPONDER", "yes")
    with AcmeServer() as server:
        definition = {"type": "acme", "directory": server.directory, "solvers": [{"type": "http-01"}]}
        world.specs.write_issuer("ca", Component.model_validate(definition))
        wanted = {"issuer": "ca", "names": ["www.example.com", "*.example.com"]}
        issuer = function("issuer")
        checks = issuer.handler({"test": wanted}, context)["checks"]
        issuer._context().http.close()
    assert [(check["check"], check["problem"] is None) for check in checks] == [
        ("definition", True), ("server", True), ("credentials", True), ("account", True),
        ("name www.example.com", True), ("name *.example.com", False),
    ]  # fmt: skip
    assert {seen.kind for seen in server.seen} == {"directory"}
    assert world.items() == []


def test_issuer_function_changes_an_account(world: World, function, context, monkeypatch) -> None:
    """With a key in KMS, whose signatures IAM allows by the parameter AccountKeys."""
    key = world.operator.kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["Arn"]
    world.judge_as({"AccountKeys": key})
    monkeypatch.setenv("EVERCERT_LOCAL_ISSUERS", "1")
    issuer = function("issuer")
    with AcmeServer() as server:
        definition = {
            "type": "acme",
            "directory": server.directory,
            "account-key": key,
            "solvers": [{"type": "http-01"}],
        }
        world.specs.write_issuer("ca", Component.model_validate(definition))
        changes = ["register", "rotate-key", "deactivate"]
        answers = [issuer.handler({"account": {"issuer": "ca", "change": one}}, context) for one in changes]
        issuer._context().http.close()
    assert [answer["problem"] is None for answer in answers] == [True, False, True]
    assert "which evercert cannot replace" in answers[1]["problem"]
    assert [account.status for account in server.accounts] == ["deactivated"]


def test_issuer_test_reports_an_unknown_issuer(world: World, function, context) -> None:
    (check,) = function("issuer").handler({"test": {"issuer": "ca", "names": ["a.example"]}}, context)["checks"]
    assert check["problem"] == "issuer 'ca' is not defined; apply a document with it under `issuers:`"


def test_failures_are_counted_by_kind(world: World, function, context, capsys) -> None:
    want(world)
    world.operator.secretsmanager.create_secret(Name=world.secret, SecretString="theirs")
    sent = event("issue.json")
    sent["Records"] = sent["Records"][:1]
    function("issuer").handler(sent, context)
    failed, metrics = lines(capsys)
    assert failed["message"]["outcome"] == "certificate.failed"
    assert (metrics["IssuanceFailures"], metrics["kind"], metrics["stack"]) == ([1], "misconfigured", STACK)
