"""Conversion of the API's error responses to evercert's errors."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from evercert import json_parser
from evercert.errors import EvercertError, Misconfigured, Rejected, Unavailable
from evercert.schema import printable

if TYPE_CHECKING:
    from evercert.http_client.response import Response

FIRST_REFUSAL = 400
UNAUTHORIZED, FORBIDDEN, NOT_FOUND = 401, 403, 404
CONTENT = frozenset({400, 409, 413, 422})  # repeating the same content would fail again
MAX_CHARACTERS = 300
MAX_LIST_CHARACTERS = 1_000  # of a list of issues


@dataclass(frozen=True)
class Refusal:
    """Error response, of status 400 or higher; its texts are the server's, made printable."""

    status: int
    error: str  # its name: `BadRequest`, `PermissionDenied`, `TokenError`, …
    message: str
    denied: str = ""  # `action on subject`, where a permission is missing

    @classmethod
    def of(cls, answer: Response, hide: Iterable[str] = ()) -> Self:
        """Parse a response with any body; `hide` are secrets that were sent, to be removed from the texts."""
        try:
            body = json_parser.parse(answer.body)
        except ValueError:
            body = None
        body = body if isinstance(body, dict) else {}
        # Hide before truncating: a truncated secret would no longer match.
        message, is_list = _text_of(body.get("message"))
        return cls(
            answer.status,
            printable(_hidden(_text(body.get("error")), hide), 60),
            printable(_hidden(message, hide), MAX_LIST_CHARACTERS if is_list else MAX_CHARACTERS),
            printable(_hidden(_denied(body.get("details")), hide), MAX_CHARACTERS),
        )

    @property
    def is_of_token(self) -> bool:
        """Return whether another login may help: an expired token causes 403 with the name TokenError."""
        return self.status == UNAUTHORIZED or (self.status == FORBIDDEN and self.error == "TokenError")

    def as_error(self, operation: str) -> EvercertError:
        """Return the error to raise for `operation`, such as "issue with profile tls-server"."""
        message = f"cannot {operation}: {self}"
        if self.status in CONTENT:
            return Rejected(message)
        if self.status == FORBIDDEN and self.denied:
            return Misconfigured(f"{message}; the identity lacks the permission: {self.denied}")
        if self.status in (UNAUTHORIZED, FORBIDDEN):
            return Misconfigured(f"{message}; check the identity and its permissions")
        if self.status == NOT_FOUND:
            return Misconfigured(f"{message}; check the names and ids in the issuer's definition")
        return Unavailable(message)

    def __str__(self) -> str:
        text = f"the server answered {self.status}"
        text = f"{text} {self.error}" if self.error else text
        return f"{text}: {self.message}" if self.message else text


def _text_of(message: Any) -> tuple[str, bool]:  # noqa: ANN401
    """Return the message, or all issues of a list with their places, and whether it was a list."""
    if not isinstance(message, list):
        return _text(message), False
    issues = []
    for issue in message:
        if isinstance(issue, dict):
            path = issue.get("path")
            place = ".".join(map(_text, path)) if isinstance(path, list) else ""
            text = _text(issue.get("message")) or _text(issue.get("code"))
            issues.append(f"{place}: {text}" if place else text)
        else:
            issues.append(_text(issue))
    return "; ".join(issues), True


def _denied(details: Any) -> str:  # noqa: ANN401
    if not isinstance(details, list):
        return ""
    missing = [
        f"{_joined(detail.get('action'))} on {_joined(detail.get('subject'))}"
        for detail in details
        if isinstance(detail, dict) and not detail.get("inverted")
    ]
    return ", ".join(missing)


def _joined(value: Any) -> str:  # noqa: ANN401
    return "/".join(map(_text, value)) if isinstance(value, list) else _text(value)


def _text(value: Any) -> str:  # noqa: ANN401
    """Return text and numbers as text; a nested value as text would escape a secret, which is then not hidden."""
    return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


def _hidden(text: str, hide: Iterable[str]) -> str:
    for secret in hide:
        if secret:
            text = text.replace(secret, "…")
    return text
