"""The note of a row: what its other columns do not say."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from evercert.deadline import CLOCK_TOLERANCE


def note(row: Mapping[str, Any], now: datetime) -> str:
    """Return the error of a row of `summary`, and whether it is paused, requested or not yet valid."""
    begins = row.get("not_before")
    early = begins is not None and datetime.fromisoformat(begins) > now + CLOCK_TOLERANCE
    hidden = row["state"] if row.get("expired") and row["state"] != "ready" else None
    paused = "paused" if row.get("paused") and row["state"] != "paused" else None
    requested = "renewal requested" if row.get("requested") and not row.get("error") else None
    begin = f"not valid before {begins}" if early else None
    return "; ".join(filter(None, (hidden, paused, requested, begin, row.get("error"))))
