"""The script for hosts reads a secret that the destination wrote, with the AWS CLI and the policy for readers."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest

from evercert.contracts.record import Delivery
from evercert.destinations.context import DestinationContext, RegisteredDestinations
from evercert.documents.spec import Component
from tests.tools.host import Host, bundle
from tests.tools.local_stack import ACCOUNT, ENVIRONMENT, REGION, ROOT, Emulator, client_arguments

pytestmark = [pytest.mark.peer("flock"), pytest.mark.peer("timeout")]
STACK_ID = f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/stack/1"
POLICY = ROOT / "docs" / "policies" / "reader.json"


@pytest.fixture
def name() -> str:
    return f"web-{uuid.uuid4().hex[:8]}"


def deliver(running: Emulator, name: str) -> int:
    """Deliver a new certificate to the secret; return its serial number."""
    made = bundle(name)
    client = boto3.client("secretsmanager", **client_arguments(running))
    context = DestinationContext(STACK_ID, SimpleNamespace(secretsmanager=client))  # type: ignore[arg-type]
    component = Component.model_validate({"type": "secrets-manager"})
    RegisteredDestinations(context).open(component, name).deliver(made, Delivery())
    return made.chain.leaf.serial_number


def reader(running: Emulator, name: str) -> dict[str, str]:
    """Return the environment of a role with the policy for readers of this certificate."""
    iam = boto3.client("iam", **client_arguments(running))
    root = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    trust = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": root, "Action": "sts:AssumeRole"}],
    }
    role = iam.create_role(RoleName=f"reader-{name}", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    text = POLICY.read_text()
    for placeholder, value in {"ACCOUNT": ACCOUNT, "REGION": REGION, "NAME": name}.items():
        text = text.replace(placeholder, value)
    iam.put_role_policy(RoleName=f"reader-{name}", PolicyName="reader", PolicyDocument=text)
    found = boto3.client("sts", **client_arguments(running)).assume_role(RoleArn=role, RoleSessionName="host")
    return {
        "AWS_ACCESS_KEY_ID": found["Credentials"]["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": found["Credentials"]["SecretAccessKey"],
        "AWS_SESSION_TOKEN": found["Credentials"]["SessionToken"],
        "AWS_ENDPOINT_URL": running.url,
        "AWS_DEFAULT_REGION": REGION,
    }


@pytest.fixture
def host(tmp_path: Path) -> Host:
    made = Host(tmp_path)
    (made.programs / "aws").unlink()
    (made.programs / "aws").symlink_to(ENVIRONMENT / "bin" / "aws")
    return made


def install(host: Host, name: str, environment: dict[str, str]) -> Any:
    return host.install("--secret", f"evercert/certificates/{name}", **environment)


def test_install_follows_the_deliveries(running: Emulator, host: Host, name: str) -> None:
    first = deliver(running, name)
    environment = reader(running, name)
    done = install(host, name, environment)
    assert done.returncode == 0, done.stderr
    assert host.serial() == first
    second = deliver(running, name)
    assert install(host, name, environment).returncode == 0
    assert host.serial() == second != first


def test_reader_reads_no_other_certificate(running: Emulator, host: Host, name: str) -> None:
    deliver(running, f"{name}-other")
    done = install(host, f"{name}-other", reader(running, name))
    assert done.returncode == 1
    assert "AccessDenied" in done.stderr
