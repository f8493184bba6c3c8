"""The OpenAPI document covers every route, status and body, and is up to date."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from evercert.authority.administration.routes import ROUTES as MANAGEMENT
from evercert.authority.contracts.external import Work
from evercert.authority.infisical_api.endpoint import Route
from evercert.authority.infisical_api.openapi import PATH, openapi_document
from evercert.authority.infisical_api.routes import ROUTES
from evercert.authority.infisical_api.search import SearchModel
from evercert.authority.requests.bodies import IssueModel, RenewModel
from evercert.errors import Unavailable
from tests.doubles.authority.ceremony import ADDRESS
from tests.doubles.authority.client import (
    CERTIFICATES,
    MANAGER,
    NAMES,
    PROFILES,
    REQUESTS,
    USAGES,
    Client,
    Response,
    csr,
    route_of,
)
from tests.samples import foreign
from tests.tools import openapi
from tests.tools.openapi_check import schema_errors

DOCUMENT = openapi_document(ADDRESS)


def operation(route: Route[Any]) -> dict[str, Any]:
    return DOCUMENT["paths"][route.template][route.method.lower()]  # type: ignore[no-any-return]


def test_openapi_json_is_current() -> None:
    assert PATH.read_text() == openapi.text(), "outdated openapi.json: run python -m tests.tools.openapi --write"


def test_document_is_served_without_login() -> None:
    client = Client()
    client.token = None
    served = client.get("/api/openapi.json").json
    assert served == json.loads(json.dumps(DOCUMENT))
    assert served["servers"] == [{"url": ADDRESS}]


def test_document_contains_exactly_the_routes() -> None:
    described = {(method.upper(), path) for path, methods in DOCUMENT["paths"].items() for method in methods}
    assert described == {(method, route.template) for route in (*ROUTES, *MANAGEMENT) for method in route.methods}


@pytest.mark.parametrize("route", [*ROUTES, *MANAGEMENT], ids=lambda route: f"{route.method} {route.template}")
def test_operation_describes_its_route(route: Route[Any]) -> None:
    described = operation(route)
    assert {int(status) for status in described["responses"]} == set(openapi.statuses(route))
    assert ("security" in described) == route.login
    assert ("requestBody" in described) == (route.body is not None)
    assert {one["name"] for one in described["parameters"] if one["in"] == "path"} == set(
        re.findall(r"\{(\w+)\}", route.template)
    )


def test_references_resolve() -> None:
    names = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(DOCUMENT)))
    assert names <= DOCUMENT["components"]["schemas"].keys()


@pytest.mark.parametrize(("name", "model"), [("Issue", IssueModel), ("Renew", RenewModel), ("Search", SearchModel)])
def test_bodies_describe_the_fields_of_their_model(name: str, model: Any) -> None:
    assert DOCUMENT["components"]["schemas"][name]["properties"].keys() == {
        field.alias or field_name for field_name, field in model.model_fields.items()
    }


def test_ttl_and_null_are_described() -> None:
    attributes = DOCUMENT["components"]["schemas"]["Attributes"]["properties"]
    assert "90d" in json.dumps(attributes["ttl"]) and "duration" not in json.dumps(attributes["ttl"])
    assert not any("default" in schema for name, schema in attributes.items() if name != "removeRootsFromChain")


def test_responses_match_the_document(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client double checks each response; here every route returns one."""
    client, seen = Client("request", "read-key"), set()
    real = client.resolve

    def resolve(event: dict[str, Any]) -> Response:
        response = real(event)
        http = event["requestContext"]["http"]
        route = route_of(http["method"], http["path"])
        if route is not None and response.status == 200:
            seen.add((route.method, route.template))
        return response

    monkeypatch.setattr(client, "resolve", resolve)
    universal = client.identity.universal
    assert universal is not None
    login = {"clientId": universal.client_id, "clientSecret": client.secret}
    token = client.post("/api/v1/auth/universal-auth/login", login).json["accessToken"]
    for what in ("renew", "revoke"):
        client.post(f"/api/v1/auth/token/{what}", {"accessToken": token})
    project = client.get("/api/v1/projects/slug/shop").json["id"]
    for path in (f"?projectId={project}", f"/slug/tls-server?projectId={project}", f"/{client.profile.id}"):
        client.get(f"{PROFILES}{path}")
    client.get(f"{MANAGER}/applications/by-name/shop-app")
    client.get(f"{MANAGER}/applications/{client.application.id}/profiles")
    issued = client.issued({"keyAlgorithm": "EC_prime256v1", "domainComponents": ["example", "com"]})
    client.setting.signer.trouble = [Unavailable("later")] * 2
    pending = client.issue(metadata=[{"key": "team", "value": "web"}]).json["certificateRequestId"]
    client.get(f"{REQUESTS}/{pending}")
    client.post(f"{REQUESTS}/{pending}/cancel")
    client.get(f"{REQUESTS}/{pending}")
    client.post(f"{REQUESTS}/search", {"projectId": project})
    client.get(f"{PROFILES}/{client.profile.id}/certificates")
    one = f"{CERTIFICATES}/{issued['certificateId']}"
    client.setting.signer.trouble = [Unavailable("later")]
    for what, body in (("renew", {}), ("revoke", {"revocationReason": "SUPERSEDED"})):
        assert client.post(f"{one}/{what}", body).status == 200
    for what in ("", "/bundle", "/private-key"):
        client.get(f"{one}{what}")
    ca = client.setting.cas["EC-issuing"]
    client.get(f"{MANAGER}/crl/{ca.id}/der")
    client.get(f"{MANAGER}/ca/internal/{ca.id}/certificates/{ca.current.id}/der")
    for path in (
        "",
        "/internal",
        *(f"/internal/{ca.id}{end}" for end in ("", "/certificate", "/ca-certificates", "/crls")),
    ):
        client.get(f"{MANAGER}/ca{path}")
    flat = {"profileId": client.profile.id, "commonName": "www.example.com", "ttl": "1d", **USAGES}
    for path in ("issue-certificate", "order-certificate"):
        client.post(f"{CERTIFICATES}/{path}", flat)
    for path in (f"{CERTIFICATES}/sign-certificate", "/api/v1/pki/certificates/sign-certificate"):
        client.post(path, {**flat, "csr": csr()[1]})
    client.post("/api/v1/pki/certificates/issue-certificate", flat)
    latest = client.issued({"keyAlgorithm": "EC_prime256v1"})["certificateId"]
    assert client.call("PATCH", f"{CERTIFICATES}/{latest}/config", {"renewBeforeDays": 7}).status == 200
    client.get(f"{PROFILES}/{client.profile.id}/certificates/latest-active-bundle")
    approved = client.setting.profile("approved", project=client.profile.project, approval={})
    body = {"profileId": approved.id, "attributes": {**NAMES, **USAGES, "ttl": "1d"}}
    waiting = [client.post(CERTIFICATES, body).json["certificateRequestId"] for _ in range(2)]
    before = client.as_another("approve", profile=approved.key, name="approver")
    for what, request in zip(("approve", "reject"), waiting, strict=True):
        assert client.post(f"{REQUESTS}/{request}/{what}", {"reason": "known"}).status == 200
    client.token = before
    project = client.profile.project
    outside = client.setting.profile("outside", project=project, issuer_type="external", issuer="one", cas=())
    waits = client.post(CERTIFICATES, {**body, "profileId": outside.id}).json["certificateRequestId"]
    client.setting.external.stored[waits] = Work(waits, validating=True)
    assert client.post(f"{REQUESTS}/{waits}/trigger-validation").status == 200
    acme = client.setting.profile("acme", project=client.profile.project, acme={})
    client.post(f"{MANAGER}/acme-credentials/{acme.id}", {})
    client.post(f"{CERTIFICATES}/search", {"name": "www.example.com"})
    assert client.call("PATCH", one, {"metadata": [{"key": "a"}]}).status == 200
    client.as_another("administer")
    for path in (f"{CERTIFICATES}/import-certificate", "/api/v1/pki/certificates/import-certificate"):
        body = {"certificatePem": foreign.pem(foreign.certificate()), "profileId": client.profile.id}
        assert client.post(path, body).status == 200
    client.get("/api/openapi.json")
    client.get("/api/status")
    assert seen == {(route.method, route.template) for route in ROUTES}


def test_schema_errors_finds_differences() -> None:
    (route,) = (route for route in ROUTES if route.template.endswith("/bundle"))
    body = {"certificate": "x", "certificateChain": None, "privateKey": None, "serialNumber": "1"}
    assert schema_errors(route, 200, body) == []
    for wrong in (body | {"more": 1}, body | {"serialNumber": 1}, {"certificate": "x"}):
        assert schema_errors(route, 200, wrong)
    assert schema_errors(route, 418, body)
    assert schema_errors(route, 404, {"message": "without the rest"})
