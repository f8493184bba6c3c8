"""Canonical JSON and its digest."""

from __future__ import annotations

import hashlib
import json


def digest(value: object) -> str:
    """Return the SHA-256 of the value's canonical JSON, in hexadecimal."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def canonical_json(value: object) -> str:
    """Return the value as JSON with sorted keys, without spaces, in ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
