"""Access control of every route: missing, invalid, expired and foreign tokens reveal nothing."""

from __future__ import annotations

import json
import re
import uuid
from typing import Any

import pytest

from evercert.authority.infisical_api.endpoint import Route
from evercert.authority.infisical_api.routes import ROUTES
from tests.doubles.authority.client import CERTIFICATES, MANAGER, PROFILES, REQUESTS, Client, csr

GUARDED = [route for route in ROUTES if route.login]
FREE = {
    "/api/v1/auth/{method}/login",
    "/api/v1/auth/token/renew",
    "/api/v1/auth/token/revoke",
    f"{MANAGER}/crl/{{id}}/der",
    f"{MANAGER}/ca/internal/{{id}}/certificates/{{certificate}}/der",
    "/api/openapi.json",
    "/api/status",
}
ROUTE = pytest.mark.parametrize("route", GUARDED, ids=lambda route: f"{route.method} {route.template}")


@pytest.fixture
def client() -> Client:
    return Client()


def targets(client: Client) -> dict[str, str]:
    """Return an existing target for every route with login."""
    issued = client.issued()
    project = client.get("/api/v1/projects/slug/shop").json["id"]
    request = next(iter(client.setting.certificates.requests))
    ids = {
        f"{PROFILES}/{{id}}": client.profile.id,
        f"{PROFILES}/{{id}}/certificates": client.profile.id,
        f"{PROFILES}/{{id}}/certificates/latest-active-bundle": client.profile.id,
        **dict.fromkeys(CA_ROUTES, client.setting.cas["EC-issuing"].id),
        f"{MANAGER}/applications/{{id}}/profiles": client.application.id,
        f"{REQUESTS}/{{id}}": request,
        f"{REQUESTS}/{{id}}/trigger-validation": request,
        f"{REQUESTS}/{{id}}/cancel": request,
    }
    found = {}
    for route in GUARDED:
        target = route.template.replace("{slug}", "shop" if "projects" in route.template else "tls-server")
        target = target.replace("{name}", "shop-app").replace("{id}", ids.get(route.template, issued["certificateId"]))
        found[route.template] = target + (f"?projectId={project}" if "projectId" in route.query else "")
    return found


CA_ROUTES = {route.template for route in GUARDED if route.template.startswith(f"{MANAGER}/ca")}  # of all projects


def body_of(client: Client, route: Route) -> dict | None:
    if route.method == "GET":
        return None
    project = client.get("/api/v1/projects/slug/shop").json.get("id") or str(uuid.uuid4())
    return {
        "profileId": client.profile.id,
        "attributes": {"commonName": "www.example.com", "ttl": "1d"},
        "revocationReason": "SUPERSEDED",
        "projectId": project,
        **({"certificatePem": "x"} if route.body == "Import" else {}),
    }


def secrets_of(client: Client) -> list[str]:
    """Return texts that a response must not contain."""
    store = client.setting.certificates
    found = [*store.certificates, *store.requests, client.profile.id, client.application.id]
    return [*found, *(one.serial_number for one in store.certificates.values()), "PRIVATE KEY", "example.com"]


def test_public_routes_are_listed() -> None:
    assert {route.template for route in ROUTES if not route.login} == FREE


@ROUTE
def test_routes_refuse_calls_without_token(client: Client, route: Route) -> None:
    target, body = targets(client)[route.template], body_of(client, route)
    before, client.token = client.written, None
    for headers in ({}, {"authorization": "Basic eDp5"}):
        response = client.call(route.method, target, body, **headers)
        assert (response.status, response.json["error"]) == (401, "Unauthorized")
        assert client.written == before
        assert not [word for word in secrets_of(client) if word.encode() in response.body]


@ROUTE
def test_routes_refuse_invalid_tokens(client: Client, route: Route) -> None:
    target, body, whole = targets(client)[route.template], body_of(client, route), client.token
    before = client.written
    client.setting.clock.advance(hours=2)
    for token in (whole, "eca_" + "x" * 43, "nonsense", ""):
        client.token = token
        response = client.call(route.method, target, body)
        assert (response.status, response.json["error"]) == (403, "TokenError")
        assert client.written == before
        assert not [word for word in secrets_of(client) if word.encode() in response.body]


@ROUTE
@pytest.mark.parametrize("grant", ["none", "another project"])
def test_routes_hide_everything_from_other_identities(client: Client, route: Route, grant: str) -> None:
    target, body = targets(client)[route.template], body_of(client, route)
    before = client.written
    client.setting.profile("tls-server", "other")
    grants = (
        []
        if grant == "none"
        else [{"profile": "other/tls-server", "permissions": ["request", "read-key", "administer"]}]
    )
    client.as_another(grants=grants)
    response = client.call(route.method, target, body)
    if route.template == PROFILES:
        assert (response.status, response.json) == (200, {"certificateProfiles": [], "totalCount": 0})
    elif route.template == f"{CERTIFICATES}/search":
        assert (response.status, response.json) == (200, {"certificates": [], "nextCursor": None})
    elif route.template in CA_ROUTES and grant == "another project":
        assert response.status == 200
    else:
        assert response.status in {403, 404}, response.body
        assert response.json["error"] in {"PermissionDenied", "NotFound"}
    assert client.written == before
    leaked = [word for word in secrets_of(client) if word.encode() in response.body and word not in target]
    assert leaked == []
    assert not [one for one in client.setting.certificates.certificates.values() if one.revoked_at]


def test_invisible_and_missing_objects_look_alike(client: Client) -> None:
    there = targets(client)
    client.as_another(grants=[])
    for route in GUARDED:
        if (
            not route.template.startswith((CERTIFICATES, f"{MANAGER}/app", "/api/v1/projects"))
            or "{" not in route.template
        ):
            continue
        response = client.call(route.method, there[route.template], {"revocationReason": "SUPERSEDED"})
        target = re.sub(r"[0-9a-f-]{36}", str(uuid.uuid4()), there[route.template]).replace("shop", "none")
        absent = client.call(route.method, target, {"revocationReason": "SUPERSEDED"})
        shown = [re.sub(r"'[^']*'", "", one.json["message"]) for one in (response, absent)]
        assert (response.status, shown[0]) == (absent.status, shown[1]), route.template


# -- permissions --------------------------------------------------------------------------------------------------------
def test_read_key_permission_does_not_allow_issuing(client: Client) -> None:
    client.as_another("read-key")
    response = client.issue()
    assert (response.status, response.json["error"]) == (403, "PermissionDenied")
    assert response.json["details"][0]["action"] == "issue-cert"
    assert client.written == (0, 0, 0)


def test_grant_applies_to_its_profile_only(client: Client) -> None:
    client.setting.profile("tls-client")
    client.as_another("request", "read-key", profile="shop/tls-client")
    assert client.issue().status == 403
    client.as_another("request", "read-key", profile="shop/tls-server")
    assert client.issue().status == 200


def test_private_key_needs_the_permission_only(client: Client) -> None:
    issued = client.issued()
    target = f"{CERTIFICATES}/{issued['certificateId']}"
    assert "PRIVATE KEY" in issued["privateKey"]
    assert client.get(f"{target}/private-key").body.decode() == issued["privateKey"]
    assert client.get(f"{target}/bundle").json["privateKey"] == issued["privateKey"]
    for permissions, mine in ((("request",), 403), (("administer",), 403)):
        client.as_another(*permissions)
        response = client.get(f"{target}/private-key")
        assert (response.status, response.json["error"]) == (mine, "PermissionDenied")
        assert client.get(f"{target}/bundle").json["privateKey"] is None
    for permissions in (("read-key",), ("request", "read-key"), ("read-key", "administer")):
        client.as_another(*permissions)
        assert client.get(f"{target}/private-key").status == 200
        assert client.get(f"{target}/bundle").json["privateKey"] == issued["privateKey"]


def test_read_key_applies_to_its_profile_only(client: Client) -> None:
    target = f"{CERTIFICATES}/{client.issued()['certificateId']}"
    client.setting.profile("tls-client")
    grants = [
        {"profile": "shop/tls-client", "permissions": ["request", "read-key"]},
        {"profile": "shop/tls-server", "permissions": ["request"]},
    ]
    client.as_another(grants=grants)
    assert client.get(f"{target}/private-key").status == 403
    assert client.get(f"{target}/bundle").json["privateKey"] is None


def test_issue_without_csr_needs_read_permission(client: Client) -> None:
    """Otherwise the agent would store a certificate without its key beside an older key."""
    client.as_another("request")
    response = client.issue()
    assert (response.status, response.json["error"]) == (403, "PermissionDenied")
    assert response.json["details"][0]["action"] == "read-private-key"
    assert "send a CSR" in response.message
    assert client.written == (0, 0, 0)
    text = csr()[1]
    answer = client.post(CERTIFICATES, {"profileId": client.profile.id, "csr": text, "attributes": {"ttl": "90d"}})
    assert answer.status == 200
    assert "privateKey" not in answer.json["certificate"]


def test_only_the_requester_and_an_administrator_revoke(client: Client) -> None:
    target = f"{CERTIFICATES}/{client.issued()['certificateId']}"
    mine = client.as_another("request", "read-key")
    response = client.post(f"{target}/revoke", {"revocationReason": "SUPERSEDED"})
    assert (response.status, response.json["error"]) == (403, "PermissionDenied")
    client.token = mine
    assert client.post(f"{target}/revoke", {"revocationReason": "SUPERSEDED"}).status == 200
    target = f"{CERTIFICATES}/{client.issued()['certificateId']}"
    client.as_another("administer")
    assert client.post(f"{target}/revoke", {"revocationReason": "SUPERSEDED"}).status == 200


def test_withdrawn_grant_hides_certificate(client: Client) -> None:
    target = f"{CERTIFICATES}/{client.issued()['certificateId']}"
    client.setting.configuration.put(client.identity.model_copy(update={"grants": ()}))
    assert client.get(target).status == 404
    assert client.post(f"{target}/revoke", {"revocationReason": "SUPERSEDED"}).status == 404


def test_idempotency_token_is_scoped_to_identity(client: Client) -> None:
    first = client.issue(key="token").json
    client.as_another("request", "read-key")
    other = client.issue(key="token").json
    assert other["certificateRequestId"] != first["certificateRequestId"]


def test_permissions_are_read_once_per_call(client: Client, monkeypatch) -> None:
    issued, reads = client.issued({"keyAlgorithm": "EC_prime256v1"}), list[str]()
    configuration = client.setting.configuration
    for name in ("profile", "every_ca", "ca", "identity"):
        real = getattr(configuration, name)

        def reading(*what: str, name: str = name, real: Any = real) -> Any:
            reads.append(name)
            return real(*what)

        monkeypatch.setattr(configuration, name, reading)
    before = client.as_another("read-key", "administer")
    target = f"{CERTIFICATES}/{issued['certificateId']}"
    for act, most in (
        (lambda: client.get(f"{target}/bundle"), ["identity", "profile", "profile"]),
        (lambda: client.get(target), ["ca", "identity", "profile", "profile"]),
    ):
        reads.clear()
        assert act().status == 200
        assert sorted(reads) == most
    client.token = before
    reads.clear()
    assert client.issue().status == 200
    assert sorted(reads) == [
        "ca",
        "every_ca",
        "every_ca",
        "identity",
        "profile",
        "profile",
    ]  # one of them by the signer


# -- the log ---------------------------------------------------------------------------------------------------------------
def test_log_contains_no_secrets(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    login = {"clientId": client.identity.universal.client_id, "clientSecret": client.secret}
    token = client.post("/api/v1/auth/universal-auth/login", login).json["accessToken"]
    client.token = token
    issued = client.issued(metadata=[{"key": "team", "value": "canary-metadata"}])
    client.issue({"commonName": "canary name"}, csr="-----BEGIN canary-----")
    text = caplog.text + json.dumps([str(record.msg) for record in caplog.records])
    assert '"outcome"' in text or "'outcome'" in text
    assert issued["certificateId"] in text
    for secret in (token, client.secret, "canary", issued["privateKey"].splitlines()[1]):
        assert secret not in text
