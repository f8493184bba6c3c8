"""Check responses against the OpenAPI document; unknown fields are errors."""

from __future__ import annotations

from typing import Any

from evercert.authority.infisical_api.endpoint import Route
from evercert.authority.infisical_api.openapi import openapi_document
from tests.doubles.authority.ceremony import ADDRESS

DOCUMENT = openapi_document(ADDRESS)
TYPES: dict[str, Any] = {
    "string": str,
    "integer": int,
    "boolean": bool,
    "null": type(None),
    "object": dict,
    "array": list,
}


def schema_errors(route: Route[Any], status: int, value: Any) -> list[str]:
    """Return every place where a JSON response differs from the schema of its route."""
    described = DOCUMENT["paths"][route.template][route.method.lower()]["responses"].get(str(status))
    if described is None:
        return [f"{status} is not in the document"]
    return list(_errors(described["content"]["application/json"]["schema"], value, "answer"))


def _errors(schema: dict[str, Any], value: Any, place: str) -> list[str]:
    if "$ref" in schema:
        name = schema["$ref"].removeprefix("#/components/schemas/")
        return _errors(DOCUMENT["components"]["schemas"][name], value, place)
    if "anyOf" in schema:
        tried = [_errors(one, value, place) for one in schema["anyOf"]]
        return [] if not all(tried) else max(tried, key=len)
    if "const" in schema:
        return [] if value == schema["const"] else [f"{place}: {value!r}"]
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if not any(type(value) is TYPES[kind] for kind in kinds):
        return [f"{place}: {type(value).__name__} instead of {kinds}"]
    if value not in schema.get("enum", [value]):
        return [f"{place}: {value!r}"]
    if isinstance(value, list):
        return [
            one for number, item in enumerate(value) for one in _errors(schema["items"], item, f"{place}[{number}]")
        ]
    if not isinstance(value, dict) or "properties" not in schema:
        return []
    known = schema["properties"]
    found = [f"{place}: {name} is not described" for name in value.keys() - known.keys()]
    found += [f"{place}: {name} is missing" for name in set(schema["required"]) - value.keys()]
    return found + [
        one for name in value.keys() & known.keys() for one in _errors(known[name], value[name], f"{place}.{name}")
    ]
