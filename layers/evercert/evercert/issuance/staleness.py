"""Staleness: a delivered certificate that is not in use where it should be, found by a status check."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from evercert.contracts.events import Severity

RANKS: dict[Severity | None, int] = {None: 0, "warning": 1, "critical": 2}


@dataclass(frozen=True)
class Staleness:
    """Changes of the record after a check, and the event that is due, if `severity` is set.

    `data` is that of the event, `details` are fields of the log line. `problem` is set as long as something is wrong.
    """

    changes: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)
    severity: Severity | None = None
    problem: str | None = None
    recheck_at: datetime | None = None


def merge(found: Iterable[Staleness | None]) -> Staleness:
    """Return one staleness for several checks; the event has the data of those that announce something."""
    several = [one for one in found if one is not None]
    changes, data, details = dict[str, Any](), dict[str, Any](), dict[str, Any]()
    messages = [one.data["message"] for one in several if one.severity is not None]
    for one in several:
        changes |= one.changes
        details |= one.details
        data |= one.data if one.severity is not None else {}
    problem = next((one.problem for one in several if one.problem is not None), None)
    return Staleness(
        changes,
        data | ({"message": "; ".join(messages)} if messages else {}),
        details | ({"stale": problem} if problem is not None else {}),
        max((one.severity for one in several), key=lambda one: RANKS[one], default=None),
        problem,
        min((one.recheck_at for one in several if one.recheck_at is not None), default=None),
    )
