"""Placeholders in names: text that a template or a shell should have replaced."""

from __future__ import annotations

import re

# Anywhere in a value: `${…}`, `$(…)`, `{{…}}`, `{%…%}`, `[[…]]`, `((…))`, `%(…)s`.
EXPRESSION = r"[$#%@~]\{|\$\(|\{\{|\}\}|\{%|%\}|\[\[|\[%|\(\(|%\([A-Za-z_]+\)s"
# A name between two signs: `%NAME%`, `@NAME@`, `__NAME__`.
DELIMITED = r"%[A-Za-z_][A-Za-z0-9_]*%|(?<!\w)@[A-Za-z_][A-Za-z0-9_.-]*@|__[A-Za-z_]+__"
_CAPITALS = r"(?<![A-Za-z])(?:CHANGE_?ME(?![A-Za-z])|YOUR_[A-Z])"
_PLACEHOLDER = re.compile(rf"{EXPRESSION}|{DELIMITED}|{_CAPITALS}|\$[A-Za-z_]|\{{[A-Za-z_]\w*\}}|<[^<>@]+>")
_VALID_AS_DNS_NAME = re.compile(rf"__[A-Z_]+__|{_CAPITALS}")
REASON, QUESTION = "has a placeholder", "was the document rendered?"


def has_placeholder(value: str) -> bool:
    """Return whether a template or a shell should have replaced a part of a name."""
    return _PLACEHOLDER.search(value) is not None


def is_valid_as_dns_name(value: str) -> bool:
    """Return whether a DNS name has a placeholder that the grammar of DNS names allows, such as `__HOST__`."""
    return _VALID_AS_DNS_NAME.search(value) is not None
