"""Relative times, such as `in 12d`."""

from __future__ import annotations

from datetime import datetime, timedelta

from evercert.durations import to_text

_UNITS = ((3 * 86_400, 86_400), (3 * 3_600, 3_600), (180, 60))  # threshold and unit, in seconds


def relative(moment: datetime, now: datetime) -> str:
    """Return `in 12d` or `3h ago`, in one unit."""
    seconds = (moment - now).total_seconds()
    return f"{_coarse(-seconds)} ago" if seconds < 0 else f"in {_coarse(seconds)}"


def _coarse(seconds: float) -> str:
    unit = next((unit for above, unit in _UNITS if seconds > above), 1)
    return to_text(timedelta(seconds=int(seconds // unit) * unit))
