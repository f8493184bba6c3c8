"""One text, and so one hash, for one value."""

from __future__ import annotations

import hashlib
import json


def digest(value: object) -> str:
    """SHA-256 of the canonical JSON of plain values, in hexadecimal."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def canonical_json(value: object) -> str:
    """One text for one value: sorted keys, no spaces, ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
