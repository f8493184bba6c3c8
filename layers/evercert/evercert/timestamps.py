"""Moments as they are stored: UTC, whole milliseconds, in an order that text comparison keeps."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_FORM = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z")


def to_text(moment: datetime) -> str:
    """`2026-11-21T09:11:58.042Z`; always 24 characters, so that DynamoDB can sort it."""
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"


def from_text(text: str) -> datetime:
    """The inverse of `to_text`; raises ValueError on any other form."""
    if not _FORM.fullmatch(text):
        raise ValueError(f"not a moment: {text!r}")
    return datetime.fromisoformat(text)
