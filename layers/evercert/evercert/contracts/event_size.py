"""The size of an event: what a message of SNS, SQS, EventBridge or an item of the table can hold."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

# Bytes of the data, escaped as in a message. SNS takes 256 KiB: the event, the same as mail, attributes and envelope.
LARGEST = 64 * 1_024
LONGEST_TEXT = 1_000
_ROUNDS = 200
_ESSENTIAL = ("name", "issuer", "revision", "kind", "message", "reason", "not_after")


def fitted(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the data of an event within the limit.

    Too much is shortened: texts first, then the longest lists, each with the number of all its entries.
    """
    fitting = _storable(data)
    if _size(fitting) <= LARGEST:
        return fitting
    fitting = {_shortened(key): _shortened(value) for key, value in fitting.items()}
    totals: dict[str, int] = {}
    for _ in range(_ROUNDS):
        if _size(fitting) <= LARGEST:
            return fitting
        sizes = {key: _size(value) for key, value in fitting.items() if isinstance(value, list) and value}
        if not sizes:
            break
        key = max(sizes, key=lambda name: sizes[name])
        totals.setdefault(f"{key}_total", len(fitting[key]))
        fitting = {**fitting, **totals, key: fitting[key][: len(fitting[key]) // 2]}
    return {key: value for key, value in fitting.items() if key in _ESSENTIAL and isinstance(value, str | int)}


def _size(value: object) -> int:
    """Return the bytes of the value as JSON in JSON, as SNS receives it."""
    return len(json.dumps(json.dumps(value)))


def _storable(data: Mapping[str, Any]) -> dict[str, Any]:
    """Replace what UTF-8 cannot encode: half a surrogate pair, which JSON can hold."""
    text = json.dumps(data, ensure_ascii=False)
    if text.isascii():
        return dict(data)
    found: dict[str, Any] = json.loads(text.encode("utf-8", "replace"))
    return found


def _shortened(value: Any) -> Any:  # noqa: ANN401
    match value:
        case str():
            return value if len(value) <= LONGEST_TEXT else f"{value[: LONGEST_TEXT - 1]}…"
        case list():
            return [_shortened(part) for part in value]
        case dict():
            return {_shortened(key): _shortened(part) for key, part in value.items()}
    return value
