"""Outcomes of one HTTP attempt: a response, or a transport failure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from evercert.errors import EvercertError, Unavailable

MAX_DEPTH = 32  # no API nests deeper, and every reader of a value may recurse


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
            return parse_json(self.body)
        except ValueError:
            raise Unavailable(f"{self.operation} answered {self.status} with a body that is not JSON") from None


@dataclass(frozen=True)
class TransportFailure:
    """A failed attempt; `safe` if the server did nothing, so that even a non-idempotent request may be repeated."""

    error: EvercertError
    safe: bool
    wait: timedelta | None = None  # the server's Retry-After


def parse_json(body: bytes) -> Any:  # noqa: ANN401
    """Return the parsed body; raise ValueError if it is not JSON, or nested deeper than any answer."""
    try:
        found = json.loads(body)
    except RecursionError:
        raise ValueError("too deeply nested") from None
    level = [found]
    for _ in range(MAX_DEPTH):
        level = [inner for outer in level for inner in _inner(outer)]
        if not level:
            return found
    raise ValueError("too deeply nested")


def _inner(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
