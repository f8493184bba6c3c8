"""How often, and how soon, a call is made again."""

from __future__ import annotations

import random
import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Annotated

from pydantic import ConfigDict, Field, PlainSerializer, PlainValidator

from evercert.durations import parse
from evercert.schema import Model

SPREAD = 0.2  # ± of each delay, so that many callers do not come back together
BUSY = frozenset({408, 425, 429})  # said before anything was done (RFC 9110 §15.5.9, RFC 8470 §5.2, RFC 6585 §4)
SERVER_ERRORS = 500
_MILLISECONDS = re.compile(r"([1-9][0-9]{0,5})ms")  # the shortest waits need them, and nothing else does


def _delay(value: object) -> timedelta:
    if isinstance(value, timedelta):
        return value
    if isinstance(value, str) and (match := _MILLISECONDS.fullmatch(value)):
        return timedelta(milliseconds=int(match[1]))
    if isinstance(value, str):
        return parse(value)
    raise ValueError("not a delay, such as 200ms or 5s")


def _to_text(delay: timedelta) -> str:
    return f"{delay // timedelta(milliseconds=1)}ms"


Delay = Annotated[timedelta, PlainValidator(_delay), PlainSerializer(_to_text, when_used="json")]


class Retry(Model):
    """The keys of the agent's `retry-strategy`; beyond them, a call ends 15 s after it began at the latest."""

    model_config = ConfigDict(populate_by_name=True)

    max_retries: Annotated[int, Field(ge=0, le=10)] = 3
    base_delay: Delay = timedelta(milliseconds=200)
    max_delay: Delay = timedelta(seconds=5)

    def delay(self, tries: int) -> timedelta:
        """How long to wait after so many tries: twice as long each time, never above the ceiling."""
        planned = min(self.base_delay * float(2 ** (tries - 1)), self.max_delay)
        return planned * random.uniform(1 - SPREAD, 1 + SPREAD)  # noqa: S311 (nobody gains by knowing it)


def worth_another(status: int) -> bool:
    """Whether a server that answers so may answer otherwise in a moment; other refusals would only be repeated."""
    return status in BUSY or status >= SERVER_ERRORS


def retry_after(value: str | None, now: datetime) -> timedelta | None:
    """The header (RFC 9110 §10.2.3), seconds or a date; None: it says nothing that can be understood."""
    if value is None:
        return None
    if value.isascii() and value.isdecimal():
        return timedelta(seconds=min(int(value[:9]), 86_400))
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return min(max(moment - now, timedelta(0)), timedelta(days=1))
