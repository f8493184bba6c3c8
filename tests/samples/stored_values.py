"""Extreme values of every DynamoDB type, as manual edits or other programs may store them."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

DEEP: dict[str, Any] = {"S": "bottom"}
for _ in range(31):  # DynamoDB allows 32 levels
    DEEP = {"L": [DEEP]}
VALUES: list[dict[str, Any]] = [
    *({"S": text} for text in ("", "x", "\x1b[2J", "\ud800", "NaN", "9999-12-31T23:59:59.999Z", "0001-01-01T00:00:00.000Z")),
    {"S": "2026-02-30T00:00:00.000Z"},
    {"S": "1" * 5000},
    *({"N": number} for number in ("0", "-1", "0.5", "99999999", "1E+30", "9.99E+125", "1E-130")),
    {"B": b"\xff"},
    {"BOOL": True},
    {"NULL": True},
    {"SS": ["2026-01-01T00:00:00.000Z"]},
    {"NS": ["1"]},
    {"BS": [b"\xff"]},
    {"L": []},
    {"L": [{"M": {}}]},
    {"M": {}},
    {"M": {"": {"S": ""}, "id": {"N": "1"}, "until": {"B": b""}}},
    DEEP,
]  # fmt: skip


def places(item: dict[str, Any]) -> list[tuple[str, ...]]:
    """Return the paths of all attributes, those within maps too."""
    found = []
    for name, value in item.items():
        found.append((name,))
        found += [(name, *inner) for inner in places(value.get("M", {}))]
    return found


def spoiled(item: dict[str, Any], place: tuple[str, ...], value: dict[str, Any]) -> dict[str, Any]:
    """Return a copy of the item with another value at one place."""
    copy = deepcopy(item)
    holder = copy
    for name in place[:-1]:
        holder = holder[name]["M"]
    holder[place[-1]] = value
    return copy
