"""The example subscribers, deployed as docs/how-to/receive-events.md says, act on events of the stack.

The emulator has no type AWS::SSM::Document and runs neither SSM commands nor ECS services: a parameter takes the
document's place, and the functions call doubles that validate each call.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.aws_service import serve
from tests.doubles.chat import TOKEN, serve_chat
from tests.stack.conftest import Stack, document, until
from tests.tools.local_stack import ENVIRONMENT, ROOT

pytestmark = pytest.mark.timeout(600)  # the first test runs while functions are killed in the background
EXAMPLES = ROOT / "examples" / "subscribers"
DOCUMENT = re.compile(r"  Reload:\n    Type: AWS::SSM::Document\n.*?\n\n", re.DOTALL)
PARAMETER = '  Reload:\n    Type: AWS::SSM::Parameter\n    Properties: { Name: reload, Type: String, Value: "-" }\n\n'


@pytest.fixture
def name() -> str:
    return f"web-{uuid.uuid4().hex[:8]}"


@pytest.fixture(autouse=True)
def _removed(stack: Stack) -> Iterator[None]:
    """Delete the stacks of the examples after each test."""
    yield
    client = stack.client("cloudformation")
    for example in EXAMPLES.iterdir():
        client.delete_stack(StackName=example.name)


def deploy(stack: Stack, folder: Path, example: str, **parameters: str) -> dict[str, str]:
    """Deploy an example with SAM, as a reader of the page does; return the outputs."""
    copy = folder / example
    shutil.copytree(EXAMPLES / example, copy, ignore=shutil.ignore_patterns("__pycache__"))
    text, replaced = DOCUMENT.subn(PARAMETER, (copy / "template.yaml").read_text())
    assert replaced == (example == "reload-by-ssm")
    (copy / "template.yaml").write_text(text)
    given = {"TopicArn": stack.outputs["Topic"], **parameters}
    done = subprocess.run(
        [
            ENVIRONMENT / "bin" / "sam", "deploy", "--stack-name", example, "--template-file", copy / "template.yaml",
            "--resolve-s3", "--capabilities", "CAPABILITY_IAM",
            "--parameter-overrides", *(f"{key}={value}" for key, value in given.items()),
        ],
        cwd=folder, env={"PATH": os.environ["PATH"], "HOME": str(folder), "SAM_CLI_TELEMETRY": "0", **stack.running.environment},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    found = stack.client("cloudformation").describe_stacks(StackName=example)["Stacks"][0]["Outputs"]
    return {output["OutputKey"]: output["OutputValue"] for output in found}


def configure(stack: Stack, function: str, **variables: str) -> None:
    """Add variables to the environment of a function."""
    client = stack.client("lambda")
    known = client.get_function_configuration(FunctionName=function)["Environment"]["Variables"]
    client.update_function_configuration(FunctionName=function, Environment={"Variables": {**known, **variables}})


def issue(stack: Stack, folder: Path, name: str) -> None:
    """Issue a certificate and renew it."""
    for arguments in (["apply", document(folder, name)], ["renew", name]):
        done = stack.evercert(*arguments, "--wait")
        assert done.returncode == 0, done.stdout + done.stderr


def failed(stack: Stack, outputs: dict[str, str]) -> list[Any]:
    """Return the events that the function did not process."""
    return stack.client("sqs").receive_message(QueueUrl=outputs["Failed"], MaxNumberOfMessages=10).get("Messages", [])


def test_hosts_are_reloaded_by_ssm(stack: Stack, tmp_path: Path, name: str) -> None:
    outputs = deploy(stack, tmp_path, "reload-by-ssm", Certificate=name)
    with serve("ssm", {"SendCommand": lambda _: {"Command": {"CommandId": "command-1"}}}) as ssm:
        configure(stack, outputs["Function"], AWS_ENDPOINT_URL_SSM=ssm.url)
        issue(stack, tmp_path, f"{name}-other")
        issue(stack, tmp_path, name)
        assert until(lambda: len(ssm.calls) == 2, 30), ssm.refused
    assert {operation for operation, _ in ssm.calls} == {"SendCommand"}
    assert sorted(call["Comment"] for _, call in ssm.calls) == [
        f"evercert: {name} revision {number}" for number in (1, 2)
    ]
    for _, call in ssm.calls:
        assert call["DocumentName"] == "reload"
        assert call["Targets"] == [{"Key": "tag:evercert-certificate", "Values": [name]}]
    assert (ssm.refused, failed(stack, outputs)) == ([], [])


def test_ecs_service_is_redeployed(stack: Stack, tmp_path: Path, name: str) -> None:
    outputs = deploy(stack, tmp_path, "redeploy-ecs", Certificate=name, Cluster="main", Service="shop")
    service = {
        "status": "ACTIVE",
        "deployments": [{"id": "ecs-svc/1", "status": "PRIMARY", "createdAt": 1_700_000_000}],
    }
    answers = {"DescribeServices": lambda _: {"services": [service]}, "UpdateService": lambda _: {"service": service}}
    with serve("ecs", answers) as ecs:
        configure(stack, outputs["Function"], AWS_ENDPOINT_URL_ECS=ecs.url)
        issue(stack, tmp_path, name)
        assert until(lambda: len(ecs.calls) == 4, 30), ecs.refused
    updates = [call for operation, call in ecs.calls if operation == "UpdateService"]
    assert updates == [{"cluster": "main", "service": "shop", "forceNewDeployment": True}] * 2
    assert (ecs.refused, failed(stack, outputs)) == ([], [])


def test_chat_receives_events(stack: Stack, tmp_path: Path, name: str) -> None:
    """Each event once, without keys; the role reads the webhook from Secrets Manager and writes its table."""
    webhook = f"chat/{name}"
    outputs = deploy(stack, tmp_path, "chat-message", WebhookSecret=webhook, Severities="info,warning,critical")
    with serve_chat(tmp_path) as chat:
        stack.client("secretsmanager").create_secret(Name=webhook, SecretString=chat.url)
        configure(stack, outputs["Function"], SSL_CERT_FILE=str(chat.ca_file))
        issue(stack, tmp_path, name)
        expected = [f"✅ certificate.issued: {name}", f"✅ certificate.renewed: {name}"]
        ours = lambda: sorted(text.partition("\n")[0] for text in chat.texts if name in text)  # noqa: E731
        assert until(lambda: ours() == expected, 30), chat.texts
        event = json.dumps(
            stack.client("lambda").get_function_configuration(FunctionName=outputs["Function"]), default=str
        )
        assert TOKEN not in event
    assert "PRIVATE KEY" not in json.dumps(chat.messages)
    assert stack.secret(name)["private_key"] not in json.dumps(chat.messages)
    assert failed(stack, outputs) == []
