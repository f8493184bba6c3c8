"""Where approvals of certificate requests are stored."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from evercert.authority.contracts.approval_terms import DecidedStatus, Decision, DueNotice
from evercert.authority.contracts.records import RequestRecord


class Approvals(Protocol):
    """Decisions about requests, and the index of what is to be announced."""

    def decide(
        self, seen: RequestRecord, decision: Decision, status: DecidedStatus, error: str | None
    ) -> RequestRecord | None:
        """Store a decision and the resulting status; return the changed request.

        Also store its entry in the issuance trail. Return None if the request was decided or changed since it was read.
        A rejection releases its claim on a renewal.
        """

    def notices(self, now: datetime, limit: int) -> Sequence[DueNotice]:
        """Return what is due, oldest first; eventually consistent."""

    def waiting(self, limit: int) -> Sequence[DueNotice]:
        """Return all entries, due or not, by time."""

    def settle_notice(self, notice: DueNotice, following: datetime | None) -> bool:
        """Move an entry to the following time, or remove it (None); return False if it changed meanwhile."""
