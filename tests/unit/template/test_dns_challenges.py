"""Permissions for TXT records of ACME CAs: hosted zones of this account, and roles in others."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.iam.deployment import Deployment
from tests.iam.evaluator import Decision, Request, evaluate
from tests.tools.template import TEMPLATE

ROLE = "arn:aws:iam::111122223333:role/dns"
NAMES, TYPES, ACTIONS = (
    f"route53:ChangeResourceRecordSets{key}" for key in ("NormalizedRecordNames", "RecordTypes", "Actions")
)
VALID = {NAMES: ["_acme-challenge.example.com"], TYPES: ["TXT"], ACTIONS: ["UPSERT"]}


def decide(action: str, resource: str, context: dict[str, Any] | None = None, **parameters: str) -> Decision:
    deployment = Deployment(parameters)
    request = Request(deployment.arn("IssuerRole"), action, resource, context or {})
    return evaluate(request, deployment.roles["IssuerRole"])


def change(context: dict[str, Any], zone: str = "Z1", **parameters: str) -> bool:
    zones = {"HostedZones": "Z1,Z2", **parameters}
    return decide("route53:ChangeResourceRecordSets", f"arn:aws:route53:::hostedzone/{zone}", context, **zones).allowed


def test_zones_and_roles_are_empty_by_default() -> None:
    assert [TEMPLATE["Parameters"][name]["Default"] for name in ("HostedZones", "SolverRoles")] == ["", ""]
    assert not change(VALID, HostedZones="")
    for action, resource in (
        ("route53:ListHostedZonesByName", "*"), ("route53:GetChange", "arn:aws:route53:::change/C1"),
        ("route53:ListResourceRecordSets", "arn:aws:route53:::hostedzone/Z1"), ("sts:AssumeRole", ROLE),
    ):  # fmt: skip
        assert not decide(action, resource).allowed
    assert "route53" not in json.dumps(Deployment().properties("IssuerRole"))


@pytest.mark.parametrize(("zone", "allowed"), [("Z1", True), ("Z2", True), ("Z3", False), ("Z11", False)])
def test_only_listed_zones_are_changed(zone: str, allowed: bool) -> None:
    assert change(VALID, zone) is allowed


@pytest.mark.parametrize(
    ("key", "values", "allowed"),
    [
        (NAMES, ["_acme-challenge.a.example.com"], True), (NAMES, ["www.example.com"], False),
        (NAMES, ["_acme-challenge"], False), (NAMES, ["a._acme-challenge.example.com"], False),
        (NAMES, ["_acme-challenge.example.com", "www.example.com"], False),
        (TYPES, ["A"], False), (TYPES, ["CNAME"], False), (TYPES, ["TXT", "NS"], False),
        (ACTIONS, ["DELETE"], True), (ACTIONS, ["CREATE"], False), (ACTIONS, ["UPSERT", "DELETE"], True),
    ],
    ids=str,
)  # fmt: skip
def test_only_challenges_are_written(key: str, values: list[str], allowed: bool) -> None:
    assert change({**VALID, key: values}) is allowed


def test_records_and_changes_are_read() -> None:
    for action, resource, allowed in (
        ("route53:ListResourceRecordSets", "arn:aws:route53:::hostedzone/Z1", True),
        ("route53:ListResourceRecordSets", "arn:aws:route53:::hostedzone/Z3", False),
        ("route53:GetChange", "arn:aws:route53:::change/C1", True), ("route53:ListHostedZonesByName", "*", True),
        ("route53:ListHostedZones", "*", False), ("route53:DeleteHostedZone", "arn:aws:route53:::hostedzone/Z1", False),
    ):  # fmt: skip
        assert decide(action, resource, HostedZones="Z1").allowed is allowed, action


def test_role_is_assumed_with_the_stack_id() -> None:
    stack_id = "arn:aws:cloudformation:eu-central-1:000000000000:stack/evercert/1"
    for context, allowed in (({"sts:ExternalId": stack_id}, True), ({"sts:ExternalId": "other"}, False), ({}, False)):
        assert decide("sts:AssumeRole", ROLE, context, SolverRoles=ROLE).allowed is allowed
    assert not decide("sts:AssumeRole", f"{ROLE}2", {"sts:ExternalId": stack_id}, SolverRoles=ROLE).allowed


@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov"])
def test_zones_have_the_arns_of_the_partition(partition: str) -> None:
    document = json.dumps(Deployment({"HostedZones": "Z1,Z2"}, partition=partition).properties("IssuerRole"))
    assert [f'"arn:{partition}:route53:::hostedzone/{zone}"' in document for zone in ("Z1", "Z2")] == [True, True]
    assert document.count(":route53:::hostedzone/") == 2
