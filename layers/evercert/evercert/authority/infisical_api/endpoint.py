"""One path of the API, and what its handler gets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from evercert.authority.api_errors import invalid, unauthorized
from evercert.authority.configuration.identity import Identity
from evercert.authority.infisical_api.public_downloads import Binary
from evercert.authority.infisical_api.services import Services

Said = dict[str, Any] | str | Binary


@dataclass(frozen=True)
class Call:
    """What a handler gets; `identity` is None where no login is asked for."""

    ids: Mapping[str, str]
    query: Mapping[str, str]
    body: Any = None
    identity: Identity | None = None
    key: str | None = None  # the header Idempotency-Key

    @property
    def who(self) -> Identity:
        """Raises Refusal (401) where nobody is."""
        if self.identity is None:
            raise unauthorized("Token missing")
        return self.identity

    def number(self, name: str, default: int, least: int, most: int) -> int:
        """Of the query; raises Refusal (422)."""
        text = self.query.get(name, str(default))
        if not (text.isascii() and text.isdigit() and len(text) < 10 and least <= int(text) <= most):  # noqa: PLR2004
            raise invalid([((name,), f"a number from {least} to {most}")])
        return int(text)

    @property
    def page(self) -> tuple[int, int]:
        """Offset and limit."""
        return self.number("offset", 0, 0, 10_000), self.number("limit", 20, 1, 100)


@dataclass(frozen=True)
class Route:
    """One of the API; `login`: only with an access token; `body`, `answer`: schemas of the OpenAPI document.

    Without an answer, an answer of JSON is always a refusal.
    """

    method: Literal["GET", "POST"]
    template: str
    handler: Callable[[Services, Call], Said]
    says: str
    answer: str | None = None
    login: bool = True
    body: str | None = None
    query: tuple[str, ...] = ()
    idempotent: bool = False  # by the header Idempotency-Key
    kind: str = "application/json"
