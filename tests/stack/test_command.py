"""The command line on a stack: every failure prints one line with the command that helps."""

from __future__ import annotations

import json
import signal
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import pytest

from evercert.aws.tags import CERTIFICATE_TAG, STACK_TAG
from evercert.contracts.events import EventType
from tests.stack.conftest import Stack, document, until, written
from tests.tools.local_stack import OWNER

LAMBDA_TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}],
}


@pytest.fixture(scope="session")
def role_with(stack: Stack):
    """Return a function that creates a role with only these permissions; it returns the role's environment."""

    def make(*actions: str) -> dict[str, str]:
        name = f"operator-{uuid.uuid4().hex[:8]}"
        iam = stack.client("iam")
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(LAMBDA_TRUST))
        statement = {"Effect": "Allow", "Action": list(actions) or ["sts:GetCallerIdentity"], "Resource": "*"}
        policy = {"Version": "2012-10-17", "Statement": [statement]}
        iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=json.dumps(policy))
        found = stack.role(name)
        return {
            "AWS_ACCESS_KEY_ID": found["aws_access_key_id"],
            "AWS_SECRET_ACCESS_KEY": found["aws_secret_access_key"],
            "AWS_SESSION_TOKEN": found["aws_session_token"],
        }

    return make


def one_line(done, code: int, *words: str) -> None:
    assert done.returncode == code, done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("evercert: ")
    for word in words:
        assert word in done.stderr
    assert "Traceback" not in done.stderr


def test_command_reports_an_unknown_stack(stack: Stack) -> None:
    one_line(
        stack.evercert("list", "--stack", "unknown"), 1, "there is no stack unknown", "sam deploy --guided", "--stack"
    )


def test_command_reports_the_wrong_region(stack: Stack) -> None:
    one_line(stack.evercert("list", "--region", "us-east-1"), 1, "there is no stack evercert in us-east-1", "--region")


def test_command_reports_a_missing_region(stack: Stack) -> None:
    one_line(stack.evercert("list", AWS_REGION="", AWS_DEFAULT_REGION=""), 1, "no AWS region", "--region")


def test_command_reports_missing_credentials(stack: Stack, tmp_path: Path) -> None:
    absent = {
        "AWS_ACCESS_KEY_ID": "",
        "AWS_SECRET_ACCESS_KEY": "",
        "HOME": str(tmp_path),
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    one_line(stack.evercert("list", **absent), 1, "no AWS credentials found", "aws configure")


def test_command_reports_expired_credentials(stack: Stack) -> None:
    wrong = {"AWS_ACCESS_KEY_ID": "ASIA0000000000000000", "AWS_SECRET_ACCESS_KEY": "x", "AWS_SESSION_TOKEN": "x"}
    one_line(stack.evercert("list", **wrong), 1, "credentials are expired or wrong", "sign in again")


def test_command_reports_a_missing_stack_permission(stack: Stack, role_with) -> None:
    one_line(stack.evercert("list", **role_with()), 1, "find stack evercert", "lacks a permission")


def test_command_without_table_permission_writes_nothing(stack: Stack, role_with, tmp_path: Path) -> None:
    reader = role_with("cloudformation:DescribeStacks", "dynamodb:Query", "dynamodb:BatchGetItem")
    name = f"web-{uuid.uuid4().hex[:8]}"
    done = stack.evercert("apply", document(tmp_path, name), **reader)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "lacks a permission" in done.stderr
    assert stack.items(name) == []


def test_command_reports_a_local_stack_that_is_not_running(stack: Stack) -> None:
    one_line(
        stack.evercert("list", AWS_ENDPOINT_URL="http://127.0.0.1:1"),
        1,
        "no response from http://127.0.0.1:1",
        "make local",
    )


@pytest.mark.parametrize("command", ["show", "renew", "history"])
def test_command_reports_an_unknown_certificate(stack: Stack, command: str) -> None:
    one_line(stack.evercert(command, "unknown"), 2, "there is no certificate 'unknown'", "evercert list")


def test_apply_reports_an_invalid_document_before_any_call(stack: Stack, tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text("version: evercert/v1\ncertificates:\n  - name: web\n    isuer: x\n")
    done = stack.evercert("apply", str(file), "--stack", "unknown")
    assert done.returncode == 2
    assert f"{file}:4: unknown key 'isuer'; did you mean 'issuer'?" in done.stderr


def test_apply_refuses_a_secret_of_another_certificate(stack: Stack, tmp_path: Path) -> None:
    secret = f"evercert/certificates/{uuid.uuid4().hex[:8]}"
    target = [{"type": "secrets-manager", "secret": secret}]
    one, two = f"a-{uuid.uuid4().hex[:6]}", f"b-{uuid.uuid4().hex[:6]}"
    assert stack.evercert("apply", document(tmp_path, one, destinations=target), "--no-nudge").returncode == 0
    one_line(
        stack.evercert("apply", document(tmp_path, two, destinations=target)),
        2,
        f"secret {secret} belongs to certificate",
        one,
    )
    assert stack.items(two) == []


def test_apply_dry_run_writes_nothing(stack: Stack, tmp_path: Path) -> None:
    name = f"web-{uuid.uuid4().hex[:8]}"
    done = stack.evercert("apply", document(tmp_path, name), "--dry-run")
    assert done.returncode == 0
    assert f"+ certificate {name} (create)" in done.stdout
    assert stack.items(name) == []


def test_validate_makes_no_calls(stack: Stack, tmp_path: Path) -> None:
    done = stack.evercert("validate", document(tmp_path, "a", "b"), AWS_ENDPOINT_URL="http://127.0.0.1:1")
    assert done.returncode == 0
    assert "2 certificates and 1 issuer" in done.stdout


# -- operators --------------------------------------------------------------------------------------------------------
@pytest.fixture
def own(stack: Stack, tmp_path: Path) -> Callable[..., str]:
    """Return a function that issues certificates with an issuer of their own and returns that issuer's name."""

    def make(*names: str, **changes: Any) -> str:
        issuer = f"ca-{uuid.uuid4().hex[:6]}"
        file = Path(document(tmp_path, *names, issuer=issuer, **changes))
        content = json.loads(file.read_text())
        content["issuers"] = {issuer: content["issuers"]["development"]}
        for days, certificate in enumerate(content["certificates"]):
            certificate["attributes"]["ttl"] = f"{90 - days}d"  # the last one expires first
        file.write_text(json.dumps(content))
        done = stack.evercert("apply", str(file), "--wait")
        assert done.returncode == 0, done.stderr
        return issuer

    return make


def names(number: int) -> list[str]:
    return [f"web-{uuid.uuid4().hex[:8]}" for _ in range(number)]


def shown(stack: Stack, name: str) -> dict[str, Any]:
    return json.loads(stack.evercert("show", name, "--json").stdout)


def test_certificate_of_the_second_issuer_says_so(stack: Stack, tmp_path: Path) -> None:
    """The first one is a CA at a closed port."""
    (name,) = names(1)
    down = {"type": "acme", "directory": "https://127.0.0.1:9/directory", "solvers": [{"type": "http-01"}]}
    issuers = {f"down-{name}": down, "development": {"type": "self-signed"}}
    file = written(tmp_path, issuers, [{"name": name, "issuers": [*issuers]}])
    assert stack.evercert("apply", file, "--wait", "--allow-staging").returncode == 0
    found = shown(stack, name)
    assert (found["state"], found["issued_by"], found["spec"]["issuers"]) == ("ready", "development", [*issuers])
    issued = json.loads(stack.evercert("history", name, "--json").stdout)[-1]
    assert issued["issuer"] == "development"
    assert issued["data"]["gave_up"].startswith(
        f"down-{name}: GET https://127.0.0.1:9/directory: the connection was refused; "
    )
    dry = stack.evercert("renew", "--issuer", f"down-{name}", "--dry-run")
    assert f"no certificates issued by 'down-{name}'" in dry.stderr


def test_renew_selects_soonest_expiry_first_and_spreads_them(stack: Stack, own) -> None:
    late, soon, soonest = names(3)
    issuer = own(late, soon, soonest)
    one_line(stack.evercert("renew", "--issuer", issuer), 2, "Cannot ask for confirmation", "--yes")
    dry = stack.evercert("renew", "--issuer", issuer, "--dry-run")
    assert dry.stdout.split()[:3] == [soonest, soon, late]
    assert "requested_at" not in shown(stack, soonest)
    done = stack.evercert("renew", "--issuer", issuer, "--yes", "--over", "1h", "--reason", "CA\x1b[2J moves")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Renewal of 3 certificates requested" in done.stdout
    assert until(lambda: shown(stack, soonest)["revision"] == 2, 120)
    waiting = [shown(stack, name) for name in (soon, late)]
    assert [record["request_reason"] for record in waiting] == ["CA [2J moves"] * 2
    asked = datetime.fromisoformat(waiting[0]["requested_at"])
    due = [datetime.fromisoformat(record["due_at"]) - asked for record in waiting]
    assert due == [timedelta(minutes=20), timedelta(minutes=40)]
    assert [record["revision"] for record in waiting] == [1, 1]
    again = json.loads(stack.evercert("renew", "--issuer", issuer, "--dry-run", "--json").stdout)
    assert (again["certificates"], sorted(again["already_requested"])) == ([soonest], sorted([soon, late]))
    assert stack.evercert("renew", "--issuer", issuer, "--yes", "--now").returncode == 0
    assert until(lambda: [shown(stack, name)["revision"] for name in (soonest, soon, late)] == [3, 2, 2], 120)


def test_renew_requires_a_selection(stack: Stack) -> None:
    one_line(stack.evercert("renew"), 2, "no certificates selected", "--issuer", "--all")
    one_line(stack.evercert("renew", "web", "--all"), 2, "--all excludes names and filters")
    one_line(stack.evercert("renew", "--issuer", "unknown", "--yes"), 2, "no certificates issued by 'unknown'")
    one_line(stack.evercert("renew", "--all", "--now", "--over", "1h"), 2, "--over and --now")


def test_pause_is_shown_by_every_command(stack: Stack, own) -> None:
    (name,) = names(1)
    issuer = own(name)
    one_line(stack.evercert("pause", "--issuer", "unknown"), 2, "issuer 'unknown' is not defined")
    done = stack.evercert("pause", "--issuer", issuer, "--reason", "CA moves")
    assert done.returncode == 0
    assert f"to resume, run: evercert resume --issuer {issuer}" in done.stdout
    for command in ("list", "doctor"):
        seen = stack.evercert(command)
        assert f"issuer {issuer} is paused since" in seen.stdout + seen.stderr, command
    again = json.loads(stack.evercert("pause", "--issuer", issuer, "--json").stdout)
    assert again["changed"] is False
    assert {"issuer": issuer, "reason": "CA moves"}.items() <= next(
        flag for flag in again["paused"] if flag["issuer"] == issuer
    ).items()
    done = stack.evercert("resume", "--issuer", issuer)
    assert f"issuer {issuer} is resumed" in done.stdout
    assert "was not paused" in stack.evercert("resume", "--issuer", issuer).stdout
    assert issuer not in stack.evercert("list").stderr
    assert shown(stack, name)["state"] == "ready"  # pauses and issuers are not mistaken for each other


def test_delete_keeps_secret_and_history(stack: Stack, own) -> None:
    (name,) = names(1)
    own(name)
    one_line(stack.evercert("delete", name, "unknown", "--yes"), 2, "there is no certificate 'unknown'")
    refused = stack.evercert("delete", name)
    assert refused.returncode == 2
    assert (refused.stdout, "pass --yes" in refused.stderr) == ("", True)
    deleted = stack.evercert("delete", name, "--yes")
    assert f":secret:evercert/certificates/{name}" in deleted.stdout  # what remains
    one_line(stack.evercert("show", name), 2, "there is no certificate")
    assert stack.secret(name)["certificate"]
    assert "\tissued\t" in stack.evercert("history", name).stdout


def test_adopt_delivers_to_an_existing_secret(stack: Stack, tmp_path: Path) -> None:
    (name,) = names(1)
    title = f"evercert/certificates/{name}-elsewhere"
    secrets = stack.client("secretsmanager")
    file = document(tmp_path, name, destinations=[{"type": "secrets-manager", "secret": title}])
    assert stack.evercert("apply", file, "--wait").returncode == 0
    secrets.untag_resource(SecretId=title, TagKeys=[STACK_TAG, CERTIFICATE_TAG])
    assert stack.evercert("renew", name, "--wait").returncode == 1  # starts a back-off, which adopt ignores
    one_line(stack.evercert("adopt", name, "nothing/there"), 1, "cannot look at secret nothing/there")
    asked = stack.evercert("adopt", name, title)
    assert asked.returncode == 2
    assert not stack.client("secretsmanager").describe_secret(SecretId=title).get("Tags")
    done = stack.evercert("adopt", name, title, "--yes")
    assert done.returncode == 0, done.stderr
    assert f"certificate {name} already has this destination; its delivery starts now" in done.stdout
    assert until(lambda: shown(stack, name)["state"] == "ready", 120)
    assert stack.secret(f"{name}-elsewhere")["certificate"]


def test_adopt_accepts_only_unowned_imported_certificates(stack: Stack, own) -> None:
    acm = stack.client("acm")
    requested = acm.request_certificate(DomainName="www.example.com")["CertificateArn"]
    one_line(stack.evercert("adopt", "web", requested, "--yes"), 2, "of type AMAZON_ISSUED")
    (name,) = names(1)
    own(name)
    pair = stack.secret(name)
    arn = acm.import_certificate(
        Certificate=pair["certificate"].encode(), PrivateKey=pair["private_key"].encode()
    )["CertificateArn"]  # fmt: skip
    done = stack.evercert("adopt", "*.example.com", arn, "--yes")
    assert (done.returncode, done.stderr) == (0, "")
    assert f'      - type: acm\n        arn: "{arn}"' in done.stdout
    tags = {tag["Key"]: tag["Value"] for tag in acm.list_tags_for_certificate(CertificateArn=arn)["Tags"]}
    assert tags == {"evercert:stack": OWNER, "evercert:certificate": "_wildcard.example.com"}
    one_line(stack.evercert("adopt", name, arn, "--yes"), 2, "belongs to certificate '_wildcard.example.com'")


def temporary(stack: Stack) -> list[str]:
    """List the resources that `events` created and that still exist."""
    queues = stack.client("sqs").list_queues(QueueNamePrefix="evercert-events-").get("QueueUrls", [])
    found = stack.client("sns").list_subscriptions()["Subscriptions"]
    return queues + [s["Endpoint"] for s in found if ":evercert-events-" in s["Endpoint"]]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_events_are_printed_as_they_arrive_and_clean_up(stack: Stack, own, number: signal.Signals) -> None:
    wanted, other = names(2)
    process = stack.start("events", "--certificate", wanted, *["--json"] * (number == signal.SIGTERM))
    try:
        assert "listening" in process.stderr.readline()
        assert len(temporary(stack)) == 2
        own(other)
        own(wanted)
        line = process.stdout.readline()
    finally:
        process.send_signal(number)
        left, trouble = process.communicate(timeout=30)
    assert (process.returncode, left, trouble) == (130, "", "")
    assert temporary(stack) == []
    if number == signal.SIGTERM:
        assert json.loads(line)["subject"] == wanted
    else:
        assert line.split()[1:3] == ["certificate.issued", wanted]


def test_events_end_after_the_requested_time(stack: Stack) -> None:
    """Filter by an unused name: events of earlier tests may arrive at any time."""
    (unused,) = names(1)
    done = stack.evercert("events", "--for", "1s", "--certificate", unused)
    assert (done.returncode, done.stdout) == (0, "")
    assert temporary(stack) == []


def test_send_test_events_publishes_one_of_each_type(stack: Stack) -> None:
    done = stack.evercert("events", "--test", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"arrived": sorted(get_args(EventType)), "missing": []}
    assert temporary(stack) == []


def test_events_without_permission_leave_no_resources(stack: Stack, role_with) -> None:
    may = ["cloudformation:DescribeStacks", "sqs:*", "sns:ListSubscriptionsByTopic"]
    done = stack.evercert("events", "--for", "1s", **role_with(*may))
    assert done.returncode == 1
    assert "subscribe queue" in done.stderr
    assert "Traceback" not in done.stderr
    assert temporary(stack) == []


def doctor(stack: Stack, *given: str, **environment: str) -> dict[str, dict[str, str]]:
    done = stack.evercert("doctor", *given, "--json", **environment)
    found = {check["check"]: check for check in json.loads(done.stdout)}
    assert done.returncode == (1 if "failed" in {check["status"] for check in found.values()} else 0), done.stderr
    return found


def test_doctor_passes_on_a_healthy_stack(stack: Stack, own) -> None:
    (name,) = names(1)
    own(name)
    found = doctor(stack, name)
    fine = ["stack", "schedule tick", "dead letters", "queue", "SealKey", "DataKey", "CheckerFunction"]
    assert {check: found[check]["status"] for check in fine} == dict.fromkeys(fine, "ok")
    assert found["IssuerFunction"]["status"] in {"ok", "warning"}  # the killer ends some of its runs
    assert found["certificates"]["found"] == "1 in order"
    one_line(stack.evercert("doctor", "unknown"), 2, "there is no certificate 'unknown'")


def test_doctor_finds_broken_resources(stack: Stack) -> None:
    sqs, scheduler = stack.client("sqs"), stack.client("scheduler")
    schedule = scheduler.get_schedule(Name="evercert-tick")
    kept = ("Name", "GroupName", "ScheduleExpression", "FlexibleTimeWindow", "Target")
    same = {key: schedule[key] for key in kept if key in schedule}
    sqs.send_message(QueueUrl=stack.outputs["DeadLetters"], MessageBody="{}")
    scheduler.update_schedule(**same, State="DISABLED")
    try:
        found = doctor(stack)
    finally:
        scheduler.update_schedule(**same, State="ENABLED")
        sqs.purge_queue(QueueUrl=stack.outputs["DeadLetters"])
    assert (found["dead letters"]["status"], found["dead letters"]["found"]) == ("failed", "1 message")
    assert found["schedule tick"]["status"] == "failed"
    assert "nothing is renewed without it" in found["schedule tick"]["remedy"]


def test_doctor_reports_missing_permissions(stack: Stack, role_with) -> None:
    found = doctor(stack, **role_with("cloudformation:DescribeStacks", "dynamodb:Query", "dynamodb:BatchGetItem"))
    assert {check["status"] for check in found.values() if check["check"].startswith("schedule")} == {"unknown"}
    for check in ("topic", "dead letters", "SealKey", "CheckerFunction", "issuer function's own view"):
        assert found[check]["status"] == "unknown"
        assert found[check]["found"].startswith("you lack the permission for ")


def test_list_is_filtered_and_sorted(stack: Stack, own) -> None:
    late, soon = names(2)
    own(late, soon, labels={"team": late})

    def listed(*given: str) -> list[str]:
        return [row["name"] for row in json.loads(stack.evercert("list", "--json", *given).stdout)]

    assert listed("--label", f"team={late}", "--sort", "expiry") == [soon, late]
    assert listed("--label", f"team={late}") == sorted([late, soon])
    assert listed("--label", f"team={late}", "--state", "failing") == []
    one_line(stack.evercert("list", "--state", "redy"), 2, "--state redy: must be one of")


def test_uninstall_plan_names_what_the_stack_leaves_behind(stack: Stack, own) -> None:
    (name,) = names(1)
    own(name)
    steps = json.loads(stack.evercert("uninstall", "--plan", "--json").stdout)
    commands = [command for step in steps for command in step["commands"]]
    kept = ("CertificatesTable", "IssuersTable", "DataKey", "SealKey", "Topic", "DeadLetters")
    for logical in kept:
        assert sum(f" {stack.resource(logical)} " in command for command in commands) >= 1, logical
    assert not any(f" {stack.resource('Queue')} " in command for command in commands)
    assert any(f" evercert/certificates/{name} " in command for command in commands)
    one_line(stack.evercert("uninstall"), 2, "pass --plan")
