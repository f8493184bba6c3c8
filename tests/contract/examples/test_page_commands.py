"""The commands of the pages about secrets and events, run on an emulator of their own."""

from __future__ import annotations

import io
import json
import os
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from cryptography import x509

from tests.contract.examples.test_install_certificate import deliver
from tests.tools.local_stack import ACCOUNT, ENVIRONMENT, ROOT, Emulator, client_arguments, emulator
from tests.tools.pages import blocks

TEMPLATE = {"Resources": {"Events": {"Type": "AWS::SNS::Topic"}}, "Outputs": {"Topic": {"Value": {"Ref": "Events"}}}}
EVENT = (ROOT / "events" / "certificate_renewed.json").read_text()
ATTRIBUTES = {
    "type": {"DataType": "String", "StringValue": "certificate.renewed"},
    "certificate": {"DataType": "String", "StringValue": "web"},
    "severity": {"DataType": "String", "StringValue": "info"},
}
EVENTS_PAGE, READ_PAGE = "how-to/receive-events.md", "how-to/read-a-certificate.md"
FUNCTION = "import boto3\ndef handler(event, _):\n    boto3.client('sqs').send_message(QueueUrl='{url}', MessageBody=event['Records'][0]['Sns']['Message'])\n"


class Operator:
    """Runs commands as an operator does; `evercert events --test` publishes one event."""

    def __init__(self, running: Emulator, folder: Path) -> None:
        self.running = running
        self.folder = folder
        programs = folder / "programs"
        programs.mkdir()
        # Version 1 of the CLI ignores AWS_ENDPOINT_URL for SQS.
        (programs / "aws").write_text(f'#!/bin/sh\nexec {ENVIRONMENT}/bin/aws --endpoint-url {running.url} "$@"\n')
        (folder / "event").write_text(EVENT)
        (folder / "attributes").write_text(json.dumps(ATTRIBUTES))
        publish = f"aws sns publish --topic-arn {self.topic} --message file://{folder}/event"
        (programs / "evercert").write_text(f"#!/bin/sh\n{publish} --message-attributes file://{folder}/attributes\n")
        for program in programs.iterdir():
            program.chmod(0o755)
        self.path = f"{programs}:{os.environ['PATH']}"

    def client(self, service: str) -> Any:
        return boto3.client(service, **client_arguments(self.running))

    @property
    def topic(self) -> str:
        (stack,) = self.client("cloudformation").describe_stacks(StackName="evercert")["Stacks"]
        return str(stack["Outputs"][0]["OutputValue"])

    def run(self, *scripts: str) -> str:
        """Run the scripts in one shell, with the emulator's account in ARNs."""
        script = "\n".join(scripts).replace("111111111111", ACCOUNT).replace("docs/policies", f"{ROOT}/docs/policies")
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=self.folder, env={"PATH": self.path, **self.running.environment}, capture_output=True, text=True,
            timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    with emulator() as running:
        stacks = boto3.client("cloudformation", **client_arguments(running))
        stacks.create_stack(StackName="evercert", TemplateBody=json.dumps(TEMPLATE))
        stacks.get_waiter("stack_create_complete").wait(StackName="evercert", WaiterConfig={"Delay": 1})
        yield Operator(running, tmp_path_factory.mktemp("operator"))


def test_queue_receives_the_events_of_its_filter(operator: Operator) -> None:
    output = operator.run(blocks(EVENTS_PAGE)[0], *blocks(EVENTS_PAGE, section="A queue"))
    assert '"type": "certificate.renewed"' in output
    sqs = operator.client("sqs")
    url = sqs.get_queue_url(QueueName="renewals")["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert json.loads(attributes["RedrivePolicy"])["maxReceiveCount"] == 5
    (statement,) = json.loads(attributes["Policy"])["Statement"]
    assert statement["Condition"] == {"ArnEquals": {"aws:SourceArn": operator.topic}}


def test_mail_subscription_has_a_filter(operator: Operator) -> None:
    operator.run(blocks(EVENTS_PAGE)[0], *blocks(EVENTS_PAGE, section="E-mail"))
    sns = operator.client("sns")
    found = sns.list_subscriptions_by_topic(TopicArn=operator.topic)["Subscriptions"]
    (mail,) = (each for each in found if each["Protocol"] == "email")
    assert mail["Endpoint"] == "ops@example.com"
    attributes = sns.get_subscription_attributes(SubscriptionArn=mail["SubscriptionArn"])["Attributes"]
    assert json.loads(attributes["FilterPolicy"]) == {"severity": ["warning", "critical"]}


def test_function_receives_the_events_of_its_filter(operator: Operator) -> None:
    url = operator.client("sqs").create_queue(QueueName="received")["QueueUrl"]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("app.py", FUNCTION.format(url=url))
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    allow = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*"}
    iam = operator.client("iam")
    role = iam.create_role(RoleName="after", AssumeRolePolicyDocument=policy(trust))["Role"]["Arn"]
    iam.put_role_policy(RoleName="after", PolicyName="send", PolicyDocument=policy(allow))
    operator.client("lambda").create_function(
        FunctionName="after-renewal", Runtime="python3.13", Handler="app.handler", Role=role,
        Code={"ZipFile": packed.getvalue()},
    )  # fmt: skip
    operator.run(blocks(EVENTS_PAGE)[0], *blocks(EVENTS_PAGE, section="A function"), "evercert events --test")
    (message,) = operator.client("sqs").receive_message(QueueUrl=url, WaitTimeSeconds=20)["Messages"]
    assert json.loads(message["Body"]) == json.loads(EVENT)


def policy(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def test_secret_is_read_with_the_cli(operator: Operator) -> None:
    serial = deliver(operator.running, "web")
    trust = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "sts:AssumeRole"}
    iam = operator.client("iam")
    iam.create_role(RoleName="web", AssumeRolePolicyDocument=policy(trust))
    operator.run(*blocks(READ_PAGE))
    chain = (operator.folder / "fullchain.pem").read_bytes()
    assert x509.load_pem_x509_certificate(chain).serial_number == serial
    assert (operator.folder / "private-key.pem").stat().st_mode & 0o777 == 0o600
    text = json.dumps(iam.get_role_policy(RoleName="web", PolicyName="certificate")["PolicyDocument"])
    assert not any(placeholder in text for placeholder in ("ACCOUNT", "REGION", "NAME", "KEY"))
    secret = "evercert/certificates/web"
    stored = operator.client("secretsmanager").get_resource_policy(SecretId=secret)["ResourcePolicy"]
    assert "arn:aws:iam::222222222222:role/web" in stored
