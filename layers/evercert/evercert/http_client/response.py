"""Outcomes of one HTTP attempt: a response, or a transport failure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from evercert import json_parser
from evercert.errors import EvercertError, Unavailable


@dataclass(frozen=True)
class Response:
    """A final response of a server: another attempt would not change it."""

    status: int
    headers: Mapping[str, str] = field(repr=False)  # names in lower case
    body: bytes = field(repr=False)  # may hold a token or a private key
    operation: str = "the server"  # method and address, for messages

    def json(self) -> Any:  # noqa: ANN401
        """Return the parsed body; raise Unavailable if it is not JSON: something else than the API has answered."""
        try:
            return json_parser.parse(self.body)
        except ValueError:
            raise Unavailable(f"{self.operation} answered {self.status} with a body that is not JSON") from None


@dataclass(frozen=True)
class Content:
    """The body of a request."""

    data: bytes = field(repr=False)
    media_type: str = "application/json"


@dataclass(frozen=True)
class TransportFailure:
    """A failed attempt; `safe` if the server did nothing, so that even a non-idempotent request may be repeated."""

    error: EvercertError
    safe: bool
    wait: timedelta | None = None  # the server's Retry-After
