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
from tests.iam import recorder
from tests.iam.deployment import Deployment
from tests.iam.live import live
from tests.iam.processes import CallLog, deployment_of
from tests.tools.local_authority import choose_address
from tests.tools.local_infisical import CREDENTIALS, beside, definition, plant
from tests.tools.local_stack import ACCOUNT, ROOT, STACK, Emulator, build, client_arguments, deploy, emulator

CALLS = 10  # of one issuance by a self-signed issuer into one secret, from claim to published
NAMES = [f"kill-{when}-{at}-x" for at in range(1, CALLS + 1) for when in ("before", "after")]


class Stack:
    """A deployed stack, and methods to inspect it."""

    def __init__(self, running: Emulator, outputs: dict[str, str]) -> None:
        self.running = running
        self.outputs = outputs
        self.table = outputs["CertificatesTable"]
        self.said: list[str] = []  # output of the command in this session
        self.recording: dict[str, str] = {}  # environment of processes whose calls are judged
        self.deployment = Deployment()
        self.doubles: list[Planted] = []  # doubles of Infisical; their secrets must appear nowhere else

    def client(self, service: str, **more: Any) -> Any:
        """Return a client with the emulator's root credentials."""
        return boto3.client(service, **{**client_arguments(self.running), **more})

    def resource(self, logical_id: str) -> str:
        found = self.client("cloudformation").describe_stack_resources(StackName=STACK)["StackResources"]
        return next(r["PhysicalResourceId"] for r in found if r["LogicalResourceId"] == logical_id)

    def role(self, name: str) -> dict[str, str]:
        """Return credentials of a role; unlike root's, the emulator verifies them and enforces their permissions."""
        arn = f"arn:aws:iam::{ACCOUNT}:role/{name}"
        found = self.client("sts").assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]
        return {
            "aws_access_key_id": found["AccessKeyId"],
            "aws_secret_access_key": found["SecretAccessKey"],
            "aws_session_token": found["SessionToken"],
        }

    def evercert(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run the command in a process of its own."""
        values = {
            "PATH": "/usr/bin:/bin",
            "COLUMNS": "160",
            **self.running.environment,
            **self.recording,
            **environment,
        }
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

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Start the command and return at once; the caller ends the process."""
        values = {"PATH": "/usr/bin:/bin", **self.running.environment, **self.recording, **environment}
        command = [str(ROOT / ".venv" / "bin" / "evercert"), *arguments]
        return subprocess.Popen(command, env=values, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def subscribe(self, **policy: list[str]) -> Callable[[], list[dict[str, Any]]]:
        """Subscribe a queue with a filter policy; return a function that lists the messages received so far."""
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
        """Return the items of one certificate or of all, from the given table."""
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
        """Return the log lines that the function wrote, without the platform's own lines."""
        lines = []
        for page in (
            self.client("logs")
            .get_paginator("filter_log_events")
            .paginate(logGroupName=f"/evercert/{STACK}/{function}")
        ):
            lines += [json.loads(e["message"]) for e in page["events"] if e["message"].startswith("{")]
        return lines


def document(folder: Path, *names: str, **changes: Any) -> str:
    """Write a document with one self-signed certificate per name."""
    return written(folder, {"development": {"type": "self-signed"}}, [{"name": name, **changes} for name in names])


def written(folder: Path, issuers: dict[str, Any], certificates: list[dict[str, Any]]) -> str:
    """Write a document with these issuers and certificates; defaults apply to missing keys."""
    usual = {
        "issuer": "development",
        "attributes": {"common-name": "www.example.com", "ttl": "90d"},
        "destinations": [{"type": "secrets-manager"}],
    }
    file = folder / f"{uuid.uuid4().hex[:8]}.yaml"
    content = {
        "version": "evercert/v1",
        "issuers": issuers,
        "certificates": [
            {**{key: value for key, value in usual.items() if f"{key}s" not in each}, **each} for each in certificates
        ],
    }
    file.write_text(json.dumps(content))
    return str(file)


def until(condition: Callable[[], bool], seconds: float, every: float = 1.0) -> bool:
    """Wait until the condition holds or the time is up; return whether it holds."""
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up:
        if condition():
            return True
        time.sleep(every)
    return condition()


@pytest.fixture(scope="session")
def kills(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Directory in which the killer records the certificates whose process it killed."""
    return tmp_path_factory.mktemp("kills")


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Directory that records every private key the issuer generates, for tests that search for leaks."""
    return tmp_path_factory.mktemp("keys")


@pytest.fixture(scope="session")
def calls(tmp_path_factory: pytest.TempPathFactory) -> CallLog:
    """The AWS calls of functions and of the command, for the judge of permissions."""
    return CallLog(tmp_path_factory.mktemp("calls"))


@pytest.fixture(scope="session")
def stack(kills: Path, keys: Path, calls: CallLog) -> Iterator[Stack]:
    environment = {"EVERCERT_KILLS": str(kills), "EVERCERT_KEYS": str(keys), **calls.environment}
    with emulator(environment) as running:
        build()
        made = Stack(running, deploy(running, AuthorityAddress=choose_address(), PublishedBy="bucket-policy"))
        made.recording = {**calls.environment, "EVERCERT_RECORDED_AS": "operator"}
        made.deployment = deployment_of(made.client("cloudformation"), STACK)
        yield made


@pytest.fixture(autouse=True)
def _judged(request: pytest.FixtureRequest, stack: Stack, calls: CallLog) -> Iterator[None]:
    """Judge the calls of functions during each test; the fixture `_permissions` fails the test."""
    live.deployed(stack.deployment)
    yield
    made = calls.new()
    if request.node.get_closest_marker("another_stack") is None:
        recorder.calls += made


@pytest.fixture(scope="session")
def infisical(stack: Stack) -> Iterator[Planted]:
    with beside(stack.running) as server:
        stack.doubles.append(server)
        yield server


@pytest.fixture(scope="session")
def logged_in(stack: Stack, infisical: Planted, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Issue one certificate per login type, named after it; the server generates every other key."""
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
    """Subscribe to all events of this session."""
    return stack.subscribe()


@pytest.fixture(scope="session")
def condemned(
    stack: Stack, announced: Callable[[], list[dict[str, Any]]], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[], list[dict[str, Any]]]:
    """Apply certificates whose issuer dies, once at each call; return a function that lists their events.

    Recovery takes minutes, so they start first and are checked last.
    """
    received = stack.subscribe(certificate=NAMES)
    applied = stack.evercert("apply", document(tmp_path_factory.mktemp("condemned"), *NAMES))
    assert applied.returncode == 0, applied.stderr
    return received


@pytest.fixture(autouse=True)
def _condemned_first(condemned: Callable[[], list[dict[str, Any]]]) -> None:
    """Run every stack test while functions are killed in the background."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run tests that wait for a schedule late, and the canaries last: they search everything left behind."""
    last = [
        "tests/stack/test_infisical.py::test_short_lived_certificate_is_renewed",
        "tests/stack/test_crash",
        "tests/stack/test_canaries",
    ]
    items.sort(key=lambda item: next((n for n, file in enumerate(last, 1) if item.nodeid.startswith(file)), 0))
