"""What the API's refusals mean: the one place where its errors become ours."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from evercert.errors import EvercertError, Misconfigured, Rejected, Unavailable
from evercert.schema import printable

if TYPE_CHECKING:
    from evercert.http_client.response import Answer

FIRST_REFUSAL = 400
UNAUTHORIZED, FORBIDDEN, NOT_FOUND = 401, 403, 404
CONTENT = frozenset({400, 409, 413, 422})  # what the same content meets again
WORDS = 300
ALL_WORDS = 1_000  # of a list of issues


@dataclass(frozen=True)
class Refusal:
    """An answer from 400 up, in parts; the words are the server's, cleaned."""

    status: int
    error: str  # its name: `BadRequest`, `PermissionDenied`, `TokenError`, …
    message: str
    denied: str = ""  # `action on subject`, where a permission is missing

    @classmethod
    def of(cls, answer: Answer, hide: Iterable[str] = ()) -> Self:
        """Whatever the body is; `hide` is what was sent and must not come back in the words."""
        try:
            body = json.loads(answer.body)
        except (ValueError, RecursionError):
            body = None
        body = body if isinstance(body, dict) else {}
        # Hidden before it is cut: half a secret would not be found again.
        message, several = _words(body.get("message"))
        return cls(
            answer.status,
            printable(_hidden(str(body.get("error") or ""), hide), 60),
            printable(_hidden(message, hide), ALL_WORDS if several else WORDS),
            printable(_hidden(_denied(body.get("details")), hide), WORDS),
        )

    @property
    def is_of_token(self) -> bool:
        """Whether another login may help: an expired token is answered with 403 and the name TokenError."""
        return self.status == UNAUTHORIZED or (self.status == FORBIDDEN and self.error == "TokenError")

    def as_error(self, doing: str) -> EvercertError:
        """The error for it; `doing` begins the message: "issue with profile tls-server"."""
        what = f"cannot {doing}: {self}"
        if self.status in CONTENT:
            return Rejected(what)
        if self.status == FORBIDDEN and self.denied:
            return Misconfigured(f"{what}; the identity lacks the permission: {self.denied}")
        if self.status in (UNAUTHORIZED, FORBIDDEN):
            return Misconfigured(f"{what}; look at the identity and its permissions")
        if self.status == NOT_FOUND:
            return Misconfigured(f"{what}; look at the names and ids in the issuer's definition")
        return Unavailable(what)

    def __str__(self) -> str:
        said = f"the server answered {self.status}"
        said = f"{said} {self.error}" if self.error else said
        return f"{said}: {self.message}" if self.message else said


def _words(message: Any) -> tuple[str, bool]:  # noqa: ANN401
    """One message, or all issues of a list, each with its place; and whether it was a list."""
    if not isinstance(message, list):
        return (message if isinstance(message, str) else ""), False
    issues = []
    for issue in message:
        if isinstance(issue, dict):
            path = issue.get("path")
            place = ".".join(map(str, path)) if isinstance(path, list) else ""
            words = str(issue.get("message") or issue.get("code") or "")
            issues.append(f"{place}: {words}" if place else words)
        else:
            issues.append(str(issue))
    return "; ".join(issues), True


def _denied(details: Any) -> str:  # noqa: ANN401
    if not isinstance(details, list):
        return ""
    wanted = [
        f"{_joined(detail.get('action'))} on {_joined(detail.get('subject'))}"
        for detail in details
        if isinstance(detail, dict) and not detail.get("inverted")
    ]
    return ", ".join(wanted)


def _joined(value: Any) -> str:  # noqa: ANN401
    return "/".join(map(str, value)) if isinstance(value, list) else str(value)


def _hidden(text: str, hide: Iterable[str]) -> str:
    for secret in hide:
        if secret:
            text = text.replace(secret, "…")
    return text
