"""Policy documents of IAM: statements, and which of them cover an action, a resource and a principal."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

KNOWN = {"Sid", "Effect", "Principal", "Action", "Resource", "Condition"}


class UnknownPolicy(Exception):
    """An element that the evaluator does not implement; a guess could hide a missing permission."""


@dataclass(frozen=True)
class Statement:
    """One statement; `principals` is None in an identity policy."""

    label: str
    allow: bool
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    principals: tuple[str, ...] | None
    conditions: tuple[tuple[str, str, tuple[str, ...]], ...]  # operator, key, values

    def action(self, name: str) -> str | None:
        """Return the pattern that covers the action, or None."""
        return next((one for one in self.actions if glob(one.lower()).fullmatch(name.lower())), None)

    def resource(self, arn: str) -> str | None:
        """Return the pattern that covers the resource, or None."""
        return next((one for one in self.resources if arn_matches(one, arn)), None)


def statements(document: dict[str, Any], label: str) -> list[Statement]:
    """Return the statements of a document; raise UnknownPolicy for an element that is not supported."""
    if unknown := set(document) - {"Version", "Statement", "Id"}:
        raise UnknownPolicy(f"{label}: unknown elements {sorted(unknown)}")
    if document.get("Version") != "2012-10-17" and "${" in str(document):
        raise UnknownPolicy(f"{label}: only version 2012-10-17 has variables")
    found = document["Statement"]
    several = [found] if isinstance(found, dict) else found
    return [_statement(one, f"{label} {one.get('Sid') or f'#{number}'}") for number, one in enumerate(several, 1)]


def _statement(found: dict[str, Any], label: str) -> Statement:
    if unknown := set(found) - KNOWN:
        raise UnknownPolicy(f"{label}: unknown elements {sorted(unknown)}")
    if found["Effect"] not in ("Allow", "Deny"):
        raise UnknownPolicy(f"{label}: unknown effect {found['Effect']}")
    conditions = [
        (operator, key, tuple(_texts(values, label)))
        for operator, keys in found.get("Condition", {}).items()
        for key, values in keys.items()
    ]
    return Statement(
        label,
        found["Effect"] == "Allow",
        tuple(_texts(found["Action"], label)),
        tuple(_texts(found["Resource"], label)),
        tuple(_principals(found["Principal"], label)) if "Principal" in found else None,
        tuple(conditions),
    )


def _principals(found: Any, label: str) -> Iterable[str]:
    if found == "*":
        return ["*"]
    if not isinstance(found, dict) or set(found) - {"AWS", "Service"}:
        raise UnknownPolicy(f"{label}: unknown principal {found}")
    return [text for each in found.values() for text in _texts(each, label)]


def _texts(found: Any, label: str) -> list[str]:
    several = found if isinstance(found, list) else [found]
    if not all(isinstance(one, str | bool | int) for one in several):
        raise UnknownPolicy(f"{label}: not a text: {found}")
    return [str(one).lower() if isinstance(one, bool) else str(one) for one in several]


@cache
def glob(pattern: str) -> re.Pattern[str]:
    """Return the regular expression of a pattern with `*` and `?`."""
    parts = {"*": ".*", "?": "."}
    return re.compile("".join(parts.get(one) or re.escape(one) for one in pattern), re.DOTALL)


def arn_matches(pattern: str, arn: str) -> bool:
    """Match each of the six parts of an ARN; a wildcard does not cross a colon, except in the last part."""
    if pattern == "*":
        return True
    left, right = pattern.split(":", 5), arn.split(":", 5)
    return len(left) == len(right) == 6 and all(
        glob(one).fullmatch(other) for one, other in zip(left, right, strict=True)
    )
