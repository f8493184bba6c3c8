"""JSON of foreign origin: parsed, or refused with ValueError, whatever the bytes."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, NoReturn

MAX_DEPTH = 32  # no API nests deeper, and every reader of a value may recurse


def parse(text: str | bytes) -> Any:  # noqa: ANN401
    """Return the value; raise ValueError if it is not JSON, nested deeper than MAX_DEPTH, or beyond a float's range.

    Python's own parser accepts `NaN` and `Infinity`, which no other reader of the value would.
    """
    try:
        found = json.loads(text, parse_constant=_refuse, parse_float=_finite)
    except RecursionError:
        raise ValueError("too deeply nested") from None
    level = [found]
    for _ in range(MAX_DEPTH):
        level = [inner for outer in level for inner in _inner(outer)]
        if not level:
            return found
    raise ValueError("too deeply nested")


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise ValueError("a number beyond the range of a float")
    return number


def _inner(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
