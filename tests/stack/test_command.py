"""The command line on a stack: every trouble is one line that says what to run."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest

from tests.stack.conftest import Stack, document

LAMBDA_TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}],
}


@pytest.fixture(scope="session")
def role_with(stack: Stack):
    """Environment variables of a role that may do just this."""

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


def test_no_such_stack(stack: Stack) -> None:
    one_line(
        stack.evercert("list", "--stack", "nobody"), 1, "there is no stack nobody", "sam deploy --guided", "--stack"
    )


def test_the_wrong_region(stack: Stack) -> None:
    one_line(stack.evercert("list", "--region", "us-east-1"), 1, "there is no stack evercert in us-east-1", "--region")


def test_no_region(stack: Stack) -> None:
    one_line(stack.evercert("list", AWS_REGION="", AWS_DEFAULT_REGION=""), 1, "no AWS region", "--region")


def test_no_credentials(stack: Stack, tmp_path: Path) -> None:
    nobody = {
        "AWS_ACCESS_KEY_ID": "",
        "AWS_SECRET_ACCESS_KEY": "",
        "HOME": str(tmp_path),
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    one_line(stack.evercert("list", **nobody), 1, "there are no AWS credentials", "aws configure")


def test_expired_credentials(stack: Stack) -> None:
    wrong = {"AWS_ACCESS_KEY_ID": "ASIA0000000000000000", "AWS_SECRET_ACCESS_KEY": "x", "AWS_SESSION_TOKEN": "x"}
    one_line(stack.evercert("list", **wrong), 1, "credentials are expired or wrong", "sign in again")


def test_a_missing_permission_on_the_stack(stack: Stack, role_with) -> None:
    one_line(stack.evercert("list", **role_with()), 1, "find stack evercert", "lacks a permission")


def test_a_missing_permission_on_the_table_writes_nothing(stack: Stack, role_with, tmp_path: Path) -> None:
    reader = role_with("cloudformation:DescribeStacks", "dynamodb:Scan")
    name = f"web-{uuid.uuid4().hex[:8]}"
    done = stack.evercert("apply", document(tmp_path, name), **reader)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "lacks a permission" in done.stderr
    assert stack.items(name) == []


def test_a_local_stack_that_is_not_running(stack: Stack) -> None:
    one_line(
        stack.evercert("list", AWS_ENDPOINT_URL="http://127.0.0.1:1"),
        1,
        "nothing answers at http://127.0.0.1:1",
        "make local",
    )


@pytest.mark.parametrize("command", ["show", "renew", "history"])
def test_an_unknown_certificate(stack: Stack, command: str) -> None:
    one_line(stack.evercert(command, "nobody"), 2, "there is no certificate 'nobody'", "evercert list")


def test_a_bad_document_is_told_before_anything_is_asked_or_written(stack: Stack, tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text("version: evercert/v1\ncertificates:\n  - name: web\n    isuer: x\n")
    done = stack.evercert("apply", str(file), "--stack", "nobody")
    assert done.returncode == 2
    assert f"{file}:4: unknown key 'isuer'; did you mean 'issuer'?" in done.stderr


def test_two_certificates_in_one_secret_are_refused_over_two_applies(stack: Stack, tmp_path: Path) -> None:
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


def test_dry_run_writes_nothing(stack: Stack, tmp_path: Path) -> None:
    name = f"web-{uuid.uuid4().hex[:8]}"
    done = stack.evercert("apply", document(tmp_path, name), "--dry-run")
    assert done.returncode == 0
    assert f"+ certificate {name} (create)" in done.stdout
    assert stack.items(name) == []


def test_validate_asks_nobody(stack: Stack, tmp_path: Path) -> None:
    done = stack.evercert("validate", document(tmp_path, "a", "b"), AWS_ENDPOINT_URL="http://127.0.0.1:1")
    assert done.returncode == 0
    assert "2 certificates and 1 issuer" in done.stdout
