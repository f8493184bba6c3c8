"""Policies by API: their rules come back as written, and profiles change together with them."""

from __future__ import annotations

from typing import Any

import pytest

from evercert.authority.configuration.profiles import id_of
from tests.doubles.authority.client import CERTIFICATES, PROFILES
from tests.doubles.authority.configuration import STACK
from tests.doubles.authority.manager import POLICIES, PROJECT, RULES, Manager


def test_policy_is_returned_as_written(manager: Manager) -> None:
    """Terraform compares each rule with its configuration."""
    made = manager.policy(description="web servers")
    assert {key: made[key] for key in RULES} == RULES
    assert (made["name"], made["description"], made["basicConstraints"]) == ("web", "web servers", None)
    assert manager.get(f"{POLICIES}/{made['id']}").json == {"certificatePolicy": made}


@pytest.mark.parametrize(
    "rules",
    [
        {"basicConstraints": {"isCA": "denied"}},
        {"basicConstraints": {"isCA": "denied", "maxPathLength": -1}},
        {"subject": [{"type": "common_name", "allowed": ["*"], "denied": ["x"]}]},
        {"keyUsages": {"required": ["digital_signature"]}},
    ],
)
def test_rule_is_returned_as_written(manager: Manager, rules: dict[str, Any]) -> None:
    made = manager.policy(**rules)
    (key,) = rules
    given = rules[key]
    found = made[key]
    if isinstance(given, list):
        given, found = given[0], found[0]
    assert {name: value for name, value in found.items() if value is not None} == given


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({"name": "web"}, 403, "already exists in project"),
        ({"name": "a b"}, 422, "letters, digits"),
        ({}, 422, "Required"),
        ({"name": "x", "subject": [{"type": "common_name"}]}, 422, "empty rule"),
        ({"name": "x", "subject": [{"type": "common_name", "allowed": []}]}, 422, "1 to 100 values"),
        ({"name": "x", "subject": [{"type": "common_name", "allow": ["*"]}]}, 422, "Extra inputs"),
        ({"name": "x", "validity": {"max": "90"}}, 422, "invalid validity"),
        ({"name": "x", "projectId": "0" * 8}, 422, "Invalid uuid"),
        ({"name": "x", "projectId": "00000000-0000-4000-8000-000000000000"}, 404, "Project not found"),
    ],
)
def test_invalid_policy_is_refused(manager: Manager, body: dict[str, Any], status: int, message: str) -> None:
    manager.policy()
    response = manager.post(POLICIES, body)
    assert (response.status, message in response.message) == (status, True), response.message
    assert len(manager.audit) == 1


def test_policies_are_listed_with_those_of_documents(manager: Manager) -> None:
    manager.policy("web"), manager.policy("mail")
    found = manager.get(f"{POLICIES}?projectId={PROJECT}").json
    assert [one["name"] for one in found["certificatePolicies"]] == ["anything", "mail", "web"]
    assert found["totalCount"] == 3
    page = manager.get(f"{POLICIES}?projectId={PROJECT}&offset=1&limit=1").json
    assert [one["name"] for one in page["certificatePolicies"]] == ["mail"]
    named = manager.get(f"{POLICIES}?projectId={PROJECT}&search=MA").json
    assert [one["name"] for one in named["certificatePolicies"]] == ["mail"]


def test_change_of_a_policy_changes_its_profiles(manager: Manager) -> None:
    policy = manager.policy()
    profile = manager.new_profile(policy=policy)
    attributes = {"commonName": "a.acme.com", "ttl": "30d", "keyUsages": ["digital_signature"]}
    body = {"profileId": profile["id"], "attributes": {**attributes, "keyAlgorithm": "RSA_2048"}}
    body["attributes"] |= {"signatureAlgorithm": "RSA-SHA256"}
    assert manager.post(CERTIFICATES, body).status == 200
    changed = manager.made(f"{POLICIES}/{policy['id']}", {"validity": {"max": "7d"}}, "PATCH")["certificatePolicy"]
    assert changed["validity"] == {"max": "7d"} and changed["subject"] == RULES["subject"]
    refused = manager.post(CERTIFICATES, body)
    assert refused.status == 400 and "exceeds maximum allowed duration" in refused.message


def test_change_that_defaults_violate_is_refused(manager: Manager) -> None:
    policy = manager.policy()
    manager.new_profile(policy=policy, defaults={"ttlDays": 90})
    response = manager.call("PATCH", f"{POLICIES}/{policy['id']}", {"validity": {"max": "7d"}})
    assert response.status == 400 and "Profile defaults violate policy" in response.message
    assert manager.get(f"{POLICIES}/{policy['id']}").json["certificatePolicy"]["validity"] == {"max": "1y"}


def test_unchanged_policy_writes_nothing(manager: Manager) -> None:
    policy = manager.policy()
    manager.made(f"{POLICIES}/{policy['id']}", {"name": "web", "validity": {"max": "1y"}}, "PATCH")
    assert manager.audit == [("manager", "create", "policy", "shop/web")]


def test_policy_cannot_be_renamed(manager: Manager) -> None:
    response = manager.call("PATCH", f"{POLICIES}/{manager.policy()['id']}", {"name": "other"})
    assert response.status == 400 and "cannot be renamed" in response.message


def test_policy_in_use_cannot_be_deleted(manager: Manager) -> None:
    policy = manager.policy()
    profile = manager.new_profile(policy=policy)
    response = manager.call("DELETE", f"{POLICIES}/{policy['id']}")
    assert response.status == 400 and "in use by 1 profiles, such as api" in response.message
    manager.made(f"{PROFILES}/{profile['id']}", None, "DELETE")
    manager.made(f"{POLICIES}/{policy['id']}", None, "DELETE")
    assert manager.get(f"{POLICIES}/{policy['id']}").status == 404


def test_policy_of_a_document_is_read_only(manager: Manager) -> None:
    name = id_of(STACK, "policy", "shop/anything")
    assert manager.get(f"{POLICIES}/{name}").json["certificatePolicy"]["name"] == "anything"
    for method, body in (("PATCH", {"validity": {"max": "1d"}}), ("DELETE", None)):
        response = manager.call(method, f"{POLICIES}/{name}", body)
        assert response.status == 400 and "belongs to an authority document" in response.message
    assert manager.post(POLICIES, {"name": "anything"}).status == 403


def test_rules_that_mean_the_same_are_stored_as_given(manager: Manager) -> None:
    """Clients compare the rules with their own configuration."""
    policy = manager.policy()
    profile = manager.new_profile(policy=policy)
    path = f"{POLICIES}/{policy['id']}"
    rule = {"isCA": "denied"}  # the default
    changed = manager.made(path, {"basicConstraints": rule}, "PATCH")["certificatePolicy"]
    assert manager.get(path).json["certificatePolicy"] == changed
    assert changed["basicConstraints"]["isCA"] == "denied"
    assert manager.setting.configuration.profile(profile["id"]) is not None
