"""Timestamps of ACME: RFC 3339 with any number of fractional digits, and a zone."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_FORM = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,30}))?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)


def parse(text: object) -> datetime:
    """Return the time in UTC, truncated to microseconds; raise ValueError for other values."""
    match = _FORM.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError("not a timestamp of RFC 3339")
    date, time, fraction, zone = match.groups()
    digits = (fraction or "0")[:6].ljust(6, "0")
    try:
        return datetime.fromisoformat(f"{date}T{time}.{digits}{zone.upper().replace('Z', '+00:00')}").astimezone(UTC)
    except OverflowError:
        raise ValueError("a timestamp outside the years 1 to 9999 of UTC") from None
