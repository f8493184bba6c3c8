"""What comes of one attempt: an answer, or the trouble there was."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from evercert.errors import EvercertError, Unavailable


@dataclass(frozen=True)
class Answer:
    """What a server said, if it said something that another try would not change."""

    status: int
    headers: Mapping[str, str] = field(repr=False)  # names in lower case
    body: bytes = field(repr=False)  # may hold a token or a private key
    what: str = "the server"  # method and address, for messages

    def json(self) -> Any:  # noqa: ANN401
        """The body as JSON; raises Unavailable if it is none: something else than the API has answered."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            raise Unavailable(f"{self.what} answered {self.status} with something that is no JSON") from None


@dataclass(frozen=True)
class Trouble:
    """An attempt without an answer; `safe`: the server has done nothing, so even a creation may be repeated."""

    error: EvercertError
    safe: bool
    wait: timedelta | None = None  # what the server wished
