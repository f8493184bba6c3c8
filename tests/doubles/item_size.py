"""The size of a DynamoDB item, and its limit, which the emulator does not enforce.

Developer guide, "DynamoDB item sizes and formats"; quotas: 400 KB for names and values together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

LIMIT = 400 * 1_024


def size(item: Mapping[str, Any]) -> int:
    """Return the bytes of an item: names in UTF-8, and values by their type."""
    return sum(len(name.encode()) + _value(value) for name, value in item.items())


def _value(value: Mapping[str, Any]) -> int:
    ((kind, content),) = value.items()
    match kind:
        case "S":
            return len(content.encode("utf-8", "surrogatepass"))
        case "N":
            digits = content.upper().partition("E")[0].strip("-").replace(".", "").strip("0")
            return (len(digits) + 1) // 2 + 1 + content.startswith("-")
        case "B":
            return len(content)
        case "M":
            return 3 + sum(1 + len(name.encode()) + _value(part) for name, part in content.items())
        case "L":
            return 3 + sum(1 + _value(part) for part in content)
        case "SS" | "NS" | "BS":
            return sum(_value({kind[0]: part}) for part in content)
    return 1  # BOOL, NULL
