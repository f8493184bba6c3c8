"""The agent on a host, by its own role: files and hooks follow the deployed stack."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import uuid
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.doubles.host import serial_of
from tests.stack.conftest import Stack, document
from tests.tools.local_stack import ACCOUNT, REGION, ROOT, STACK

POLICY = (ROOT / "docs" / "policies" / "host.json").read_text()


def host_file(folder: Path, name: str, **entry: Any) -> str:
    """Write the file of a host with one certificate; its hooks append a line each."""
    ran = folder / "ran"
    hooks = {
        event: {"command": f'echo "{event} $CERT_SERIAL_NUMBER $CERT_FILE_PATH $ERROR_MESSAGE" >> {ran}', "timeout": 10}
        for event in ("on-issuance", "on-renewal", "on-failure")
    }
    files = {
        "certificate": {"path": str(folder / "tls" / "web.crt"), "permission": "0644"},
        "private-key": {"path": str(folder / "tls" / "web.key"), "permission": "0640"},
        "chain": {"path": str(folder / "tls" / "chain.pem"), "permission": "0644"},
    }
    certificate = {"name": name, "application-name": "web", "profile-name": "tls", "file-output": files}
    certificate |= {"attributes": {"common-name": f"{name}.example.com"}, "post-hooks": hooks, **entry}
    text = {"version": "v2", "auth": {"type": "aws-iam"}, "certificates": [certificate]}
    path = folder / "agent.yaml"
    path.write_text(yaml.safe_dump(text))
    return str(path)


@pytest.fixture
def role(stack: Stack) -> Any:
    """Return a function that makes the credentials of a host's role, with the policy of the docs and nothing else."""

    def make(name: str) -> dict[str, str]:
        iam, role = stack.client("iam"), f"host-{uuid.uuid4().hex[:8]}"
        trust = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "sts:AssumeRole"}
        iam.create_role(
            RoleName=role, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        )
        values = {"ACCOUNT": ACCOUNT, "REGION": REGION, "STACK": STACK, "NAME": name}
        text = POLICY
        for placeholder, value in values.items():
            text = text.replace(placeholder, value)
        iam.put_role_policy(RoleName=role, PolicyName="certificate", PolicyDocument=text)
        found = stack.role(role)
        return {
            "AWS_ACCESS_KEY_ID": found["aws_access_key_id"],
            "AWS_SECRET_ACCESS_KEY": found["aws_secret_access_key"],
            "AWS_SESSION_TOKEN": found["aws_session_token"],
        }

    return make


def test_files_and_hooks_follow_the_stack(stack: Stack, role: Any, tmp_path: Path) -> None:
    name = f"host-{uuid.uuid4().hex[:8]}"
    assert stack.evercert("apply", document(tmp_path, name), "--wait").returncode == 0
    config, credentials = host_file(tmp_path, name), role(name)
    agent = ["agent", "--config", config, "--state-directory", str(tmp_path / "state")]
    planned = stack.evercert(*agent, "--dry-run", **credentials)
    assert planned.returncode == 0, planned.stderr
    assert f"{name}: would install revision 1" in planned.stdout
    assert not (tmp_path / "tls").exists()
    done = stack.evercert(*agent, "--once", **credentials)
    assert done.returncode == 0, done.stderr
    first = serial_of((tmp_path / "tls" / "web.crt").read_bytes())
    assert first == serial_of(stack.secret(name)["certificate"].encode())
    assert (tmp_path / "tls" / "web.key").stat().st_mode & 0o777 == 0o640
    assert stack.evercert("renew", name, "--wait").returncode == 0
    assert stack.evercert(*agent, "--once", **credentials).returncode == 0
    assert stack.evercert(*agent, "--once", **credentials).returncode == 0
    second = serial_of((tmp_path / "tls" / "web.crt").read_bytes())
    assert second == serial_of(stack.secret(name)["certificate"].encode()) != first
    ran = (tmp_path / "ran").read_text().splitlines()
    seen = [(line.split()[0], int(line.split()[1], 16)) for line in ran]
    assert seen == [("on-issuance", first), ("on-renewal", second)]


def test_foreign_certificate_is_denied(stack: Stack, role: Any, tmp_path: Path) -> None:
    name = f"host-{uuid.uuid4().hex[:8]}"
    assert stack.evercert("apply", document(tmp_path, name), "--wait").returncode == 0
    done = stack.evercert(
        "agent", "--config", host_file(tmp_path, name), "--once", "--state-directory", str(tmp_path / "state"),
        **role("another"),
    )  # fmt: skip
    assert done.returncode == 1
    assert not (tmp_path / "tls").exists()
    assert (tmp_path / "ran").read_text().startswith("on-failure")


def test_daemon_renews_by_event_and_ends_by_signal(stack: Stack, tmp_path: Path) -> None:
    name = f"host-{uuid.uuid4().hex[:8]}"
    assert stack.evercert("apply", document(tmp_path, name), "--wait").returncode == 0
    url = queue(stack)
    command = [str(ROOT / ".venv" / "bin" / "evercert"), "agent", "--config", host_file(tmp_path, name), "--queue", url]
    command += ["--interval", "1h", "--state-directory", str(tmp_path / "state"), "--log-format", "json"]
    command += ["--health-file", str(tmp_path / "health.json")]
    environment = {"PATH": os.environ["PATH"], **stack.running.environment}
    running = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        wait_for((tmp_path / "ran").exists)
        wait_for((tmp_path / "health.json").exists)
        wait_for(lambda: json.loads((tmp_path / "health.json").read_text())["ok"])
        assert stack.evercert("renew", name, "--wait").returncode == 0
        wait_for(lambda: len((tmp_path / "ran").read_text().splitlines()) == 2)
    finally:
        running.send_signal(signal.SIGTERM)
        output = running.communicate(timeout=30)[0]
    assert running.returncode == 0, output
    assert [json.loads(line)["message"] for line in output.splitlines()][-1].startswith("on-renewal succeeded")
    assert serial_of((tmp_path / "tls" / "web.crt").read_bytes()) == serial_of(
        stack.secret(name)["certificate"].encode()
    )


def queue(stack: Stack) -> str:
    """Return a queue that is subscribed to the stack's topic."""
    sqs = stack.client("sqs")
    url: str = sqs.create_queue(QueueName=f"host-{uuid.uuid4().hex[:8]}")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    allow = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    stack.client("sns").subscribe(TopicArn=stack.outputs["Topic"], Protocol="sqs", Endpoint=arn)
    return url


def wait_for(happened: Any, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.2)
