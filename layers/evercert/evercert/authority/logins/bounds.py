"""Bounds of a token: its issuer, subject, audiences and claims."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evercert.authority.api_errors import forbidden, unauthorized
from evercert.authority.configuration.token_logins import Bounds
from evercert.authority.policy.patterns import matches_exactly

_MOST_SEGMENTS = 100


def require_bounds(bounds: Bounds, claims: Mapping[str, Any], kind: str) -> None:
    """Raise Refusal (401, 403) unless the claims are within the bounds; `kind` begins the messages."""
    if bounds.issuer and claims.get("iss") != bounds.issuer:
        raise unauthorized(f"Access denied: {kind} issuer not allowed.")
    if bounds.subject and not _allowed([bounds.subject], claims.get("sub")):
        raise forbidden(f"Access denied: {kind} subject not allowed.")
    if bounds.audiences and not _allowed(bounds.audiences, claims.get("aud")):
        raise unauthorized(f"Access denied: {kind} audience not allowed.")
    for name, patterns in bounds.claims.items():
        if not _allowed(patterns, _claim(claims, name)):
            raise unauthorized(f"Access denied: {kind} claim not allowed. [claim={name}]")


def has_audience(claims: Mapping[str, Any], *wanted: str) -> bool:
    """Return whether one of the token's audiences is among the wanted ones."""
    return any(one in wanted for one in _texts(claims.get("aud")))


def matches_path(pattern: str, value: str) -> bool:
    """Return whether a pattern matches: `*` within a segment between slashes, a segment `**` any segments."""
    if pattern == value:
        return True
    segments = value.split("/")
    if len(segments) > _MOST_SEGMENTS:
        return False
    reached = {0}  # segments that the pattern has matched so far
    for part in pattern.split("/"):
        if part == "**":
            reached = set(range(min(reached), len(segments) + 1)) if reached else set()
        else:
            reached = {at + 1 for at in reached if at < len(segments) and matches_exactly(part, segments[at])}
    return len(segments) in reached


def _allowed(patterns: tuple[str, ...] | list[str], value: object) -> bool:
    return any(matches_path(pattern, text) for pattern in patterns for text in _texts(value))


def _texts(value: object) -> list[str]:
    """Return the values of a claim as texts; a claim that is absent or an object has none."""
    if isinstance(value, bool):
        return [str(value).lower()]
    if isinstance(value, str | int):
        return [str(value)]
    return [text for one in value for text in _texts(one)] if isinstance(value, list) else []


def _claim(claims: Mapping[str, Any], name: str) -> object:
    """Return a claim by its name, or by its path with dots."""
    if name in claims:
        return claims[name]
    found: object = claims
    for part in name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found
