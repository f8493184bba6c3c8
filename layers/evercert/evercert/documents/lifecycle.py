"""When a certificate is renewed, and how often it is looked after."""

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


@dataclass(frozen=True)
class RenewBefore:
    """How long before expiry to renew: a span, a share of the certificate's own lifetime in per cent, or never."""

    text: str

    @classmethod
    def parse(cls, value: object) -> RenewBefore:
        """`30d`, `33%` or `never`; raises ValueError."""
        if isinstance(value, cls):
            return value
        if not isinstance(value, str):
            raise ValueError(f"{durations.GRAMMAR}; or a share of the lifetime, such as 33%; or never")
        wish = cls(value)
        if not wish.never:
            wish.within(timedelta(days=1))
        return wish

    @property
    def never(self) -> bool:
        """It is issued once, and only its expiry is warned of."""
        return self.text == "never"

    def within(self, lifetime: timedelta) -> timedelta:
        """The span that this means for a certificate of this lifetime."""
        if not self.text.endswith("%"):
            return durations.parse(self.text)
        share = self.text[:-1]
        if not re.fullmatch(r"[0-9]{1,2}", share) or not 1 <= int(share) < WHOLE:
            raise ValueError(f"{self.text!r} is not a share of the lifetime: 1% to 99%")
        return lifetime * int(share) / WHOLE


def _check_interval(value: timedelta) -> timedelta:
    if not SHORTEST_CHECK <= value <= LONGEST_CHECK:
        raise ValueError("the status is checked every 5m at the most, and every 90d at the least")
    return value


class Lifecycle(Model):
    """When to renew (without `renew-before-expiry` evercert chooses, `renewal.py`), and how often to look after it."""

    renew_before_expiry: (
        Annotated[RenewBefore, PlainValidator(RenewBefore.parse), PlainSerializer(lambda wish: wish.text)] | None
    ) = None
    status_check_interval: Annotated[Duration, AfterValidator(_check_interval)] = timedelta(days=1)
