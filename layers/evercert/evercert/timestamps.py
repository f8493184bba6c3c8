"""Stored timestamps: UTC with milliseconds, sortable as text."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_FORM = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z")


def to_text(moment: datetime) -> str:
    """Format a timestamp as `2026-11-21T09:11:58.042Z`; always 24 characters, so that DynamoDB can sort it."""
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"


def from_text(text: str) -> datetime:
    """Parse the output of `to_text`; raise ValueError for any other form."""
    if not _FORM.fullmatch(text):
        raise ValueError(f"not a timestamp: {text!r}")
    return datetime.fromisoformat(text)
