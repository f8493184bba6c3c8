"""The OpenAPI document of the API, made from its routes and from the models that read its bodies."""

from __future__ import annotations

import re
from typing import Any

from pydantic import TypeAdapter

from evercert.authority.front.reasons import REASONS
from evercert.authority.front.routes import ROUTES, Route
from evercert.authority.front.search import SearchModel
from evercert.authority.policies.bodies import IssueModel, RenewModel

_TEXT = {"type": "string"}
_REFUSALS = {
    400: "What is asked for can never be had",
    401: "Nobody knows who asks",
    403: "The access token is none, or no longer; or it is not allowed",
    404: "There is none, or none that the identity may see",
    413: "The body is too large",
    422: "The body is not what it should be: message is a list of every mistake",
    500: "The authority is broken, or not set up",
    503: "Ask again, after Retry-After seconds",
}


def document(address: str) -> dict[str, Any]:
    """OpenAPI 3.1."""
    paths: dict[str, Any] = {}
    for route in ROUTES:
        paths.setdefault(route.template, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "evercert's certificate authority",
            "version": "1",
            "description": "Clients of Infisical's issuing API work against it.",
        },
        "servers": [{"url": address}],
        "paths": paths,
        "components": {
            "securitySchemes": {"accessToken": {"type": "http", "scheme": "bearer"}},
            "schemas": _schemas(),
        },
    }


def statuses(route: Route) -> tuple[int, ...]:
    """Of every answer that the route can give."""
    found = {200, 500, 503}
    if route.login:
        found |= {401, 403, 404}
    if route.method == "POST":
        found |= {400, 401, 404, 413, 422}
    if "{" in route.template:
        found.add(404)
    if route.method == "GET" and route.login:
        found.add(422)
    return tuple(sorted(found))


def _operation(route: Route) -> dict[str, Any]:
    answers: dict[str, Any] = {}
    for status in statuses(route):
        if status in _REFUSALS:
            answers[str(status)] = {"description": _REFUSALS[status], "content": _json("#/components/schemas/Error")}
        else:
            schema = {"type": "object"} if route.kind == "application/json" else _TEXT
            answers[str(status)] = {"description": route.says, "content": {route.kind: {"schema": schema}}}
    found: dict[str, Any] = {"summary": route.says, "responses": answers, "parameters": _parameters(route)}
    if route.login:
        found["security"] = [{"accessToken": []}]
    if route.body:
        found["requestBody"] = {"content": _json(f"#/components/schemas/{route.body}")}
    return found


def _parameters(route: Route) -> list[dict[str, Any]]:
    names = re.findall(r"\{(\w+)\}", route.template)
    found: list[dict[str, Any]] = [{"name": name, "in": "path", "required": True, "schema": _TEXT} for name in names]
    found += [{"name": name, "in": "query", "required": name == "projectId", "schema": _TEXT} for name in route.query]
    if route.idempotent:
        said = "Answers the same certificate whenever it is sent again"
        found.append({"name": "Idempotency-Key", "in": "header", "schema": _TEXT, "description": said})
    return found


def _json(reference: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": reference}}}


def _schemas() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, model in (("Issue", IssueModel), ("Renew", RenewModel), ("Search", SearchModel)):
        schema = TypeAdapter(model).json_schema(ref_template="#/components/schemas/{model}")
        found |= schema.pop("$defs", {})
        found[name] = schema
    methods = [
        _object(clientId=_TEXT, clientSecret=_TEXT),
        _object(identityId=_TEXT, iamHttpRequestMethod=_TEXT, iamRequestBody=_TEXT, iamRequestHeaders=_TEXT),
    ]
    message = {"oneOf": [_TEXT, {"type": "array", "items": {"type": "object"}}]}
    return {
        **found,
        "Login": {"oneOf": methods},
        "AccessToken": _object(accessToken=_TEXT),
        "Revoke": _object(revocationReason={"enum": list(REASONS)}),
        "Error": _object(reqId=_TEXT, statusCode={"type": "integer"}, message=message, error=_TEXT),
    }


def _object(**properties: Any) -> dict[str, Any]:  # noqa: ANN401 (schemas)
    return {"type": "object", "properties": properties, "required": sorted(properties)}
