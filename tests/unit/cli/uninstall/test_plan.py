"""The plan of a removal: its order, its commands, and no command for missing resources."""

from __future__ import annotations

import io
import shlex
from types import SimpleNamespace
from typing import Any

import pytest

from evercert.cli.console import Terminal
from evercert.cli.uninstall import command, leftovers, plan
from evercert.cli.uninstall.leftovers import Leftover

REGION = "eu-central-1"
TABLE, KEY = "AWS::DynamoDB::Table", "AWS::KMS::Key"


def connection(status: str = "UPDATE_COMPLETE") -> Any:
    cloudformation = SimpleNamespace(meta=SimpleNamespace(region_name=REGION))
    return SimpleNamespace(name="evercert", status=status, clients=SimpleNamespace(cloudformation=cloudformation))


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[Leftover]]:
    """Return the leftovers per finder; a test changes them."""
    values: dict[str, list[Leftover]] = {"of_template": [], "deliveries": [], "credentials": [], "ca_keys": []}
    for name, resources in values.items():
        monkeypatch.setattr(leftovers, name, lambda _, resources=resources: resources)
    return values


def test_plan_removes_keys_after_the_data_they_encrypt(found: dict[str, list[Leftover]]) -> None:
    found["of_template"] += [Leftover(KEY, "key-1", REGION), Leftover(TABLE, "t", REGION, protected=True)]
    found["ca_keys"] += [Leftover(KEY, "arn:ca", REGION)]
    commands = [line for step in plan.steps(connection()) for line in step.commands]
    assert commands == [
        f"aws cloudformation delete-stack --stack-name evercert --region {REGION}",
        f"aws dynamodb update-table --table-name t --no-deletion-protection-enabled --region {REGION}",
        f"aws dynamodb delete-table --table-name t --region {REGION}",
        f"aws kms schedule-key-deletion --key-id arn:ca --pending-window-in-days 30 --region {REGION}",
        f"aws kms schedule-key-deletion --key-id key-1 --pending-window-in-days 30 --region {REGION}",
    ]


def test_plan_of_a_deleted_stack_does_not_delete_it(found: dict[str, list[Leftover]]) -> None:
    assert plan.steps(connection("DELETE_COMPLETE")) == []
    assert [step.title.split(":")[0] for step in plan.steps(connection("DELETE_FAILED"))] == ["stack"]


@pytest.mark.parametrize(
    ("kind", "service"),
    [
        ("AWS::SecretsManager::Secret", "secretsmanager delete-secret --recovery-window-in-days 30"),
        ("AWS::CertificateManager::Certificate", "acm delete-certificate"),
        ("AWS::SNS::Topic", "sns delete-topic"),
        ("AWS::SQS::Queue", "sqs delete-queue"),
        ("AWS::S3::Bucket", "s3 rb"),
    ],
)
def test_plan_has_a_command_for_each_type(found: dict[str, list[Leftover]], kind: str, service: str) -> None:
    found["deliveries"] += [Leftover(kind, "an id; rm -rf /", "us-east-1")]
    last = plan.steps(connection())[-1].commands[-1]
    words = shlex.split(last)
    assert set(service.split()) <= set(words)
    assert any("an id; rm -rf /" in word for word in words)  # one word: nothing of it runs
    assert words[-2:] == ["--region", "us-east-1"]


def test_plan_prints_comments_and_commands_only(found: dict[str, list[Leftover]]) -> None:
    found["credentials"] += [Leftover("AWS::SecretsManager::Secret", "evercert/credentials/x\x1b[2J", REGION)]
    out = Terminal(file=io.StringIO(), width=10_000)
    command.show(out, plan.steps(connection()))
    lines = [line for line in out.file.getvalue().splitlines() if line]
    assert all(line.startswith(("#", "aws ")) and line.isprintable() for line in lines)
    assert len([line for line in lines if line.startswith("aws ")]) == 2
