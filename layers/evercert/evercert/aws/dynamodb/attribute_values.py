"""Convert Python values to DynamoDB attribute values and back: `{"S": "text"}` is `"text"`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any


@dataclass(frozen=True)
class Foreign:
    """A binary or a set, which evercert never writes: as it was stored, so that a condition can name it."""

    stored: Mapping[str, Any]


def written(value: object) -> dict[str, Any]:
    """Return the attribute value; raise TypeError for types that no record holds, such as float."""
    match value:
        case None:
            return {"NULL": True}
        case bool() | str():
            return {"BOOL" if isinstance(value, bool) else "S": value}
        case int() | Decimal():
            return {"N": str(value)}
        case Mapping():
            return {"M": {str(name): written(part) for name, part in value.items()}}
        case list() | tuple():
            return {"L": [written(part) for part in value]}
        case Foreign():
            return dict(value.stored)
    raise TypeError(f"no {type(value).__name__} can be stored")


def read(value: Mapping[str, Any]) -> Any:  # noqa: ANN401
    """Return the Python value, from which `written` makes the same attribute value.

    Binaries and sets (manual edits) become Foreign, which no model accepts.
    """
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
    return Foreign({kind: sorted(content) if kind in {"SS", "NS", "BS"} else content})  # a set has no order
