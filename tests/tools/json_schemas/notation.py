"""A short notation of JSON Schema (draft 2020-12)."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]
TEXT: Schema = {"type": "string"}
COUNT: Schema = {"type": "integer", "minimum": 0}
FLAG: Schema = {"type": "boolean"}
TIME: Schema = {"type": "string", "format": "date-time", "pattern": r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z$"}
DOCUMENT: Schema = {"type": "object", "description": "values of a document, with its keys"}


def optional(schema: Schema) -> Schema:
    """Return a schema that also accepts null."""
    return {"anyOf": [schema, {"type": "null"}]}


def array(items: Schema) -> Schema:
    """Return the schema of an array."""
    return {"type": "array", "items": items}


def one_of(*values: str) -> Schema:
    """Return the schema of a text with few values."""
    return {"enum": list(values)}


def mapping(values: Schema) -> Schema:
    """Return the schema of an object whose keys are names."""
    return {"type": "object", "additionalProperties": values}


def record(absent: tuple[str, ...] = (), /, **properties: Schema) -> Schema:
    """Return the schema of an object with exactly these keys; those in `absent` may be missing."""
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in absent],
        "additionalProperties": False,
    }


def either(*schemas: Schema) -> Schema:
    """Return a schema that accepts each of these."""
    return {"anyOf": list(schemas)}
