"""The OpenAPI document says every route, every status and every body that there is."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from evercert.authority.infisical_api import openapi
from evercert.authority.infisical_api.endpoint import Route
from evercert.authority.infisical_api.routes import ROUTES
from evercert.authority.infisical_api.search import SearchModel
from evercert.authority.requests.bodies import IssueModel, RenewModel
from evercert.errors import Unavailable
from tests.doubles.authority.ceremony import ADDRESS
from tests.doubles.authority.client import CERTIFICATES, MANAGER, PROFILES, REQUESTS, Client, Said, route_of
from tests.tools.openapi_check import misdescribed

DOCUMENT = openapi.document(ROUTES, ADDRESS)


def operation(route: Route) -> dict[str, Any]:
    return DOCUMENT["paths"][route.template][route.method.lower()]  # type: ignore[no-any-return]


def test_it_is_served_without_a_login() -> None:
    client = Client()
    client.token = None
    assert client.get("/api/openapi.json").json == json.loads(json.dumps(DOCUMENT))


def test_every_route_is_in_it_and_no_other() -> None:
    said = {(method.upper(), path) for path, methods in DOCUMENT["paths"].items() for method in methods}
    assert said == {(route.method, route.template) for route in ROUTES}


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.template}")
def test_a_route_is_said_whole(route: Route) -> None:
    said = operation(route)
    assert {int(status) for status in said["responses"]} == set(openapi.statuses(route))
    assert ("security" in said) == route.login
    assert ("requestBody" in said) == (route.body is not None)
    assert {one["name"] for one in said["parameters"] if one["in"] == "path"} == set(
        re.findall(r"\{(\w+)\}", route.template)
    )


def test_every_reference_leads_somewhere() -> None:
    names = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(DOCUMENT)))
    assert names <= DOCUMENT["components"]["schemas"].keys()


@pytest.mark.parametrize(("name", "model"), [("Issue", IssueModel), ("Renew", RenewModel), ("Search", SearchModel)])
def test_bodies_have_the_fields_that_are_read(name: str, model: Any) -> None:
    assert DOCUMENT["components"]["schemas"][name]["properties"].keys() == {
        field.alias or field_name for field_name, field in model.model_fields.items()
    }


def test_a_ttl_and_a_null_are_said_as_they_are_read() -> None:
    attributes = DOCUMENT["components"]["schemas"]["Attributes"]["properties"]
    assert "90d" in json.dumps(attributes["ttl"]) and "duration" not in json.dumps(attributes["ttl"])
    assert not any("default" in said for name, said in attributes.items() if name != "removeRootsFromChain")


def test_every_answer_is_what_the_document_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client looks at each of its answers; here every route gives one."""
    client, seen = Client("request", "read-key"), set()
    real = client.resolve

    def resolve(event: dict[str, Any]) -> Said:
        said = real(event)
        http = event["requestContext"]["http"]
        route = route_of(http["method"], http["path"])
        if route is not None and said.status == 200:
            seen.add(route.template)
        return said

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
    made = client.issued({"keyAlgorithm": "EC_prime256v1", "domainComponents": ["example", "com"]})
    client.setting.signer.trouble = [Unavailable("later")] * 2
    waits = client.issue(metadata=[{"key": "team", "value": "web"}]).json["certificateRequestId"]
    client.get(f"{REQUESTS}/{waits}")
    client.post(f"{REQUESTS}/{waits}/cancel")
    client.get(f"{REQUESTS}/{waits}")
    client.post(f"{REQUESTS}/search", {"projectId": project})
    client.get(f"{PROFILES}/{client.profile.id}/certificates")
    one = f"{CERTIFICATES}/{made['certificateId']}"
    client.setting.signer.trouble = [Unavailable("later")]
    for what, body in (("renew", {}), ("revoke", {"revocationReason": "SUPERSEDED"})):
        assert client.post(f"{one}/{what}", body).status == 200
    for what in ("", "/bundle", "/private-key"):
        client.get(f"{one}{what}")
    ca = client.setting.cas["EC-issuing"]
    client.get(f"{MANAGER}/crl/{ca.id}/der")
    client.get(f"{MANAGER}/ca/internal/{ca.id}/certificates/{ca.current.id}/der")
    client.get("/api/openapi.json")
    assert seen == {route.template for route in ROUTES if 200 in openapi.statuses(route)}
    assert len(ROUTES) - len(seen) == 1  # a validation is never waited for


def test_an_answer_that_is_otherwise_is_noticed() -> None:
    (route,) = (route for route in ROUTES if route.template.endswith("/bundle"))
    said = {"certificate": "x", "certificateChain": None, "privateKey": None, "serialNumber": "1"}
    assert misdescribed(route, 200, said) == []
    for wrong in (said | {"more": 1}, said | {"serialNumber": 1}, {"certificate": "x"}):
        assert misdescribed(route, 200, wrong)
    assert misdescribed(route, 418, said)
    assert misdescribed(route, 404, {"message": "without the rest"})
