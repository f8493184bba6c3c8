"""Items of the table of certificates, as an outsider reads them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

Item = dict[str, Any]
LONG = timedelta(days=1)
LONGEST_WAIT = timedelta(hours=2)  # after failures of an authority whose functions are killed


def unrested(items: Iterable[Item], names: Sequence[str], *, longer: bool) -> dict[str, str]:
    """Return the certificates that have something to do, and what.

    A certificate whose issuer was unavailable may wait for its next attempt, unless a `longer` lifetime is expected.
    """
    found, records = dict.fromkeys(names, "no record"), {}
    unpublished = set()
    for item in items:
        name = item["pk"]["S"].removeprefix("certificate#")
        if item["sk"]["S"] == "record":
            records[name] = item
        elif item["sk"]["S"].startswith("outcome#") and "published_at" not in item:
            unpublished.add(name)
    for name in found.keys() & records.keys():
        item = records[name]
        parts = ["an outcome to publish"] * (name in unpublished) + ["a claim"] * ("claim" in item)
        if longer or not waits(item):
            parts += ["a revision in progress"] * ("pending" in item)
            parts += [f"{item['state']['S']}: {_error(item)}"] * (item["state"]["S"] != "ready")
        parts += ["a short lifetime"] * (longer and not _lives_long(item))
        found[name] = ", ".join(parts)
    return {name: why for name, why in found.items() if why}


def waits(item: Item) -> bool:
    """Return whether the certificate waits, with a stored end, because its issuer was unavailable."""
    kind, due = _error_part(item, "kind"), _moment(item.get("due_at"))
    return item["state"]["S"] == "failing" and kind == "unavailable" and due is not None and due < _now() + LONGEST_WAIT


def _lives_long(item: Item) -> bool:
    end = _moment(item.get("facts", {}).get("M", {}).get("not_after"))
    return end is not None and end > _now() + LONG


def _error(item: Item) -> str:
    return _error_part(item, "message") or "no error"


def _error_part(item: Item, part: str) -> str | None:
    return item.get("last_error", {}).get("M", {}).get(part, {}).get("S")


def _moment(value: Item | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value["S"])


def _now() -> datetime:
    return datetime.now(UTC)
