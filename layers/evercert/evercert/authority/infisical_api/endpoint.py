"""Routes of the API and the call that a handler receives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from evercert.authority.api_errors import invalid, unauthorized
from evercert.authority.ca.public_files import PublicFile
from evercert.authority.configuration.identity import Identity

S = TypeVar("S")  # the services that handle the calls
Payload = dict[str, Any] | list[dict[str, Any]] | str | PublicFile


@dataclass(frozen=True)
class Call:
    """Parsed API call; `identity` is None on routes without login."""

    ids: Mapping[str, str]
    query: Mapping[str, str]
    body: Any = None
    identity: Identity | None = None
    key: str | None = None  # the header Idempotency-Key

    @property
    def caller(self) -> Identity:
        """Return the authenticated identity; raise Refusal (401) without one."""
        if self.identity is None:
            raise unauthorized("Token missing")
        return self.identity

    def number(self, name: str, default: int, least: int, most: int) -> int:
        """Return an integer from the query; raise Refusal (422) if it is out of range."""
        text = self.query.get(name, str(default))
        if not (text.isascii() and text.isdigit() and len(text) < 10 and least <= int(text) <= most):  # noqa: PLR2004
            raise invalid([((name,), f"a number from {least} to {most}")])
        return int(text)

    @property
    def page(self) -> tuple[int, int]:
        """Return offset and limit."""
        return self.page_of(100)

    def page_of(self, most: int) -> tuple[int, int]:
        """Return offset and limit, which is at most `most`."""
        return self.number("offset", 0, 0, 10_000), self.number("limit", 20, 1, most)


@dataclass(frozen=True)
class Route(Generic[S]):
    """A route; `body` and `answer` name schemas of the OpenAPI document.

    With `login`, the call needs an access token. A JSON route without `answer` always returns an error.
    """

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    template: str
    handler: Callable[[S, Call], Payload]
    summary: str
    answer: str | None = None
    login: bool = True
    body: str | None = None
    query: tuple[str, ...] = ()
    idempotent: bool = False  # supports the header Idempotency-Key
    kind: str = "application/json"
    form: bool = False  # the body may be a form
    cached: bool = False  # a public file: supports conditional requests

    @property
    def has_body(self) -> bool:
        """Return whether calls have a body."""
        return self.method in {"POST", "PUT", "PATCH"}

    @property
    def methods(self) -> tuple[str, ...]:
        """Return the HTTP methods of the route."""
        public = self.method == "GET" and not self.login
        return (self.method, "HEAD") if public else (self.method,)
