"""template.yaml as plain values, and its resources and statements."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from tests.tools.local_stack import ROOT


class _Template(yaml.SafeLoader):
    """Loader of CloudFormation short forms."""


_Template.add_multi_constructor(
    "!",
    lambda loader, suffix, node: {
        suffix: loader.construct_scalar(node)
        if isinstance(node, yaml.ScalarNode)
        else loader.construct_sequence(node, deep=True)
        if isinstance(node, yaml.SequenceNode)
        else loader.construct_mapping(node, deep=True)
    },
)


def load_template(file: Path = ROOT / "template.yaml") -> dict[str, Any]:
    """Return template.yaml, or another template, as plain values; `!Ref x` is {"Ref": "x"}."""
    return yaml.load(file.read_text(), Loader=_Template)


TEMPLATE = load_template()
RESOURCES: dict[str, Any] = TEMPLATE["Resources"]


def of(kind: str) -> dict[str, Any]:
    """Return the resources of a type by logical id."""
    return {name: resource for name, resource in RESOURCES.items() if resource["Type"] == kind}


def statements(role: str) -> list[dict[str, Any]]:
    """Return the statements of a role, as with every optional parameter set."""
    found = []
    properties = RESOURCES[role]["Properties"]
    managed = [RESOURCES[one["Ref"]]["Properties"] for one in properties.get("ManagedPolicyArns", [])]
    for one in [*properties["Policies"], *managed]:
        policy = one["If"][1] if "If" in one else one
        for statement in policy["PolicyDocument"]["Statement"]:
            found.append(statement["If"][1] if "If" in statement else statement)
    return found


def allowed(role: str) -> list[dict[str, Any]]:
    """Return the statements of a role that allow something."""
    return [statement for statement in statements(role) if statement["Effect"] == "Allow"]


def actions(statement: dict[str, Any]) -> list[str]:
    """Return the actions of a statement."""
    action = statement["Action"]
    return [action] if isinstance(action, str) else action


# Tables and the parameters that name their restored copies.
RESTORED = {
    "CertificatesTable": "RestoredTable",
    "IssuersTable": "RestoredIssuersTable",
    "AuthorityConfigurationTable": "RestoredConfigurationTable",
    "AuthorityTable": "RestoredAuthorityTable",
    "AuthorityLedgerTable": "RestoredLedgerTable",
    "AuthorityAuditTable": "RestoredAuditTable",
}


def table_name(table: str) -> dict[str, Any]:
    """Return the name of the table, or of its restored copy."""
    restored = RESTORED[table]
    return {"If": [f"Has{restored}", {"Ref": restored}, {"Ref": table}]}


def table_arn(table: str, suffix: str = "") -> dict[str, Any]:
    """Return the ARN of the table, or of its restored copy."""
    arn = "arn:${AWS::Partition}:dynamodb:${AWS::Region}:${AWS::AccountId}:table/${Table}"
    return {"Sub": [f"{arn}{suffix}", {"Table": table_name(table)}]}
