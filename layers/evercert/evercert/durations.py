"""Durations as documents and options write them: `90d`, `1h30m`."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated

from pydantic import PlainSerializer, PlainValidator

_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800, "y": 365 * 86_400}
_PART = re.compile(r"([0-9]{1,9})([smhdwy])")
_WHOLE = re.compile(r"(?:[0-9]{1,9}[smhdwy])+")
LONGEST = timedelta(days=100 * 365)
GRAMMAR = "a duration is a whole number and s, m (minutes), h, d, w or y, such as 90d or 1h30m"


def parse(text: str) -> timedelta:
    """Parse `1h30m`; raise ValueError unless it is longer than zero and at most 100 years."""
    if not _WHOLE.fullmatch(text):
        raise ValueError(f"{text!r} is not a duration: {GRAMMAR}")
    seconds = sum(int(count) * _SECONDS[unit] for count, unit in _PART.findall(text))
    if not 0 < seconds <= LONGEST.total_seconds():
        raise ValueError(f"{text!r} is out of range: longer than zero, at most 100y")
    return timedelta(seconds=seconds)


def to_text(span: timedelta) -> str:
    """Format a duration in its shortest exact form, in descending units: 5400 s is `1h30m`."""
    left = int(span.total_seconds())
    parts = []
    for unit in ("d", "h", "m", "s"):
        count, left = divmod(left, _SECONDS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def _validated(value: object) -> timedelta:
    if isinstance(value, timedelta):
        return value
    if isinstance(value, str):
        return parse(value)
    raise ValueError(f"not a duration: {GRAMMAR}")


Duration = Annotated[timedelta, PlainValidator(_validated), PlainSerializer(to_text, when_used="json")]
