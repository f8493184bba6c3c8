"""Responses with validators for caches: ETag, Last-Modified, conditional requests and HEAD (RFC 9110 §8.8, §13)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime

from evercert.authority.ca.public_files import PublicFile

OK, NOT_MODIFIED = 200, 304
_TAG = re.compile(r'"[^"]*"')


def entity_tag(content: bytes) -> str:
    """Return a strong entity tag."""
    return f'"{hashlib.sha256(content).hexdigest()}"'


def file_response(file: PublicFile, method: str, headers: Mapping[str, str]) -> tuple[int, bytes, dict[str, str]]:
    """Return status, body and headers for a GET or HEAD with these lower-case request headers."""
    validators = {
        "Cache-Control": file.cache_control,
        "ETag": entity_tag(file.content),
        "Last-Modified": format_datetime(file.modified.astimezone(UTC).replace(microsecond=0), usegmt=True),
    }
    if _is_current(file, headers):
        return NOT_MODIFIED, b"", validators
    if method == "HEAD":
        return OK, b"", {**validators, "Content-Length": str(len(file.content))}
    return OK, file.content, validators


def _is_current(file: PublicFile, headers: Mapping[str, str]) -> bool:
    """Return whether the client has this content; If-None-Match takes precedence (RFC 9110 §13.2.2)."""
    if (tags := headers.get("if-none-match")) is not None:
        # A weak comparison (§13.1.2): caches that compress a response mark its tag as weak.
        return tags.strip() == "*" or entity_tag(file.content) in _TAG.findall(tags)
    since = _parse_date(headers.get("if-modified-since", ""))
    return since is not None and file.modified.replace(microsecond=0) <= since


def _parse_date(text: str) -> datetime | None:
    """Return the time, or None if the header is missing or invalid: it is ignored then (§13.1.3)."""
    try:
        found = parsedate_to_datetime(text)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError, IndexError, TypeError):
        return None
