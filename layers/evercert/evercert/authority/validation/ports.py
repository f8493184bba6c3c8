"""The network as the validator sees it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from evercert.acme.problem import URN
from evercert.schema import printable

LONGEST_DETAIL = 300  # an order holds one for each of its names


class NotValidated(Exception):
    """A try failed; `kind` is the type of the problem without its URN.

    The message never quotes what a server answered, nor a private address: a client could explore the operator's
    network by it. `logged` is the reason for the operator's log.
    """

    def __init__(self, kind: str, detail: str, logged: str | None = None) -> None:
        super().__init__(detail)
        self.kind = kind
        self.logged = logged or detail

    @property
    def problem(self) -> dict[str, object]:
        """The problem document of the challenge (RFC 8555 §6.7)."""
        return {"type": f"{URN}{self.kind}", "detail": printable(str(self), LONGEST_DETAIL), "status": 400}


@dataclass(frozen=True)
class Page:
    """The beginning of a page, or where it moved to."""

    status: int
    location: str | None
    content: bytes


class Web(Protocol):
    """Loads pages for validations."""

    def load(self, url: str, within: timedelta, *, private: bool) -> Page:
        """Load a page without following redirects; raise NotValidated, at the latest after this time.

        `private`: the host may be in the private networks that the operator allows.
        """


class Names(Protocol):
    """Looks up TXT records for validations."""

    def texts(self, name: str) -> Sequence[bytes]:
        """Return the values at the name, CNAME records followed; empty if there is none; raise NotValidated."""
