"""The administration function with its tables: a change and its audit entry, and what its role may not write."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from types import ModuleType
from typing import Any
from uuid import uuid4

import pytest

from evercert.authority.configuration.identity import Identity
from evercert.authority.configuration.profiles import id_of
from evercert.authority.logins.access_tokens import AccessTokens
from evercert.aws.authority.access_tokens import DynamoDBTokens
from evercert.aws.authority.configuration import Project
from evercert.aws.authority.configuration_writer import ConfigurationWriter
from tests.doubles.authority.server import event_of
from tests.doubles.world import World

POLICIES = "/api/v1/cert-manager/certificate-policies"
PROJECT = id_of("world", "project", "shop")


class Administration:
    """The function, and the token of a manager of the project `shop`."""

    def __init__(self, world: World, function: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch) -> None:
        self.world = world
        self.configuration = world.authority_table("AuthorityConfigurationTable")
        state = world.authority_table("AuthorityTable")
        self.audit = world.authority_table("AuthorityAuditTable")
        values = {
            "AUTHORITY_CONFIGURATION": self.configuration,
            "AUTHORITY_TABLE": state,
            "AUDIT_TABLE": self.audit,
            "AUTHORITY_ADDRESS": "https://ca.example.com",
            "DATA_STACK_NAME": "world",
        }
        for name, value in values.items():
            monkeypatch.setenv(name, value)
        writer = ConfigurationWriter(world.operator.dynamodb, self.configuration)
        manager = Identity.model_validate(
            {
                "id": str(uuid4()),
                "name": "manager",
                "grants": [{"profile": "shop/*", "permissions": ["administer"]}],
                "token-uses": 50,
            }
        )
        writer.write(Project(id=PROJECT, slug="shop"), manager)
        tokens = AccessTokens(DynamoDBTokens(world.operator.dynamodb, state), writer, lambda: datetime.now(UTC))
        self.token = tokens.issue(manager)["accessToken"]
        self.load = lambda: function("administration")
        self.module = self.load()

    def call(self, method: str, path: str, body: Any, context: Any) -> tuple[int, dict[str, Any]]:
        headers = {"authorization": f"Bearer {self.token}"}
        raw = b"" if body is None else json.dumps(body).encode()
        answer = self.module.handler(event_of(method, path, headers, raw), context)
        return answer["statusCode"], json.loads(answer["body"])


@pytest.fixture
def administration(
    world: World,
    environment: dict[str, str],
    function: Callable[[str], ModuleType],
    monkeypatch: pytest.MonkeyPatch,
) -> Administration:
    return Administration(world, function, monkeypatch)


def test_function_writes_a_change_with_its_audit_entry(administration: Administration, context: Any) -> None:
    body = {"name": "web", "validity": {"max": "90d"}}
    status, answer = administration.call("POST", POLICIES, body, context)
    assert status == 200, answer
    made = answer["certificatePolicy"]
    assert administration.call("GET", f"{POLICIES}/{made['id']}", None, context) == (200, answer)
    status, _ = administration.call("DELETE", f"{POLICIES}/{made['id']}", None, context)
    assert status == 200
    items = administration.world.operator.dynamodb.scan(TableName=administration.audit)["Items"]
    entries = [(item["identity_name"]["S"], item["action"]["S"], item["object_name"]["S"]) for item in items]
    assert sorted(entries) == [("manager", "create", "shop/web"), ("manager", "delete", "shop/web")]


def test_function_manages_every_kind_of_object(administration: Administration, context: Any) -> None:
    """Each call needs its own permissions on the tables."""

    def made(method: str, path: str, body: Any = None) -> dict[str, Any]:
        status, answer = administration.call(method, path, body, context)
        assert status == 200, (path, answer)
        return answer

    manager = "/api/v1/cert-manager"
    policy = made("POST", POLICIES, {"name": "web"})["certificatePolicy"]
    fields = {"certificatePolicyId": policy["id"], "issuerType": "self-signed", "slug": "web"}
    profile = made("POST", f"{manager}/certificate-profiles", fields)["certificateProfile"]
    made("PATCH", f"{POLICIES}/{policy['id']}", {"validity": {"max": "30d"}})
    application = made("POST", f"{manager}/applications", {"name": "app", "profileIds": [profile["id"]]})["application"]
    identities = f"/api/v1/projects/{PROJECT}/identities"
    identity = made("POST", identities, {"name": "ci", "grants": [{"profile": "web", "permissions": ["request"]}]})
    name = identity["identity"]["id"]
    made("POST", f"/api/v1/auth/universal-auth/identities/{name}", {})
    made("POST", f"/api/v1/auth/universal-auth/identities/{name}/client-secrets", {})
    made("GET", identities)
    made("DELETE", f"{identities}/{name}")
    made("DELETE", f"{manager}/certificate-profiles/{profile['id']}")
    made("DELETE", f"{manager}/applications/{application['id']}")
    made("DELETE", f"{POLICIES}/{policy['id']}")


def test_function_answers_unknown_paths(administration: Administration, context: Any) -> None:
    assert administration.call("GET", "/api/v1/cert-manager/certificate-policies/a/b", None, context)[0] == 404


def test_function_reports_a_missing_table(
    administration: Administration, context: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AUDIT_TABLE")
    administration.module = administration.load()
    assert administration.call("GET", f"{POLICIES}?projectId={PROJECT}", None, context)[0] == 500
