"""The report of permissions: recorded needs against the template, and permissions without a need."""

from __future__ import annotations

from typing import Any

from tests.iam import recorded
from tests.iam.deployment import Deployment
from tests.tools.permissions import PARAMETERS, explanations, granted, report

DEPLOYMENT = Deployment(PARAMETERS)
NEED = {
    "principal": "signer",
    "action": "dynamodb:Query",
    "resource": DEPLOYMENT.arn("AuthorityConfigurationTable"),
    "context": {},
}


def explained(*but: str) -> list[dict[str, Any]]:
    """Return an explanation of every permission, except those of one action of the signer."""
    every = {action for _, action, _ in granted(DEPLOYMENT)}
    others = {"role": "*", "action": sorted(every - set(but))}
    roles = [
        {"role": f"{role}Role", "action": list(but)}
        for role in ("Checker", "Issuer", "Authority", "Administration", "Renewal", "Report")
    ]
    return [others, *roles] if but else [others]


def test_recorded_needs_are_permitted_and_the_rest_is_explained() -> None:
    """A missing permission fails on AWS; an unnecessary one helps an attacker."""
    assert report(recorded.read(), explanations()).problems == []


def test_report_names_a_need_without_permission() -> None:
    (problem,) = report([{**NEED, "action": "dynamodb:Scan"}], explained()).refused
    assert problem == f"signer may not dynamodb:Scan on {NEED['resource']}: no statement allows dynamodb:Scan"


def test_report_names_an_unused_permission() -> None:
    label, action, resource = report([], explained("dynamodb:Query")).unexplained[0]
    assert (label, action, resource) == ("SignerRole #1", "dynamodb:Query", NEED["resource"])
    assert report([NEED], explained("dynamodb:Query")).unexplained == []


def test_report_names_an_explanation_of_a_used_permission() -> None:
    entry = {"role": "SignerRole", "action": "dynamodb:Query", "reason": "it is not used"}
    assert report([NEED], [entry]).stale == ["SignerRole dynamodb:Query"]
    assert report([], [entry]).stale == []
