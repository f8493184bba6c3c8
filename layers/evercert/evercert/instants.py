"""Moments as they are stored: UTC, whole milliseconds, in an order that text comparison keeps."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated

from pydantic import PlainSerializer, PlainValidator

_FORMAT = "%Y-%m-%dT%H:%M:%S"
_FORM = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z")


def to_text(moment: datetime) -> str:
    """`2026-11-21T09:11:58.042Z`; always 24 characters, so that DynamoDB can sort it."""
    utc = moment.astimezone(UTC)
    return f"{utc.strftime(_FORMAT)}.{utc.microsecond // 1000:03d}Z"


def from_text(text: str) -> datetime:
    """The inverse of `to_text`; raises ValueError on any other form."""
    if not _FORM.fullmatch(text):
        raise ValueError(f"not a moment: {text!r}")
    return datetime.strptime(text, f"{_FORMAT}.%fZ").replace(tzinfo=UTC)


def _validated(value: object) -> datetime:
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value
    if isinstance(value, str):
        return from_text(value)
    raise ValueError("not a moment")


Instant = Annotated[datetime, PlainValidator(_validated), PlainSerializer(to_text, when_used="json")]
