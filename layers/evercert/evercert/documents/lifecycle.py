"""Lifecycle settings: when to renew, and how often to check the status."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, PlainSerializer, PlainValidator

from evercert import durations
from evercert.durations import Duration
from evercert.schema import Model

WHOLE = 100  # per cent
SHORTEST_CHECK, LONGEST_CHECK = timedelta(minutes=5), timedelta(days=90)
MOST_KEPT = 5


@dataclass(frozen=True)
class RenewBefore:
    """The renewal time before expiry: a duration, a percentage of the certificate's lifetime, or never."""

    text: str

    @classmethod
    def parse(cls, value: object) -> RenewBefore:
        """Parse `30d`, `33%` or `never`; raise ValueError for anything else."""
        if isinstance(value, cls):
            return value
        if not isinstance(value, str):
            raise ValueError(f"{durations.GRAMMAR}; or a share of the lifetime, such as 33%; or never")
        parsed = cls(value)
        if not parsed.never:
            parsed.within(timedelta(days=1))
        return parsed

    @property
    def never(self) -> bool:
        """Whether the certificate is issued only once; expiry warnings are still sent."""
        return self.text == "never"

    def within(self, lifetime: timedelta) -> timedelta:
        """Return the duration before expiry for a certificate of this lifetime."""
        if not self.text.endswith("%"):
            return durations.parse(self.text)
        share = self.text[:-1]
        if not re.fullmatch(r"[0-9]{1,2}", share) or not 1 <= int(share) < WHOLE:
            raise ValueError(f"{self.text!r} is not a share of the lifetime: 1% to 99%")
        return lifetime * int(share) / WHOLE


def _check_interval(value: timedelta) -> timedelta:
    if not SHORTEST_CHECK <= value <= LONGEST_CHECK:
        raise ValueError("must be from 5m to 90d")
    return value


def _check_kept(value: int) -> int:
    if not 0 <= value <= MOST_KEPT:
        raise ValueError(f"must be from 0 to {MOST_KEPT}")
    return value


class Lifecycle(Model):
    """When to renew (by default `scheduling/schedule.py` decides), and how often to check the status.

    `keep_revisions`: how many earlier revisions remain for a rollback, with their sealed private keys.
    """

    renew_before_expiry: (
        Annotated[RenewBefore, PlainValidator(RenewBefore.parse), PlainSerializer(lambda value: value.text)] | None
    ) = None
    status_check_interval: Annotated[Duration, AfterValidator(_check_interval)] = timedelta(days=1)
    keep_revisions: Annotated[int, AfterValidator(_check_kept)] = 2
