"""The protocol through which ACME issuers limit the new orders of an account."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol


@dataclass(frozen=True)
class OrderLimit:
    """A token bucket: it holds up to `capacity` tokens, and one is added `apart` after another."""

    capacity: int
    apart: timedelta

    @property
    def span(self) -> timedelta:
        """The time in which an empty bucket fills up."""
        return self.capacity * self.apart


class OrderBuckets(Protocol):
    """Token buckets of accounts, shared by all runs; an account without a stored bucket has a full one."""

    def take(self, account_id: str, limit: OrderLimit, now: datetime) -> datetime | None:
        """Take a token; if there is none, return the time to come again, another one for each caller.

        That time reserves nothing. Not idempotent; raises Unavailable or Misconfigured.
        """
