"""The OpenAPI document of the API, made from its routes and from the models that read its bodies."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from pydantic import TypeAdapter

from evercert.authority.ca.revocation_reasons import REASONS
from evercert.authority.infisical_api.endpoint import Route
from evercert.authority.infisical_api.openapi_schemas import ANSWERS, BINARY, FREE, NUMBER, TEXT, fields
from evercert.authority.infisical_api.search import SearchModel
from evercert.authority.requests.bodies import IssueModel, RenewModel

_RENAMED = {"_Entry": "MetadataEntry", "_Pair": "MetadataPair", "AttributesBody": "Attributes"}
_TTL = "A number and s, m (minutes), h, d, w or y, such as 90d"
_TEXTS = {"text/plain": TEXT}
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


def document(routes: Iterable[Route], address: str) -> dict[str, Any]:
    """OpenAPI 3.1."""
    paths: dict[str, Any] = {}
    for route in routes:
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
    found = {500, 503}
    if route.answer is not None or route.kind != "application/json":
        found.add(200)
    if route.login:
        found |= {401, 403, 404}
    if route.method == "POST":
        found |= {400, 401, 404, 413, 422}
    if "{" in route.template:
        found.add(404)
    if route.query:
        found.add(422)
    return tuple(sorted(found))


def _operation(route: Route) -> dict[str, Any]:
    answers: dict[str, Any] = {}
    for status in statuses(route):
        if status in _REFUSALS:
            answers[str(status)] = {"description": _REFUSALS[status], "content": _json("#/components/schemas/Error")}
        else:
            content = {route.kind: {"schema": _TEXTS.get(route.kind, BINARY)}}
            if route.answer is not None:
                content = _json(f"#/components/schemas/{route.answer}")
            answers[str(status)] = {"description": route.summary, "content": content}
    found: dict[str, Any] = {"summary": route.summary, "responses": answers, "parameters": _parameters(route)}
    if route.login:
        found["security"] = [{"accessToken": []}]
    if route.body:
        found["requestBody"] = {
            "content": _json(f"#/components/schemas/{route.body}"),
            "required": route.body != "Renew",
        }
    return found


def _parameters(route: Route) -> list[dict[str, Any]]:
    names = re.findall(r"\{(\w+)\}", route.template)
    found: list[dict[str, Any]] = [{"name": name, "in": "path", "required": True, "schema": TEXT} for name in names]
    for name in route.query:
        schema = NUMBER if name in {"offset", "limit"} else TEXT
        found.append({"name": name, "in": "query", "required": name == "projectId", "schema": schema})
    if route.idempotent:
        said = "Answers the same certificate whenever it is sent again with the same body; only its dates may differ"
        found.append({"name": "Idempotency-Key", "in": "header", "schema": TEXT, "description": said})
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
        fields(clientId=TEXT, clientSecret=TEXT),
        fields(
            ("iamHttpRequestMethod",),
            identityId=TEXT,
            iamHttpRequestMethod={"const": "POST"},
            iamRequestBody=TEXT,
            iamRequestHeaders=TEXT,
        ),
    ]
    return {
        **{_RENAMED.get(name, name): _told(schema) for name, schema in found.items()},
        **ANSWERS,
        "Document": FREE,
        "Login": {"anyOf": methods},
        "AccessToken": fields(accessToken=TEXT),
        "Revoke": fields(revocationReason={"enum": list(REASONS)}),
    }


def _told(schema: Any) -> Any:  # noqa: ANN401 (a part of a schema)
    """Without what pydantic adds of itself, and with what its types do not say.

    Null is no default of an attribute: it clears what the profile would say.
    """
    if isinstance(schema, list):
        return [_told(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    left_out = {"title", "description"} if isinstance(schema.get("title"), str) else set()
    if schema.get("default", ...) is None:
        left_out.add("default")
    found = {key: _told(value) for key, value in schema.items() if key not in left_out}
    if isinstance(reference := found.get("$ref"), str):
        prefix, _, last = reference.rpartition("/")
        found["$ref"] = f"{prefix}/{_RENAMED.get(last, last)}"
    if found.get("format") == "duration":
        found = {"type": "string", "description": _TTL}
    return found
