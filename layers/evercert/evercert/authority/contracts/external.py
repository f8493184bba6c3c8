"""Requests that external issuers fulfill: the state of each request, and the limits of each issuer."""

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
    attempts: int = 0  # failures in a row
    revision: int = 1  # increases when the issuer is asked again with a new request
    deadline: datetime | None = None  # that the issuer gave for its answer
    message: str = ""  # why it waits, for the requester
    validating: bool = False  # a person has to act at the issuer
    issuer: str = ""  # identity hash of the issuer that was asked


class ExternalRequests(Protocol):
    """Work of the issuer function, handed over by the front."""

    def find(self, request_id: str) -> Work | None:
        """Return the work of a request, or None."""

    def begin(self, request_id: str, at: datetime) -> None:
        """Store the work of a request if there is none, and wake the issuer function; idempotent."""

    def hasten(self, request_id: str, now: datetime) -> None:
        """Continue the work now, at most once a minute, and wake the issuer function; idempotent."""


class ExternalWork(Protocol):
    """Work as the issuer function sees it."""

    def claim(self, request_id: str, now: datetime, until: datetime) -> Work | None:
        """Return the work, reserved until this time; None if it ended, is not due, or another run has it."""

    def keep(self, work: Work) -> None:
        """Store the state of a run that continues."""

    def save(self, work: Work, due_at: datetime) -> None:
        """Store the state and when the work continues; end the reservation."""

    def end(self, request_id: str) -> None:
        """Delete the work; idempotent."""

    def due(self, now: datetime, limit: int) -> Sequence[str]:
        """Return the ids of requests whose work is due, oldest first; eventually consistent."""

    def wake(self, request_ids: Sequence[str]) -> None:
        """Send the issuer function a message for each; raise Unavailable."""

    def wake_at(self, request_id: str, due_at: datetime, now: datetime) -> None:
        """Send a message for this time, unless the schedule is as good; raise Unavailable."""


class ExternalCeiling(Ceiling):
    """The limits of an external issuer; `projects` are the IDs of those that may use it, none means all."""

    projects: tuple[str, ...] = ()


class ExternalCeilings(Protocol):
    """Limits of external issuers, in a table that no function may write."""

    def ceiling(self, issuer: str) -> ExternalCeiling | None:
        """Return the limits for requests of profiles to this issuer; None if it is closed to them."""
