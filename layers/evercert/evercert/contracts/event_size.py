"""Limits of an event: the values that JSON can hold, and the size that SNS, SQS, EventBridge and an item accept."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

# Bytes of the data, escaped as in a message. SNS takes 256 KiB: the event, the same as mail, attributes and envelope.
LARGEST = 64 * 1_024
LARGEST_LABELS = 8 * 1_024  # bytes of all labels as JSON; those of a valid document have half of it
LONGEST_TEXT = 1_000
DEEPEST = 16  # levels of data; json_parser.MAX_DEPTH and other readers allow more
_WHOLE_LIMIT = 2**63  # larger integers do not fit into 64 bits, which many readers use
_ROUNDS = 200
_ESSENTIAL = ("name", "issuer", "revision", "kind", "message", "reason", "not_after")


def fitted(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the data of an event within the limit, as values of JSON.

    Too much is shortened: texts first, then the longest lists, each with the number of all its entries.
    """
    fitting: dict[str, Any] = {_text(key): _storable(value) for key, value in data.items()}
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
    room = LARGEST // (len(_ESSENTIAL) + 1)
    return {
        key: _cut(value, room) if isinstance(value, str) else value
        for key, value in fitting.items()
        if key in _ESSENTIAL and isinstance(value, str | int)
    }


def fitted_labels(texts: Iterable[str]) -> list[str]:
    """Return the first texts that fit into the message attribute, whose size SNS adds to that of the message."""
    found: list[str] = []
    for text in texts:
        if len(json.dumps([*found, text])) > LARGEST_LABELS:
            break
        found.append(text)
    return found


def _size(value: object) -> int:
    """Return the bytes of the value as JSON in JSON, as SNS receives it."""
    return len(json.dumps(json.dumps(value, allow_nan=False)))


def _cut(text: str, size: int) -> str:
    """Return the text, or its beginning, within a number of bytes."""
    while _size(text) > size:
        text = text[: min(len(text) * size // _size(text), len(text) - 1) - 1] + "…"
    return text


def _storable(value: Any, level: int = 1) -> Any:  # noqa: ANN401
    """Return the value as JSON, whatever a manual edit or a bug has put there."""
    found: Any = f"({type(value).__name__})"  # never the text of other objects, which may hold a secret
    match value:
        case str():
            found = _text(value)
        case None | bool():
            found = value
        case int():
            found = value if -_WHOLE_LIMIT <= value < _WHOLE_LIMIT else None
        case float():
            found = value if math.isfinite(value) else None
        case Mapping() | list() | tuple() if level >= DEEPEST:
            found = "…"
        case Mapping():
            found = {_text(str(key)): _storable(part, level + 1) for key, part in value.items()}
        case list() | tuple():
            found = [_storable(part, level + 1) for part in value]
    return found


def _text(text: str) -> str:
    """Replace what UTF-8 cannot encode: half a surrogate pair, which JSON can hold."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _shortened(value: Any) -> Any:  # noqa: ANN401
    match value:
        case str():
            return value if len(value) <= LONGEST_TEXT else f"{value[: LONGEST_TEXT - 1]}…"
        case list():
            return [_shortened(part) for part in value]
        case dict():
            return {_shortened(key): _shortened(part) for key, part in value.items()}
    return value
