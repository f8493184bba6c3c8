"""Convert the agent's durations, which have three grammars, to evercert's grammar."""

from __future__ import annotations

import re
from datetime import timedelta
from fractions import Fraction
from functools import lru_cache

from evercert import durations
from evercert.schema import printable

# Go's units and evercert's; `m` is minutes in both.
_SECONDS = {
    "ns": Fraction(1, 10**9),
    "us": Fraction(1, 10**6),
    "µs": Fraction(1, 10**6),
    "ms": Fraction(1, 1_000),
    "s": Fraction(1),
    "m": Fraction(60),
    "h": Fraction(3_600),
    "d": Fraction(86_400),
    "w": Fraction(604_800),
    "y": Fraction(365 * 86_400),
}
LONGEST_TEXT = 100
_PART = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,9})?)(ns|us|µs|ms|s|m|h|d|w|y)")
_WHOLE = re.compile(rf"\+?(?:{_PART.pattern})+")


@lru_cache(maxsize=256)  # most certificates of a document have the same
def span(text: str) -> str:
    """Return the duration in evercert's grammar; raise ValueError if it is invalid or out of range."""
    seconds = _seconds(text)
    if seconds.denominator != 1:
        raise ValueError(f"{printable(text, 40)!r} is not a whole number of seconds")
    if not 0 < seconds <= durations.LONGEST.total_seconds():
        raise ValueError(f"{printable(text, 40)!r} is out of range: longer than zero, at most 100y")
    return durations.to_text(timedelta(seconds=int(seconds)))


def interval(text: str) -> str:
    """Return the interval in evercert's grammar; anything shorter than a second becomes `0s`."""
    return "0s" if text == "0" or _seconds(text) < 1 else span(f"{int(_seconds(text))}s")


def _seconds(text: str) -> Fraction:
    if text.startswith("-"):
        raise ValueError(f"{printable(text, 40)!r} is negative; write a positive duration")
    if len(text) > LONGEST_TEXT or not _WHOLE.fullmatch(text):
        raise ValueError(f"{printable(text, 40)!r} is not a duration: {durations.GRAMMAR}")
    return sum((Fraction(count) * _SECONDS[unit] for count, unit in _PART.findall(text)), Fraction(0))
