"""Recognize text that a template or a shell should have replaced: it is never a credential."""

from __future__ import annotations

import re

from evercert.pki.placeholders import DELIMITED, EXPRESSION

_WHOLE = re.compile(r"\$\{[^{}]*\}|\{\{.*\}\}")
_PART = re.compile(EXPRESSION)
# `NAME=value` has a value: a `=` at the end is the padding of base64. `NAME:value` covers references such as `op://…`.
_WHOLE_VALUE = re.compile(
    rf"\\?\$+[A-Za-z_].*|{DELIMITED}|<.*|\{{(?![0-9A-F-]+\}}).*\}}|!.*"
    r"|(?:(?:export|set)\s+)?-{0,2}[A-Za-z_][A-Za-z0-9_.-]*\s*(?:=\s*[^=\s]|(?<=..):\s*[^\s\\]).*|Bearer\s.*"
    r"|\[REDACTED.*|\*{4,}|[xX]{8,}|(?:change[-_]?me)+",
    re.IGNORECASE | re.DOTALL,
)
# Settings whose values have no grammar, or are JSON.
_FREE = frozenset({"username", "password", "service-account-key"})
NOT_A_CREDENTIAL = "the value is a placeholder or NAME=value, not a credential"
UNRENDERED = f"{NOT_A_CREDENTIAL}; was the document rendered?"


def is_placeholder(text: str) -> bool:
    """Return whether it contains `${…}`, `{{…}}` and the like, or is `$NAME`, `<…>`, `NAME=value`, JSON or stars."""
    return _PART.search(text) is not None or _WHOLE_VALUE.fullmatch(text.strip().strip("\"'")) is not None


def is_wholly_placeholder(text: str) -> bool:
    """Return whether it is `${…}` or `{{…}}` alone: a password may contain any of the other characters."""
    return _WHOLE.fullmatch(text.strip()) is not None


def is_unrendered(key: str, text: str) -> bool:
    """Return whether the value of this setting is a placeholder; passwords and keys may contain parts of one."""
    return is_wholly_placeholder(text) if key in _FREE else is_placeholder(text)
