"""The IAM policies of docs/policies: sizes, known actions, and a permission for each type that the template creates."""

from __future__ import annotations

import json
import tomllib
from fnmatch import fnmatchcase
from typing import Any

import botocore.session
import pytest

from tests.iam.sam import transformed
from tests.tools.local_stack import ROOT

POLICIES = sorted((ROOT / "docs" / "policies").glob("*.json"))
LONGEST = 6_144  # characters of a managed policy, without white space
SERVICES = {"tag": "resourcegroupstaggingapi"}  # by prefix of actions
LONG_NAME = "x" * 58  # of a stack; longer ones need ShortName
# Actions that are no operation of the service's API, or that have another name than the operation.
OTHER = {
    "iam:PassRole",
    "cloudformation:TagResource",
    "lambda:InvokeFunction",
    "s3:ListBucket",
    *(f"apigateway:{method}" for method in ("DELETE", "GET", "PATCH", "POST", "PUT")),
    "s3:ListTagsForResource",
    "s3:*agResource",
    "logs:*LogDelivery",
    "logs:ListLogDeliveries",
}
# What CloudFormation calls for the types of the template, with the rights of the deployer.
HANDLERS: dict[str, Any] = tomllib.loads((ROOT / "tests" / "iam" / "cloudformation_permissions.toml").read_text())
DEPLOYER = ROOT / "docs" / "policies" / "deployer.json"
PARAMETERS = {"Authority": "yes"}


def actions(policy: dict[str, Any]) -> list[str]:
    return [action for each in policy["Statement"] for action in _list(each["Action"])]


def _list(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else value


@pytest.mark.parametrize("file", POLICIES, ids=lambda file: file.stem)
def test_policies_fit_into_a_managed_policy(file: Any) -> None:
    policy = json.loads(file.read_text())
    filled = json.dumps(policy, separators=(",", ":"))
    for placeholder, value in {"ACCOUNT": "123456789012", "REGION": "ap-southeast-1", "STACK": LONG_NAME}.items():
        filled = filled.replace(placeholder, value)
    assert len(filled) <= LONGEST
    sids = [each["Sid"] for each in policy["Statement"]]
    assert len(sids) == len(set(sids))


@pytest.mark.parametrize("file", POLICIES, ids=lambda file: file.stem)
def test_policies_name_actions_that_exist(file: Any) -> None:
    session, unknown = botocore.session.get_session(), []
    for action in actions(json.loads(file.read_text())):
        service, _, operation = action.partition(":")
        if action in OTHER or service == "apigateway":
            continue
        names = session.get_service_model(SERVICES.get(service, service)).operation_names
        if not any(fnmatchcase(name, operation) for name in names):
            unknown.append(action)
    assert unknown == []


@pytest.mark.parametrize("name", ["read-only", "operator", "ceremony"])
def test_policies_of_people_name_no_whole_service(name: str) -> None:
    policy = json.loads((ROOT / "docs" / "policies" / f"{name}.json").read_text())
    assert [action for action in actions(policy) if "*" in action] == []


def test_deployer_may_call_what_cloudformation_calls() -> None:
    types = {one["Type"] for one in transformed(PARAMETERS)["Resources"].values()}
    assert types == HANDLERS["types"].keys()
    needed = {each for permissions in HANDLERS["types"].values() for each in permissions}
    missing = {each for each in needed if not _covered(each, actions(json.loads(DEPLOYER.read_text())))}
    left_out = _patterns("left_out")
    assert sorted(each for each in missing if not _covered(each, left_out)) == []
    assert [pattern for pattern in left_out if not any(_covered(each, [pattern]) for each in missing)] == []


def test_deployer_may_call_nothing_else() -> None:
    needed = {each for permissions in HANDLERS["types"].values() for each in permissions}
    added = [each for each in actions(json.loads(DEPLOYER.read_text())) if not _uses(each, needed)]
    assert [each for each in added if not _covered(each, _patterns("added"))] == []
    assert [pattern for pattern in _patterns("added") if not any(_covered(each, [pattern]) for each in added)] == []


def _patterns(table: str) -> list[str]:
    return [each for entry in HANDLERS[table] for each in entry["permissions"]]


def _covered(permission: str, patterns: list[str]) -> bool:
    return any(fnmatchcase(permission.lower(), pattern.lower()) for pattern in patterns)


def _uses(action: str, needed: set[str]) -> bool:
    return any(_covered(permission, [action]) for permission in needed)
