"""Generate the OpenAPI document of the authority from its routes and request models.

Run `python -m tests.tools.openapi --write` after changing them; without `--write`, print the document.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterable
from typing import Any

from pydantic import TypeAdapter

from evercert.authority.administration.routes import ROUTES as MANAGEMENT
from evercert.authority.ca.revocation_reasons import LEAF_REASONS
from evercert.authority.infisical_api.certificate_import import ImportModel
from evercert.authority.infisical_api.certificate_metadata import MetadataChange
from evercert.authority.infisical_api.conditional_requests import NOT_MODIFIED
from evercert.authority.infisical_api.dispatcher import FORM
from evercert.authority.infisical_api.endpoint import Route
from evercert.authority.infisical_api.inventory_search import CertificateSearchModel
from evercert.authority.infisical_api.openapi import PATH
from evercert.authority.infisical_api.renewal_settings import RenewalConfig
from evercert.authority.infisical_api.routes import ROUTES
from evercert.authority.infisical_api.search import SearchModel
from evercert.authority.requests.bodies import IssueModel, RenewModel
from tests.tools import openapi_management
from tests.tools.openapi_schemas import ANSWERS, BINARY, FREE, NUMBER, TEXT, fields

_RENAMED = {"_Entry": "MetadataEntry", "_Pair": "MetadataPair", "AttributesBody": "Attributes"}
_OPTIONAL_BODIES = ("Renew", "UniversalAuthFields", "ClientSecretFields")
_TTL = "A number and a unit: s, m (minutes), h, d, w or y, such as 90d"
_TEXTS = {"text/plain": TEXT}
_ERRORS = {
    400: "The request can never succeed",
    401: "The caller is not authenticated",
    403: "The access token is invalid or expired, or the permission is missing",
    404: "The object is missing or invisible to the identity",
    413: "The body is too large",
    422: "The request is invalid: message lists every invalid field",
    500: "The authority failed or is misconfigured",
    501: "Infisical offers this login, and the authority does not",
    503: "Temporarily unavailable: try again after Retry-After seconds",
}


def document(routes: Iterable[Route[Any]]) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document; the function fills in the server address."""
    paths: dict[str, Any] = {}
    for route in routes:
        for method in route.methods:
            paths.setdefault(route.template, {})[method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "evercert certificate authority",
            "version": "1",
            "description": "Compatible with clients of the Infisical certificate API.",
        },
        "servers": [],
        "paths": paths,
        "components": {
            "securitySchemes": {"accessToken": {"type": "http", "scheme": "bearer"}},
            "schemas": _schemas(),
        },
    }


def statuses(route: Route[Any]) -> tuple[int, ...]:
    """Return every status code of the route."""
    found = {500, 503}
    if route.answer is not None or route.kind != "application/json":
        found.add(200)
    if route.cached:
        found.add(304)
    if route.login:
        found |= {401, 403, 404}
    if route.has_body:
        found |= {400, 401, 404, 413, 422}
    if route.method == "DELETE":
        found.add(400)
    if "{" in route.template:
        found.add(404)
    if "{method}" in route.template or "{type}" in route.template:
        found |= {403, 501}
    if route.query:
        found.add(422)
    return tuple(sorted(found))


def _operation(route: Route[Any]) -> dict[str, Any]:
    answers: dict[str, Any] = {}
    for status in statuses(route):
        if status == NOT_MODIFIED:
            answers[str(status)] = {"description": "If-None-Match or If-Modified-Since names the current content"}
        elif status in _ERRORS:
            answers[str(status)] = {"description": _ERRORS[status], "content": _json("#/components/schemas/Error")}
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
            "content": _json(f"#/components/schemas/{route.body}") | (_form(route.body) if route.form else {}),
            "required": route.body not in _OPTIONAL_BODIES,
        }
    return found


def _parameters(route: Route[Any]) -> list[dict[str, Any]]:
    names = re.findall(r"\{(\w+)\}", route.template)
    found: list[dict[str, Any]] = [{"name": name, "in": "path", "required": True, "schema": TEXT} for name in names]
    for name in route.query:
        schema = NUMBER if name in {"offset", "limit"} else TEXT
        found.append(
            {
                "name": name,
                "in": "query",
                "required": name == "projectId" and route in ROUTES and "{slug}" not in route.template,
                "schema": schema,
            }
        )
    if route.idempotent:
        description = "A repeated call with the same token and body returns the same certificate; only dates may differ"
        found.append({"name": "Idempotency-Key", "in": "header", "schema": TEXT, "description": description})
    return found


def _json(reference: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": reference}}}


def _form(body: str) -> dict[str, Any]:
    return {FORM: {"schema": {"$ref": f"#/components/schemas/{body}"}}}


def _schemas() -> dict[str, Any]:
    found: dict[str, Any] = {}
    models = {
        "Issue": IssueModel,
        "Renew": RenewModel,
        "Search": SearchModel,
        "CertificateSearch": CertificateSearchModel,
        "RenewalConfig": RenewalConfig,
        "Import": ImportModel,
        "MetadataChange": MetadataChange,
    }
    for name, model in models.items():
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
        fields(identityId=TEXT, jwt=TEXT),
    ]
    found |= openapi_management.bodies()
    return {
        **{_RENAMED.get(name, name): _cleaned(schema) for name, schema in found.items()},
        **ANSWERS,
        **openapi_management.ANSWERS,
        "Document": FREE,
        "FlatRequest": FREE,
        "Login": {"anyOf": methods},
        "AccessToken": fields(accessToken=TEXT),
        "Decision": fields(("reason",), reason=TEXT),
        "Revoke": fields(revocationReason={"enum": list(LEAF_REASONS)}),
    }


def _cleaned(schema: Any) -> Any:
    """Remove what pydantic adds, and describe durations.

    Null is not the default of an attribute: it removes the default of the profile.
    """
    if isinstance(schema, list):
        return [_cleaned(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    left_out = {"title", "description"} if isinstance(schema.get("title"), str) else set()
    if schema.get("default", ...) is None:
        left_out.add("default")
    found = {key: _cleaned(value) for key, value in schema.items() if key not in left_out}
    if isinstance(reference := found.get("$ref"), str):
        prefix, _, last = reference.rpartition("/")
        found["$ref"] = f"{prefix}/{_RENAMED.get(last, last)}"
    if found.get("format") == "duration":
        found = {"type": "string", "description": _TTL}
    return found


def text() -> str:
    """Return the content of openapi.json."""
    return json.dumps(document((*ROUTES, *MANAGEMENT)), indent=1) + "\n"


def main() -> None:
    """Print the document, or write it into the package."""
    parser = argparse.ArgumentParser(description="Generate the OpenAPI document of the authority.")
    parser.add_argument("--write", action="store_true", help=f"write {PATH.name} into the package")
    if parser.parse_args().write:
        PATH.write_text(text())
    else:
        print(text(), end="")


if __name__ == "__main__":
    main()
