"""Requests that issuers outside of the authority fulfill: the state of each one, and the limits of each issuer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from evercert.authority.ca.definition import Ceiling


@dataclass(frozen=True)
class Work:
    """An open request at an external issuer; `handle` is where the issuer resumes it."""

    request: str  # id
    handle: str | None = None
    asked: bool = False  # the issuer may have received it
    attempts: int = 0  # failed ones in a row
    revision: int = 1  # the next one is another request
    deadline: datetime | None = None  # of the issuer's own answer
    message: str = ""  # why it waits, for the requester
    validating: bool = False  # a person has to act at the issuer


class ExternalRequests(Protocol):
    """Work of the issuer function, handed over by the front."""

    def find(self, request_id: str) -> Work | None:
        """Return the work of a request, or None."""

    def begin(self, request_id: str, at: datetime) -> None:
        """Store the work of a request if there is none, and wake the issuer function; idempotent."""

    def wake(self, request_ids: Sequence[str]) -> None:
        """Send the issuer function a message for each; raise Unavailable."""


class ExternalWork(Protocol):
    """Work as the issuer function sees it."""

    def claim(self, request_id: str, now: datetime, until: datetime) -> Work | None:
        """Return the work, reserved until this time; None if another run has it, or it ended."""

    def keep(self, work: Work) -> None:
        """Store the state of a run that goes on."""

    def save(self, work: Work, due_at: datetime) -> None:
        """Store the state and when the work continues; end the reservation."""

    def end(self, request_id: str) -> None:
        """Delete the work; idempotent."""

    def due(self, now: datetime, limit: int) -> Sequence[str]:
        """Return the ids of requests whose work is due, oldest first; eventually consistent."""

    def wake(self, request_ids: Sequence[str]) -> None:
        """Send the issuer function a message for each; raise Unavailable."""


class ExternalCeilings(Protocol):
    """Limits of external issuers, in a table that no function may write."""

    def ceiling(self, issuer: str) -> Ceiling | None:
        """Return the limits for requests of profiles to this issuer; None if it is closed to them."""
