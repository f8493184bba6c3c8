"""The OpenAPI document says every route, every status and every body that there is."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from evercert.authority.front import openapi
from evercert.authority.front.routes import ROUTES, Route
from evercert.authority.front.search import SearchModel
from evercert.authority.policies.bodies import IssueModel, RenewModel
from tests.authority.ceremony import ADDRESS
from tests.authority.client import Client

DOCUMENT = openapi.document(ADDRESS)


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
