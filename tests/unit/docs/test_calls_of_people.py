"""The policies for people allow every AWS operation that the command's own code names."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import botocore.session
from botocore import xform_name

from tests.tools.local_stack import ROOT
from tests.unit.docs.test_policies import actions

COMMAND = ROOT / "layers" / "evercert" / "evercert" / "cli"
SERVICES = {"lambda_": "lambda"}  # attributes of Clients that are not named as the service
PREFIXES = {"resourcegroupstaggingapi": "tag"}
RENAMED = {
    "lambda:Invoke": "lambda:InvokeFunction",
    "s3:HeadObject": "s3:GetObject",
}
WITHOUT_PERMISSION = {"sts:GetCallerIdentity"}  # AWS allows it to everyone, even against a Deny
OPERATIONS = {
    service: {xform_name(name): name for name in botocore.session.get_session().get_service_model(service).operation_names}
    for service in ("acm", "cloudformation", "cloudwatch", "dynamodb", "kms", "lambda", "resourcegroupstaggingapi", "s3",
                    "scheduler", "secretsmanager", "sns", "sqs", "ssm", "sts")
}  # fmt: skip


def service_of(node: ast.expr, names: dict[str, str]) -> str | None:
    """Return the service of a client: `clients.acm`, `client("acm")`, `client_in(region, "acm")`, or a name of one."""
    match node:
        case ast.Name(id=name):
            return names.get(name)
        case ast.Attribute(attr=attr):
            return SERVICES.get(attr, attr)
        case ast.Call(func=ast.Attribute(attr="client" | "client_in"), args=[*_, ast.Constant(value=str(service))]):
            return service
    return None


def calls(file: Path) -> Iterator[str]:
    """Yield the IAM actions of the operations that a module calls."""
    tree = ast.parse(file.read_text())
    names = {
        node.targets[0].id: service
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        if (service := service_of(node.value, {})) in OPERATIONS
    }
    for node in ast.walk(tree):
        match node:
            case ast.Call(
                func=ast.Attribute(value=client, attr="get_paginator"), args=[ast.Constant(value=str(operation))]
            ):
                pass
            case ast.Call(func=ast.Attribute(value=client, attr=operation)):
                pass
            case _:
                continue
        service = service_of(client, names)
        if service in OPERATIONS and operation in OPERATIONS[service]:
            action = f"{PREFIXES.get(service, service)}:{OPERATIONS[service][operation]}"
            yield RENAMED.get(action, action)


def test_people_may_make_every_call_of_the_command() -> None:
    allowed = [
        action
        for name in ("read-only", "operator", "ceremony")
        for action in actions(json.loads((ROOT / "docs" / "policies" / f"{name}.json").read_text()))
    ]
    called = {action: file.name for file in sorted(COMMAND.rglob("*.py")) for action in calls(file)}
    assert {"tag:GetResources", "s3:GetBucketVersioning", "secretsmanager:DescribeSecret"} <= called.keys()
    missing = [
        action for action in called.keys() - WITHOUT_PERMISSION if not any(fnmatchcase(action, one) for one in allowed)
    ]
    assert missing == []
