"""The item of a client ID's login failures: its form, and the condition that it is still as it was read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from evercert.authority.contracts.records import LoginFailures
from evercert.aws.dynamodb import items

_NAMES = ("failures", "counted_until", "locked_until")
_FORGOTTEN_AFTER = timedelta(hours=1)  # longer than window and lockout, in case clocks differ


def read(item: Mapping[str, Any]) -> LoginFailures:
    """Return the failures; an attribute that does not parse (manual edit) counts as absent."""
    stored = {name: item[name] for name in _NAMES if name in item}
    values = items.plain(stored)
    return LoginFailures(
        count=_count(values.get("failures")),
        counted_until=_moment(values.get("counted_until")),
        locked_until=_moment(values.get("locked_until")),
        stored=stored,
    )


def written(failures: LoginFailures) -> dict[str, Any]:
    """Return the attributes; times are milliseconds since 1970. Deleting the item any earlier would end a lockout."""
    ends = [moment for moment in (failures.counted_until, failures.locked_until) if moment is not None]
    values = {
        "failures": failures.count or None,
        "counted_until": _milliseconds(failures.counted_until),
        "locked_until": _milliseconds(failures.locked_until),
        "expires_at": math.ceil((max(ends) + _FORGOTTEN_AFTER).timestamp()) if ends else None,
    }
    return {name: items.attribute(value) for name, value in values.items() if value is not None}


def unchanged(seen: LoginFailures) -> tuple[str, dict[str, Any]]:
    """Return the condition that the attributes are as they were stored, valid or not, and its arguments."""
    stored = seen.stored
    condition = " AND ".join(
        f"#{name} = :{name}" if name in stored else f"attribute_not_exists(#{name})" for name in _NAMES
    )
    arguments: dict[str, Any] = {"ExpressionAttributeNames": {f"#{name}": name for name in _NAMES}}
    if stored:
        arguments["ExpressionAttributeValues"] = {f":{name}": value for name, value in stored.items()}
    return condition, arguments


def _count(value: object) -> int:
    return int(value) if isinstance(value, Decimal) and value > 0 else 0


def _moment(value: object) -> datetime | None:
    """Return the time, or None if it is no number or outside of all years."""
    try:
        return datetime.fromtimestamp(int(value) / 1_000, UTC) if isinstance(value, Decimal) else None
    except (ArithmeticError, ValueError, OSError):
        return None


def _milliseconds(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp() * 1_000)
