"""Details of outcomes and events, in one line for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def details(data: Mapping[str, Any]) -> str:
    """Return the facts of an outcome; what was not delivered first."""
    found = data.get("undelivered")
    undelivered = [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    parts = [f"not delivered to {one.get('destination')}: {one.get('message')}" for one in undelivered]
    if data.get("request"):
        parts.append(f"requested: {data['request']}")
    if data.get("message"):
        parts.append(str(data["message"]))
    elif "serial_number" in data:
        until = str(data.get("not_after"))[:16].replace("T", " ")
        parts.append(f"until {until}Z, serial {data.get('serial_number')}")
    return "; ".join(parts)


def event_details(body: Mapping[str, Any]) -> str:
    """Return the details of an event as a subscriber receives it."""
    found = body.get("data")
    data: Mapping[str, Any] = found if isinstance(found, dict) else {}
    if not data.get("message") and "serial_number" in data:
        return f"revision {data.get('revision')}, until {data.get('not_after')}"
    return str(data.get("message") or "")
