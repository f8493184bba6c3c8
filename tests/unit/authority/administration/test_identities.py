"""Identities of a project, their roles, grants and logins."""

from __future__ import annotations

from typing import Any

import pytest

from evercert.authority.configuration.identity import Grant
from tests.doubles.authority.client import CERTIFICATES
from tests.doubles.authority.manager import PROJECT, Manager

IDENTITIES = f"/api/v1/projects/{PROJECT}/identities"
MEMBERSHIPS = f"/api/v1/projects/{PROJECT}/memberships/identities"
UNIVERSAL = "/api/v1/auth/universal-auth/identities"
AWS = "/api/v1/auth/aws-auth/identities"
LOGIN = "/api/v1/auth/universal-auth/login"


def created(manager: Manager, name: str = "ci", **fields: Any) -> str:
    return str(manager.made(IDENTITIES, {"name": name, **fields})["identity"]["id"])


def test_new_identity_logs_in_and_issues(manager: Manager) -> None:
    name = created(manager)
    manager.made(f"{MEMBERSHIPS}/{name}", {"roles": [{"role": "member"}]}, "PATCH")
    client_id = manager.made(f"{UNIVERSAL}/{name}", {})["identityUniversalAuth"]["clientId"]
    secret = manager.made(f"{UNIVERSAL}/{name}/client-secrets", {})["clientSecret"]
    manager.token = manager.post(LOGIN, {"clientId": client_id, "clientSecret": secret}).json["accessToken"]
    assert manager.issue().status == 200
    assert manager.post(IDENTITIES, {"name": "other"}).status == 403


def test_role_is_returned(manager: Manager) -> None:
    name = created(manager)

    def role() -> str:
        return str(manager.get(f"{MEMBERSHIPS}/{name}").json["identityMembership"]["roles"][0]["role"])

    assert role() == "no-access"
    for wanted in ("admin", "member", "no-access"):
        manager.made(f"{MEMBERSHIPS}/{name}", {"roles": [{"role": wanted}]}, "PATCH")
        assert role() == wanted
    manager.made(f"{IDENTITIES}/{name}", {"grants": [{"profile": "tls-server", "permissions": ["request"]}]}, "PATCH")
    assert role() == "custom"


def test_grants_are_limited_to_the_project(manager: Manager) -> None:
    manager.setting.profile("other", project="bank")
    for profile, status in (("tls-server", 200), ("*", 200), ("other", 422), ("bank/other", 422), ("../bank", 422)):
        body = {"name": f"ci-{status}-{len(profile)}", "grants": [{"profile": profile, "permissions": ["request"]}]}
        response = manager.post(IDENTITIES, body)
        assert response.status == status, (profile, response.body)


def test_grants_of_other_projects_stay(manager: Manager) -> None:
    grants = [{"profile": "bank/*", "permissions": ["request"]}, {"profile": "shop/*", "permissions": ["request"]}]
    shared, _ = manager.setting.identity(name="shared", grants=grants)
    manager.made(f"{MEMBERSHIPS}/{shared.id}", {"roles": [{"role": "no-access"}]}, "PATCH")
    stored = manager.setting.configuration.identity(shared.id)
    assert stored is not None and stored.grants == (Grant(profile="bank/*", permissions=("request",)),)


def test_grants_do_not_give_a_project_the_identity(manager: Manager) -> None:
    shared, _ = manager.setting.identity(name="shared", grants=[{"profile": "shop/*", "permissions": ["request"]}])
    manager.made(f"{MEMBERSHIPS}/{shared.id}", {"roles": [{"role": "viewer"}]}, "PATCH")
    stored = manager.setting.configuration.identity(shared.id)
    assert stored is not None and stored.project == shared.project


def test_temporary_roles_are_refused(manager: Manager) -> None:
    name = created(manager)
    role = {"role": "member", "isTemporary": True, "temporaryRange": "1h"}
    response = manager.call("PATCH", f"{MEMBERSHIPS}/{name}", {"roles": [role]})
    assert response.status == 400 and "isTemporary is not supported" in response.message
    manager.made(f"{MEMBERSHIPS}/{name}", {"roles": [{"role": "member", "isTemporary": False}]}, "PATCH")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", IDENTITIES + "/{id}"),
        ("POST", AWS + "/{id}"),
        ("PATCH", UNIVERSAL + "/{id}"),
        ("GET", UNIVERSAL + "/{id}"),
        ("DELETE", UNIVERSAL + "/{id}"),
        ("POST", UNIVERSAL + "/{id}/client-secrets"),
        ("GET", UNIVERSAL + "/{id}/client-secrets"),
    ],
)
@pytest.mark.parametrize("elsewhere", ["bank/*", "*", "bank/tls"])
def test_identity_of_another_project_cannot_be_taken_over(
    manager: Manager, method: str, path: str, elsewhere: str
) -> None:
    """Its manager could otherwise log in as the identity, and use permissions in the other project."""
    grants = [{"profile": one, "permissions": ["request"]} for one in ("shop/*", elsewhere)]
    shared, _ = manager.setting.identity(name="shared", grants=grants)
    body = {"allowedPrincipalArns": "arn:aws:iam::123456789012:role/x"}
    response = manager.call(method, path.format(id=shared.id), body if method in {"POST", "PATCH"} else None)
    assert response.status == 403, response.body
    assert manager.setting.configuration.identity(shared.id) == shared and manager.audit == []


def test_identity_of_another_project_is_hidden(manager: Manager) -> None:
    other, _ = manager.setting.identity(name="other", profile="bank/*")
    for method, path in (("GET", IDENTITIES), ("DELETE", IDENTITIES), ("GET", MEMBERSHIPS), ("GET", UNIVERSAL)):
        assert manager.call(method, f"{path}/{other.id}").status == 404


def test_identities_are_listed(manager: Manager) -> None:
    created(manager, "ci"), created(manager, "cd")
    found = manager.get(f"{IDENTITIES}?limit=1000").json
    assert [one["name"] for one in found["identities"]] == ["cd", "ci", "manager"]
    assert found["totalCount"] == 3
    assert [one["name"] for one in manager.get(f"{IDENTITIES}?search=ci").json["identities"]] == ["ci"]


def test_name_is_unique(manager: Manager) -> None:
    created(manager)
    assert manager.post(IDENTITIES, {"name": "ci"}).status == 400
    assert manager.call("PATCH", f"{IDENTITIES}/{created(manager, 'cd')}", {"name": "ci"}).status == 400


def test_universal_auth_settings_come_back(manager: Manager) -> None:
    name = created(manager)
    body = {
        "accessTokenTTL": 600, "accessTokenMaxTTL": 3_600, "accessTokenNumUsesLimit": 5,
        "accessTokenTrustedIps": [{"ipAddress": "0.0.0.0/0"}, {"ipAddress": "::/0"}],
        "lockoutThreshold": 4, "lockoutDurationSeconds": 60, "lockoutCounterResetSeconds": 10,
    }  # fmt: skip
    made = manager.made(f"{UNIVERSAL}/{name}", body)["identityUniversalAuth"]
    assert {key: made[key] for key in body if key != "accessTokenTrustedIps"} == {
        key: value for key, value in body.items() if key != "accessTokenTrustedIps"
    }
    assert manager.get(f"{UNIVERSAL}/{name}").json["identityUniversalAuth"] == made
    assert manager.post(f"{UNIVERSAL}/{name}", {}).status == 400
    off = manager.made(f"{UNIVERSAL}/{name}", {"lockoutEnabled": False}, "PATCH")["identityUniversalAuth"]
    assert off["lockoutEnabled"] is False and off["clientId"] == made["clientId"] and off["accessTokenTTL"] == 600
    on = manager.made(f"{UNIVERSAL}/{name}", {"lockoutEnabled": True}, "PATCH")["identityUniversalAuth"]
    assert (on["lockoutEnabled"], on["lockoutThreshold"]) == (True, 3)
    manager.made(f"{UNIVERSAL}/{name}", None, "DELETE")
    assert manager.get(f"{UNIVERSAL}/{name}").status == 404


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"accessTokenTTL": 7_200, "accessTokenMaxTTL": 3_600}, 400),
        ({"accessTokenTTL": -1}, 422),
        ({"accessTokenMaxTTL": 315_360_001}, 422),
        ({"accessTokenTrustedIps": [{"ipAddress": "10.0.0.0/8"}]}, 400),
        ({"clientSecretTrustedIps": [{"ipAddress": "10.0.0.1"}]}, 400),
        ({"lockoutThreshold": 31}, 422),
    ],
)
def test_invalid_universal_auth_is_refused(manager: Manager, body: dict[str, Any], status: int) -> None:
    name = created(manager)
    assert manager.post(f"{UNIVERSAL}/{name}", body).status == status
    assert manager.get(f"{UNIVERSAL}/{name}").status == 404


def test_client_secrets_are_listed_and_revoked(manager: Manager) -> None:
    name = created(manager)
    client_id = manager.made(f"{UNIVERSAL}/{name}", {})["identityUniversalAuth"]["clientId"]
    fields = {"ttl": 3_600, "numUsesLimit": 7, "description": "web-1"}
    made = manager.made(f"{UNIVERSAL}/{name}/client-secrets", fields)
    data = made["clientSecretData"]
    assert data["description"] == "web-1"
    assert (data["clientSecretTTL"], data["clientSecretNumUsesLimit"]) == (3_600, 7)
    path = f"{UNIVERSAL}/{name}/client-secrets"
    assert manager.get(path).json["clientSecretData"] == [data]
    assert manager.get(f"{path}/{data['id']}").json["clientSecretData"] == data
    login = {"clientId": client_id, "clientSecret": made["clientSecret"]}
    assert manager.post(LOGIN, login).status == 200
    assert manager.made(f"{path}/{data['id']}/revoke", {})["clientSecretData"]["isClientSecretRevoked"] is True
    assert manager.post(LOGIN, login).status == 401
    assert manager.get(f"{path}/{data['id']}").status == 404


def test_description_of_a_client_secret_is_limited(manager: Manager) -> None:
    name = created(manager)
    manager.made(f"{UNIVERSAL}/{name}", {})
    path = f"{UNIVERSAL}/{name}/client-secrets"
    assert manager.post(path, {"description": "x" * 256}).status == 422
    manager.made(path, {})
    (stored,) = manager.setting.configuration.identity(name).universal.secrets  # type: ignore[union-attr]
    assert "description" not in stored.model_dump(mode="json")  # as earlier releases expect it


def universal_token(manager: Manager, name: str, **settings: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Add universal auth with these settings; return its answer, and that of a login."""
    made = manager.made(f"{UNIVERSAL}/{name}", settings)["identityUniversalAuth"]
    secret = manager.made(f"{UNIVERSAL}/{name}/client-secrets", {})["clientSecret"]
    return made, manager.post(LOGIN, {"clientId": made["clientId"], "clientSecret": secret}).json


@pytest.mark.parametrize(
    ("settings", "ttl", "longest"),
    [
        ({"accessTokenTTL": 0}, 86_400, 86_400),  # the maximum of a new identity
        ({"accessTokenTTL": 0, "accessTokenMaxTTL": 7_200}, 7_200, 7_200),
        ({"accessTokenTTL": 600, "accessTokenMaxTTL": 0}, 600, 315_360_000),
        ({"accessTokenTTL": 0, "accessTokenMaxTTL": 0}, 315_360_000, 315_360_000),
    ],
)
def test_lifetime_of_0_is_the_longest(manager: Manager, settings: dict[str, int], ttl: int, longest: int) -> None:
    made, token = universal_token(manager, created(manager), **settings)
    assert {key: made[key] for key in settings} == settings
    assert (token["expiresIn"], token["accessTokenMaxTTL"]) == (ttl, longest)


def test_token_settings_are_of_one_login(manager: Manager) -> None:
    name, arn = created(manager), "arn:aws:iam::123456789012:role/app"
    settings = {"accessTokenTTL": 600, "accessTokenMaxTTL": 3_600, "accessTokenNumUsesLimit": 5}
    _, token = universal_token(manager, name, **settings)
    aws = manager.made(f"{AWS}/{name}", {"allowedPrincipalArns": arn})["identityAwsAuth"]
    assert [aws[key] for key in settings] == [3_600, 86_400, 0]
    manager.made(f"{AWS}/{name}", {"accessTokenTTL": 60, "accessTokenMaxTTL": 60}, "PATCH")
    universal = manager.get(f"{UNIVERSAL}/{name}").json["identityUniversalAuth"]
    assert {key: universal[key] for key in settings} == settings
    assert (token["expiresIn"], token["accessTokenMaxTTL"]) == (600, 3_600)
    manager.made(f"{UNIVERSAL}/{name}", None, "DELETE")
    again = manager.made(f"{UNIVERSAL}/{name}", {})["identityUniversalAuth"]
    assert [again[key] for key in settings] == [3_600, 86_400, 0]


def test_number_of_client_secrets_is_limited(manager: Manager) -> None:
    name = created(manager)
    manager.made(f"{UNIVERSAL}/{name}", {})
    answers = [manager.post(f"{UNIVERSAL}/{name}/client-secrets", {}).status for _ in range(11)]
    assert answers == [200] * 10 + [400]


def test_aws_auth_settings_come_back(manager: Manager) -> None:
    name, arn = created(manager), "arn:aws:iam::123456789012:role/app"
    body = {"allowedPrincipalArns": f"{arn}, {arn}", "allowedAccountIds": "123456789012"}
    made = manager.made(f"{AWS}/{name}", body)["identityAwsAuth"]
    assert (made["allowedPrincipalArns"], made["allowedAccountIds"]) == (arn, "123456789012")
    changed = manager.made(f"{AWS}/{name}", {"accessTokenTTL": 60}, "PATCH")["identityAwsAuth"]
    assert changed == {**made, "accessTokenTTL": 60}
    assert manager.made(f"{AWS}/{name}", None, "DELETE")["identityAwsAuth"]["allowedPrincipalArns"] == arn


def test_aws_auth_keeps_accounts_and_endpoint_as_they_were_set(manager: Manager) -> None:
    name, arn = created(manager), "arn:aws:iam::123456789012:role/app"
    made = manager.made(f"{AWS}/{name}", {"allowedPrincipalArns": arn})["identityAwsAuth"]
    assert (made["allowedAccountIds"], made["stsEndpoint"]) == ("", "https://sts.amazonaws.com/")
    stored = manager.setting.configuration.identity(name)
    assert stored is not None and stored.aws is not None
    assert set(stored.aws.model_dump(mode="json", by_alias=True)) == {"principals", "foreign-clients"}
    changes = {
        "allowedAccountIds": "123456789012, 111122223333",
        "stsEndpoint": "https://sts.eu-central-1.amazonaws.com",
    }
    changed = manager.made(f"{AWS}/{name}", changes, "PATCH")["identityAwsAuth"]
    assert changed["allowedAccountIds"] == "123456789012,111122223333"
    assert changed["stsEndpoint"] == changes["stsEndpoint"]
    assert manager.made(f"{AWS}/{name}", {"accessTokenTTL": 60}, "PATCH")["identityAwsAuth"] == {
        **changed,
        "accessTokenTTL": 60,
    }
    assert manager.call("PATCH", f"{AWS}/{name}", {"allowedAccountIds": "1"}).status == 400


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ({"allowedAccountIds": "123456789012"}, 422),
        ({"allowedPrincipalArns": ""}, 400),
        ({"allowedPrincipalArns": "arn:aws:iam::123456789012:*"}, 400),
        ({"allowedPrincipalArns": "*"}, 400),
        ({"allowedPrincipalArns": "arn:aws:iam::123456789012:role/app", "allowedAccountIds": "1"}, 400),
        (
            {"allowedPrincipalArns": "arn:aws:iam::123456789012:role/app", "stsEndpoint": "https://sts.evil.example"},
            400,
        ),
    ],
)
def test_invalid_aws_auth_is_refused(manager: Manager, body: dict[str, Any], status: int) -> None:
    assert manager.post(f"{AWS}/{created(manager)}", body).status == status


def test_no_secret_is_in_the_audit_trail(manager: Manager) -> None:
    name = created(manager)
    manager.made(f"{UNIVERSAL}/{name}", {})
    made = manager.made(f"{UNIVERSAL}/{name}/client-secrets", {})
    stored = manager.setting.configuration.identity(name)
    assert stored is not None and stored.universal is not None
    (secret,) = stored.universal.secrets
    audit = repr(manager.setting.configuration.audit)
    assert made["clientSecret"] not in audit and secret.digest not in audit and secret.id in audit


def test_deleted_identity_loses_its_tokens(manager: Manager) -> None:
    name = created(manager, grants=[{"profile": "*", "permissions": ["request", "read-key"]}])
    identity = manager.setting.configuration.identity(name)
    assert identity is not None
    token, manager.token = manager.token, manager.setting.token(identity)
    assert manager.get(f"{CERTIFICATES}/x").status == 404
    manager.token = token
    manager.made(f"{IDENTITIES}/{name}", None, "DELETE")
    manager.token = manager.setting.token(identity)
    assert manager.get(f"{CERTIFICATES}/x").status == 403
