"""Base64url without padding (RFC 7515 §2)."""

from __future__ import annotations

import base64
import re

_TEXT = re.compile(r"[A-Za-z0-9_-]*")


def encode(data: bytes) -> str:
    """Return the text without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """Return the bytes; raise ValueError for padding, other characters, and bits that no encoder writes."""
    if not _TEXT.fullmatch(text):
        raise ValueError("not base64url without padding")
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        raise ValueError("not base64url without padding") from None
    if encode(data) != text:
        raise ValueError("not base64url without padding")
    return data
