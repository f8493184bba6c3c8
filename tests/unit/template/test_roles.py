"""Roles: the permissions boundary, and the narrow permissions of the checker."""

from __future__ import annotations

import re

import pytest

from evercert.aws.dynamodb import sweep
from tests.tools.template import RESOURCES, TEMPLATE, actions, allowed, of

BOUNDARY = {"If": ["HasPermissionsBoundary", {"Ref": "PermissionsBoundary"}, {"Ref": "AWS::NoValue"}]}


def schedules() -> dict[str, dict[str, object]]:
    """Return the schedules of all functions; SAM creates a role for each."""
    return {
        f"{function}{name}": event["Properties"]
        for function, resource in of("AWS::Serverless::Function").items()
        for name, event in resource["Properties"].get("Events", {}).items()
        if event["Type"] == "ScheduleV2"
    }


ROLES = (
    "CheckerRole",
    "IssuerRole",
    "ResponderRole",
    "SignerRole",
    "AuthorityRole",
    "AdministrationRole",
    "RenewalRole",
    "ValidatorRole",
    "ReportRole",
)


def test_every_role_has_the_permissions_boundary() -> None:
    assert {
        name: role["Properties"]["PermissionsBoundary"] for name, role in of("AWS::IAM::Role").items()
    } == dict.fromkeys(ROLES, BOUNDARY)
    assert len(schedules()) == 5
    assert all(schedule["PermissionsBoundary"] == BOUNDARY for schedule in schedules().values())


def test_functions_have_roles_of_the_template() -> None:
    """SAM would create a role without the boundary for a function without one."""
    for function in of("AWS::Serverless::Function").values():
        assert function["Properties"]["Role"]["GetAtt"].removesuffix(".Arn") in of("AWS::IAM::Role")


@pytest.mark.parametrize(
    ("arn", "valid"),
    [
        ("", True),
        ("arn:aws:iam::123456789012:policy/team/boundary", True),
        ("arn:aws-us-gov:iam::aws:policy/PowerUserAccess", True),
        ("arn:aws:iam::123456789012:role/boundary", False),
        ("boundary", False),
    ],
    ids=["none", "own", "of-aws", "role", "name"],
)
def test_permissions_boundary_is_the_arn_of_a_policy(arn: str, valid: bool) -> None:
    assert bool(re.fullmatch(TEMPLATE["Parameters"]["PermissionsBoundary"]["AllowedPattern"], arn)) is valid


def test_schedules_and_api_are_named_after_the_stack() -> None:
    prefix = {"Prefix": {"If": ["HasShortName", {"Ref": "ShortName"}, {"Ref": "AWS::StackName"}]}}
    names = [schedule["Name"] for schedule in schedules().values()]
    assert names == [{"Sub": [f"${{Prefix}}-{task}", prefix]} for task in ("tick", "sweep", "crl", "renew", "daily")]
    assert RESOURCES["AuthorityApi"]["Properties"]["Name"] == {"Sub": ["${Prefix}-authority", prefix]}


@pytest.mark.parametrize(("length", "valid"), [(0, True), (1, True), (58, True), (59, False)])
def test_short_name_leaves_room_for_the_longest_task(length: int, valid: bool) -> None:
    """The name of a schedule has at most 64 characters."""
    pattern = TEMPLATE["Parameters"]["ShortName"]["AllowedPattern"]
    assert bool(re.fullmatch(pattern, "n" * length)) is valid
    assert len("n" * 58 + "-sweep") == 64


def test_administration_writes_no_ca_and_no_ceiling() -> None:
    """A ceiling is part of its CA; ACME credentials (`eab`) and projects are the operators', too."""
    (write,) = [one for one in allowed("AdministrationRole") if "dynamodb:DeleteItem" in actions(one)]
    assert write["Condition"] == {
        "ForAllValues:StringEquals": {
            "dynamodb:LeadingKeys": ["policy", "profile", "application", "identity", "named", "client"]
        },
    }  # these two actions always have the key (DynamoDB: fine-grained access control)
    assert actions(write) == ["dynamodb:PutItem", "dynamodb:DeleteItem"]


def test_checker_moves_only_due_times_and_its_cursor() -> None:
    (update,) = [one for one in allowed("CheckerRole") if "dynamodb:UpdateItem" in actions(one)]
    assert update["Condition"] == {
        "ForAllValues:StringEquals": {"dynamodb:Attributes": ["pk", "sk", "due_at", "due_shard", "progress"]},
        "StringEqualsIfExists": {"dynamodb:ReturnValues": "NONE"},  # all others return attributes
    }
    assert actions(update) == ["dynamodb:UpdateItem"]


def test_checker_scans_only_what_the_sweep_reads() -> None:
    (scan,) = [one for one in allowed("CheckerRole") if "dynamodb:Scan" in actions(one)]
    read = {part.partition(".")[0] for part in sweep._READ.split(", ")}
    assert set(scan["Condition"]["ForAllValues:StringEquals"]["dynamodb:Attributes"]) == read
    assert "spec" not in read
    assert scan["Condition"]["StringEquals"] == {"dynamodb:Select": "SPECIFIC_ATTRIBUTES"}
    assert actions(scan) == ["dynamodb:Scan"]


def test_checker_reads_only_its_cursor() -> None:
    (get,) = [one for one in allowed("CheckerRole") if "dynamodb:GetItem" in actions(one)]
    assert get["Condition"] == {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": [sweep.CURSOR["pk"]["S"]]}}
    assert actions(get) == ["dynamodb:GetItem"]


def test_keys_have_an_alias_named_after_the_stack() -> None:
    aliases = {name: one["Properties"] for name, one in of("AWS::KMS::Alias").items()}
    assert {one["TargetKeyId"]["Ref"] for one in aliases.values()} == set(of("AWS::KMS::Key"))
    names = [one["AliasName"]["Sub"] for one in aliases.values()]
    assert len(set(names)) == len(names)
    assert all(name.startswith("alias/${AWS::StackName}/") for name in names)


def test_service_of_logs_is_that_of_the_partition() -> None:
    """In China it is logs.<region>.amazonaws.com.cn."""
    (logs,) = [one for one in RESOURCES["DataKey"]["Properties"]["KeyPolicy"]["Statement"] if one["Sid"] == "Logs"]
    assert logs["Principal"] == {"Service": {"Sub": "logs.${AWS::Region}.${AWS::URLSuffix}"}}
