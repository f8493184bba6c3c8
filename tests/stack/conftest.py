"""The stack of template.yaml, deployed by SAM on an emulator that enforces IAM."""

from __future__ import annotations

import json
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.doubles.infisical import Planted
from tests.tools.local_authority import choose_address
from tests.tools.local_infisical import CREDENTIALS, beside, definition, plant
from tests.tools.local_stack import ACCOUNT, ROOT, STACK, Emulator, build, client_arguments, deploy, emulator

KILLER = Path(__file__).parent / "killer"
CALLS = 13  # of one issuance by a self-signed issuer into one secret, from claim to published
NAMES = [f"kill-{when}-{at}-x" for at in range(1, CALLS + 1) for when in ("before", "after")]


class Stack:
    """A deployed stack, and ways to look at it."""

    def __init__(self, running: Emulator, outputs: dict[str, str]) -> None:
        self.running = running
        self.outputs = outputs
        self.table = outputs["CertificatesTable"]
        self.said: list[str] = []  # by the command, in this session
        self.doubles: list[Planted] = []  # of Infisical, with secrets that nobody else may hold

    def client(self, service: str, **more: Any) -> Any:
        """As root of the emulator."""
        return boto3.client(service, **{**client_arguments(self.running), **more})

    def resource(self, logical_id: str) -> str:
        found = self.client("cloudformation").describe_stack_resources(StackName=STACK)["StackResources"]
        return next(r["PhysicalResourceId"] for r in found if r["LogicalResourceId"] == logical_id)

    def role(self, name: str) -> dict[str, str]:
        """Credentials of a role; unlike root's, they are verified and their permissions enforced."""
        arn = f"arn:aws:iam::{ACCOUNT}:role/{name}"
        found = self.client("sts").assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]
        return {
            "aws_access_key_id": found["AccessKeyId"],
            "aws_secret_access_key": found["SecretAccessKey"],
            "aws_session_token": found["SessionToken"],
        }

    def evercert(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """The command, in a process of its own."""
        values = {"PATH": "/usr/bin:/bin", "COLUMNS": "160", **self.running.environment, **environment}
        command = [str(ROOT / ".venv" / "bin" / "evercert"), *arguments]
        done = subprocess.run(
            command,
            env={k: v for k, v in values.items() if v},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        self.said += [done.stdout, done.stderr]
        return done

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """The command, still running; whoever starts it ends it."""
        values = {"PATH": "/usr/bin:/bin", **self.running.environment}
        command = [str(ROOT / ".venv" / "bin" / "evercert"), *arguments]
        return subprocess.Popen(command, env=values, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def subscribe(self, **policy: list[str]) -> Callable[[], list[dict[str, Any]]]:
        """A queue with a filter policy; answers what it received so far."""
        sqs = self.client("sqs")
        url = sqs.create_queue(QueueName=f"inbox-{uuid.uuid4().hex[:8]}")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        allow = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": arn}
        sqs.set_queue_attributes(
            QueueUrl=url, Attributes={"Policy": json.dumps({"Version": "2012-10-17", "Statement": [allow]})}
        )
        self.client("sns").subscribe(
            TopicArn=self.outputs["Topic"],
            Protocol="sqs",
            Endpoint=arn,
            Attributes={"RawMessageDelivery": "true", "FilterPolicy": json.dumps(policy)},
        )
        received: list[dict[str, Any]] = []

        def look() -> list[dict[str, Any]]:
            while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
                for message in messages:
                    received.append(json.loads(message["Body"]))
                    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            return received

        return look

    def items(self, name: str | None = None, table: str | None = None) -> list[dict[str, Any]]:
        """The items of one certificate, or of all; or of another table."""
        found: list[dict[str, Any]] = []
        scan = self.client("dynamodb").get_paginator("scan")
        for page in scan.paginate(TableName=table or self.table, ConsistentRead=True):
            found += page["Items"]
        return [item for item in found if name is None or item["pk"]["S"] == f"certificate#{name}"]

    def secret(self, name: str, stage: str = "AWSCURRENT") -> dict[str, str]:
        found = self.client("secretsmanager").get_secret_value(
            SecretId=f"evercert/certificates/{name}", VersionStage=stage
        )
        return json.loads(found["SecretString"])

    def logs(self, function: str) -> list[dict[str, Any]]:
        """What the function said, line by line; the platform's own lines are left out."""
        lines = []
        for page in (
            self.client("logs")
            .get_paginator("filter_log_events")
            .paginate(logGroupName=f"/evercert/{STACK}/{function}")
        ):
            lines += [json.loads(e["message"]) for e in page["events"] if e["message"].startswith("{")]
        return lines


def document(folder: Path, *names: str, **changes: Any) -> str:
    """A file with one self-signed certificate for each name."""
    return written(folder, {"development": {"type": "self-signed"}}, [{"name": name, **changes} for name in names])


def written(folder: Path, issuers: dict[str, Any], certificates: list[dict[str, Any]]) -> str:
    """A file with these issuers, and these certificates where they are no usual ones."""
    usual = {
        "issuer": "development",
        "attributes": {"common-name": "www.example.com", "ttl": "90d"},
        "destinations": [{"type": "secrets-manager"}],
    }
    file = folder / f"{uuid.uuid4().hex[:8]}.yaml"
    content = {
        "version": "evercert/v1",
        "issuers": issuers,
        "certificates": [{**usual, **each} for each in certificates],
    }
    file.write_text(json.dumps(content))
    return str(file)


def until(condition: Callable[[], bool], seconds: float, every: float = 1.0) -> bool:
    """Waits for something of the stack, with an end."""
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up:
        if condition():
            return True
        time.sleep(every)
    return condition()


@pytest.fixture(scope="session")
def kills(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the killer notes whom it killed."""
    return tmp_path_factory.mktemp("kills")


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where every private key is noted that the issuer makes, for those who look for it elsewhere."""
    return tmp_path_factory.mktemp("keys")


@pytest.fixture(scope="session")
def stack(kills: Path, keys: Path) -> Iterator[Stack]:
    environment = {"PYTHONPATH": str(KILLER), "EVERCERT_KILLS": str(kills), "EVERCERT_KEYS": str(keys)}
    with emulator(environment) as running:
        build()
        yield Stack(running, deploy(running, AuthorityAddress=choose_address()))


@pytest.fixture(scope="session")
def infisical(stack: Stack) -> Iterator[Planted]:
    with beside(stack.running) as server:
        stack.doubles.append(server)
        yield server


@pytest.fixture(scope="session")
def logged_in(stack: Stack, infisical: Planted, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A certificate by each kind of login, by that name; every other key is made by the server."""
    prefix = f"{CREDENTIALS}/login-{uuid.uuid4().hex[:6]}"
    auths = plant(infisical, stack.client("secretsmanager"), prefix)
    issuers = {f"by-{kind}": definition(infisical, auth) for kind, auth in auths.items()}
    changes = [
        {"name": f"login-{kind}", "issuer": f"by-{kind}", "private-key": {"source": source}}
        for kind, source in zip(auths, ["issuer", "local"] * len(auths), strict=False)
    ]
    done = stack.evercert("apply", written(tmp_path_factory.mktemp("logins"), issuers, changes), "--wait")
    assert done.returncode == 0, done.stdout + done.stderr
    return {kind: f"login-{kind}" for kind in auths}


@pytest.fixture(scope="session")
def announced(stack: Stack) -> Callable[[], list[dict[str, Any]]]:
    """Everything that is announced in this session."""
    return stack.subscribe()


@pytest.fixture(scope="session")
def condemned(
    stack: Stack, announced: Callable[[], list[dict[str, Any]]], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[], list[dict[str, Any]]]:
    """Certificates whose issuer dies, one at each call; answers the events about them.

    They take their time to come back, so they are begun first and looked at last.
    """
    received = stack.subscribe(certificate=NAMES)
    applied = stack.evercert("apply", document(tmp_path_factory.mktemp("condemned"), *NAMES))
    assert applied.returncode == 0, applied.stderr
    return received


@pytest.fixture(autouse=True)
def _condemned_first(condemned: Callable[[], list[dict[str, Any]]]) -> None:
    """Whatever is tested on the stack is tested while functions die around it."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What waits goes late: by then it has waited long enough. The canaries look at all that was left."""
    last = [
        "tests/stack/test_infisical.py::test_a_certificate_is_issued_and_renewed",
        "tests/stack/test_crash",
        "tests/stack/test_canaries",
    ]
    items.sort(key=lambda item: next((n for n, file in enumerate(last, 1) if item.nodeid.startswith(file)), 0))
