"""Convert Python values to DynamoDB attribute values and back: `{"S": "text"}` is `"text"`."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

LARGEST_TEXT = 1_000_000  # bytes of a text that was compressed; what evercert compresses is shorter


@dataclass(frozen=True)
class Foreign:
    """A binary or a set, as it is stored: a compressed text, or a manual edit, which a condition can name."""

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

    Binaries and sets become Foreign, which no model accepts.
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


def compressed(text: str) -> Foreign:
    """Return a text to be stored compressed, as a binary."""
    return Foreign({"B": zlib.compress(text.encode(), 9)})


def text_of(value: object) -> str:
    """Return a text that `read` returned, compressed or not.

    Raises ValueError for anything else, and for more than LARGEST_TEXT bytes: a manual edit may unpack to gigabytes.
    """
    stored = value.stored.get("B") if isinstance(value, Foreign) else value
    if isinstance(stored, str):
        return stored
    if not isinstance(stored, bytes):
        raise ValueError(f"not a text: {type(stored).__name__}")
    unpacked = zlib.decompressobj()
    try:
        text = unpacked.decompress(stored, LARGEST_TEXT)
    except zlib.error as error:
        raise ValueError(f"not a compressed text: {error}") from error
    if not unpacked.eof or unpacked.unused_data:
        raise ValueError("a compressed text that is cut off, too long or followed by others")
    return text.decode()
