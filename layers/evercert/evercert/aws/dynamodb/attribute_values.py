"""Convert Python values to DynamoDB attribute values and back: `{"S": "text"}` is `"text"`."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any


def written(value: object) -> dict[str, Any]:
    """Return the attribute value; raise TypeError for types that no record holds, such as float."""
    match value:
        case None:
            return {"NULL": True}
        case bool():
            return {"BOOL": value}
        case str():
            return {"S": value}
        case int() | Decimal():
            return {"N": str(value)}
        case Mapping():
            return {"M": {str(name): written(part) for name, part in value.items()}}
        case list() | tuple():
            return {"L": [written(part) for part in value]}
    raise TypeError(f"no {type(value).__name__} can be stored")


def read(value: Mapping[str, Any]) -> Any:  # noqa: ANN401
    """Return the Python value; binaries and sets (manual edits) stay unconverted, so that no model accepts them."""
    ((kind, content),) = value.items()
    match kind:
        case "S" | "BOOL":
            return content
        case "N":
            return Decimal(content)
        case "NULL":
            return None
        case "M":
            return {name: read(part) for name, part in content.items()}
        case "L":
            return [read(part) for part in content]
    return dict(value)
