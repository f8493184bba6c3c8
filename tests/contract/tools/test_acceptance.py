"""`make acceptance` removes what it made in every case, and touches nothing else: guards and interruptions, without a stack."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from evercert.cli.uninstall.plan import emptying
from tests.tools.acceptance import command, report
from tests.tools.acceptance import deployment as module
from tests.tools.acceptance.deployment import TAG, Deployment, State
from tests.tools.acceptance.removal import Removal
from tests.tools.openssl import CheckFailed

NAME, ACCOUNT = "evercert-acceptance-0a1b2c3d", "111122223333"
ID = f"arn:aws:cloudformation:eu-central-1:{ACCOUNT}:stack/{NAME}/1"


class FakeStacks:
    """CloudFormation with at most one stack."""

    def __init__(self, **stack: Any) -> None:
        self.stack = {"StackName": NAME, "StackId": ID, "StackStatus": "CREATE_COMPLETE", **stack} if stack else None

    def describe_stacks(self, StackName: str) -> dict[str, Any]:
        if self.stack is None:
            raise ClientError({"Error": {"Code": "ValidationError", "Message": "does not exist"}}, "DescribeStacks")
        return {"Stacks": [self.stack]}


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(module, "FOLDER", tmp_path)
    monkeypatch.setattr(command, "FOLDER", tmp_path)
    return tmp_path


def deployment(stacks: FakeStacks, **known: str) -> Deployment:
    return Deployment(State(NAME, ACCOUNT, "eu-central-1", **known), lambda _: stacks, {})


def test_deployment_finds_its_own_stack() -> None:
    made = deployment(FakeStacks(Tags=[{"Key": TAG, "Value": NAME}]))
    assert made.find() is not None
    assert State.load(NAME).stack == ID


def test_deployment_is_none_without_a_stack() -> None:
    assert deployment(FakeStacks()).find() is None


@pytest.mark.parametrize(
    ("stack", "known"),
    [
        ({"Tags": []}, {}),
        ({"Tags": [{"Key": TAG, "Value": "another"}]}, {}),
        ({"Tags": [{"Key": TAG, "Value": NAME}]}, {"stack": f"{ID}2"}),
        ({"Tags": [{"Key": TAG, "Value": NAME}], "StackName": "evercert"}, {}),
    ],
    ids=["no tag", "tag of another run", "another id", "another name"],
)
def test_deployment_refuses_a_foreign_stack(stack: dict[str, Any], known: dict[str, str]) -> None:
    made = deployment(FakeStacks(**stack), **known)
    with pytest.raises(CheckFailed, match="not made by this run"):
        made.find()


class FakeTags:
    """KMS and ACM, whose resources all have one tag."""

    def __init__(self, value: str) -> None:
        self.value = value

    def list_resource_tags(self, KeyId: str) -> dict[str, Any]:
        return {"Tags": [{"TagKey": "evercert:stack", "TagValue": self.value}]}

    def list_tags_for_certificate(self, CertificateArn: str) -> dict[str, Any]:
        return {"Tags": [{"Key": "evercert:stack", "Value": self.value}]}


@pytest.mark.parametrize(
    "line",
    [
        "aws dynamodb delete-table --table-name evercert-CertificatesTable-1",
        "aws secretsmanager delete-secret --secret-id evercert/certificates/web --recovery-window-in-days 30",
        "aws kms schedule-key-deletion --key-id 1 --pending-window-in-days 30",
        "aws acm delete-certificate --certificate-arn arn:1",
        "aws s3 rb s3://bucket",
        emptying("bucket", "eu-central-1"),
        emptying(NAME, "eu-central-1").replace("seq", "rm"),
        f"{emptying(NAME, 'eu-central-1')}; rm -rf /",
        "rm -rf /",
    ],
)
def test_removal_refuses_foreign_resources(line: str) -> None:
    made = Deployment(State(NAME, ACCOUNT, "eu-central-1"), lambda _: FakeTags("evercert"), {})
    with pytest.raises(CheckFailed, match=r"another owner|unknown command"):
        Removal(made, lambda *_: "")._execute(line)


def test_removal_accepts_resources_of_the_run() -> None:
    removal = Removal(Deployment(State(NAME, ACCOUNT, "eu-central-1"), lambda _: FakeTags(NAME), {}), lambda *_: "")
    assert removal._is_ours("kms", "1")
    assert removal._is_ours("acm", "arn:1")
    assert removal._is_ours("dynamodb", f"{NAME}-CertificatesTable-1")


@pytest.mark.parametrize("error", [KeyboardInterrupt(), CheckFailed("wrong serial number"), ValueError("bug")])
def test_interrupted_run_removes_everything(
    monkeypatch: pytest.MonkeyPatch, folder: Path, error: BaseException
) -> None:
    removed = []

    def fail() -> None:
        raise error

    run: Any = SimpleNamespace(
        run=fail, phases=[], deployment=deployment(FakeStacks()), client=lambda _: FakeLogs(), evercert=None
    )
    monkeypatch.setattr(Removal, "run", lambda self: removed.append(self.state.name) or [])
    assert command.conduct(run, folder / "calls") == 1
    assert removed == [NAME]
    written = json.loads((folder / f"{NAME}-report.json").read_text())
    assert written["passed"] is False
    assert type(error).__name__ in written["failure"]["error"]


class FakeLogs:
    """CloudWatch Logs without groups."""

    def describe_log_groups(self, logGroupNamePrefix: str) -> dict[str, Any]:
        return {"logGroups": []}


def test_report_masks_account_ids_and_keys() -> None:
    text = (
        f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f and 999988887777 "
        "ASIAABCDEFGHIJKLMNOP https://a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com "
        "-----BEGIN EC PRIVATE KEY-----\nMHcCAQ\n-----END EC PRIVATE KEY-----"
    )
    masked = report.masked({"failure": text}, ACCOUNT)["failure"]
    for secret in (ACCOUNT, "999988887777", "ASIA", "a1b2c3d4e5", "0a1b2c3d-", "MHcCAQ"):
        assert secret not in masked
