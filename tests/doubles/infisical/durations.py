"""The server's duration grammars: `m` is a minute in requests and a month in policies."""

from __future__ import annotations

import re
from datetime import timedelta

_UNITS = {
    "ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000, "y": 31_557_600_000,
}  # fmt: skip
_WORDS = {
    "millisecond": "ms", "msec": "ms", "second": "s", "sec": "s", "minute": "m", "min": "m", "hour": "h", "hr": "h",
    "day": "d", "week": "w", "year": "y", "yr": "y",
}  # fmt: skip
_TTL = re.compile(r"(-?\d*\.?\d+) *([a-z]+)?", re.IGNORECASE)
_POLICY_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "m": timedelta(days=30), "y": timedelta(days=365)}


def ttl(text: str) -> timedelta | None:
    """Parse the `ttl` of a request; return None if it is invalid."""
    match = _TTL.fullmatch(text)
    if not match:
        return None
    unit = (match[2] or "ms").lower()
    unit = _WORDS.get(unit, _WORDS.get(unit.removesuffix("s"), unit))
    if unit not in _UNITS:
        return None
    return timedelta(milliseconds=float(match[1]) * _UNITS[unit])


def policy(text: str) -> timedelta | None:
    """Parse a duration as policies do, where `m` is 30 days."""
    match = re.fullmatch(r"(\d+)([hdmy])", text)
    return int(match[1]) * _POLICY_UNITS[match[2]] if match else None


def written(span: timedelta) -> timedelta:
    """Return the lifetime of a renewal: the old one, floored to whole days, else hours, minutes, seconds."""
    for unit in (timedelta(days=1), timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)):
        if span >= unit:
            return span // unit * unit
    return span
