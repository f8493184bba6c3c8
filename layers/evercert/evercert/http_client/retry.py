"""Retry policy: number of retries, delays, and the Retry-After header."""

from __future__ import annotations

import random
import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Annotated

from pydantic import ConfigDict, Field, PlainSerializer, PlainValidator

from evercert.durations import parse
from evercert.schema import Model

SPREAD = 0.2  # ± of each delay, so that many callers do not retry at the same moment
BUSY = frozenset({408, 425, 429})  # the request was not processed (RFC 9110 §15.5.9, RFC 8470 §5.2, RFC 6585 §4)
SERVER_ERRORS = 500
_MILLISECONDS = re.compile(r"([1-9][0-9]{0,5})ms")  # only retry delays are that short


def _delay(value: object) -> timedelta:
    if isinstance(value, timedelta):
        return value
    if isinstance(value, str) and (match := _MILLISECONDS.fullmatch(value)):
        return timedelta(milliseconds=int(match[1]))
    if isinstance(value, str):
        return parse(value)
    raise ValueError("invalid delay: must be a duration, such as 200ms or 5s")


def _to_text(delay: timedelta) -> str:
    return f"{delay // timedelta(milliseconds=1)}ms"


Delay = Annotated[timedelta, PlainValidator(_delay), PlainSerializer(_to_text, when_used="json")]


class Retry(Model):
    """Settings with the keys of the agent's `retry-strategy`; a call always ends within 15 s of its start."""

    model_config = ConfigDict(populate_by_name=True)

    max_retries: Annotated[int, Field(ge=0, le=10)] = 3
    base_delay: Delay = timedelta(milliseconds=200)
    max_delay: Delay = timedelta(seconds=5)

    def delay(self, tries: int) -> timedelta:
        """Return the delay after this number of tries: doubled each time up to `max_delay`, with jitter."""
        planned = min(self.base_delay * float(2 ** (tries - 1)), self.max_delay)
        return planned * random.uniform(1 - SPREAD, 1 + SPREAD)  # noqa: S311 (jitter, not a secret)


def is_transient(status: int) -> bool:
    """Return whether another attempt may succeed; other errors would only be repeated."""
    return status in BUSY or status >= SERVER_ERRORS


def retry_after(value: str | None, now: datetime) -> timedelta | None:
    """Parse a Retry-After header (RFC 9110 §10.2.3), in seconds or as a date; return None if it is invalid."""
    if value is None:
        return None
    if value.isascii() and value.isdecimal():
        return timedelta(seconds=min(int(value[:9]), 86_400))
    try:
        moment = parsedate_to_datetime(value)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return min(max(moment - now, timedelta(0)), timedelta(days=1))
    except (ValueError, TypeError, OverflowError, IndexError):  # the parser of mail raises any of them
        return None
