"""Ranges of the inventory that a search reads, and cursors in them."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass

from evercert.authority.contracts.inventory import Criteria, InvalidSearch
from evercert.aws.authority import certificate_items as items
from evercert.aws.authority.inventory_items import INVENTORY, REVOKED, SHARDS, ZONE_LABELS, name_key
from evercert.canonical_json import digest

FIRST, LAST = "!", "~"  # before and after every character of a time in a sort key
LONGEST_CURSOR = 8_000
LONGEST_PLACE = 1_000  # bytes; a sort key has at most 1,024
_EXPIRY = ("expires_after", "expires_before")
_MERGED = 2  # profiles whose lists one page can merge


@dataclass(frozen=True)
class Range:
    """Partitions with entries in the order of one sort key, and the part of them that a search reads."""

    partitions: tuple[str, ...]
    low: str
    high: str
    covered: tuple[str, ...]  # criteria that every entry in the range matches

    def after(self, place: str) -> Range:
        """Return the rest of the range; no sort key begins with another one."""
        return Range(self.partitions, max(self.low, f"{place}{FIRST}"), self.high, self.covered)


def choose_range(criteria: Criteria) -> Range:
    """Return the entries that a search reads: those of its most selective criterion; raise InvalidSearch."""
    low, high = items.bound(criteria.expires_after, FIRST), f"{items.bound(criteria.expires_before, LAST)}{LAST}"
    if criteria.serial_number is None and criteria.name is not None:
        partition, start = name_key(criteria.name)
        return Range((partition,), f"{start}#{low}", f"{start}#{high}", ("name", *_EXPIRY))
    if criteria.serial_number is None and criteria.zone is not None:
        if criteria.zone.count(".") < ZONE_LABELS - 1:
            raise InvalidSearch(f"name *.{criteria.zone} is too wide: write at least {ZONE_LABELS} labels after *.")
        partition, start = name_key(criteria.zone)
        return Range((partition,), f"{start}.", f"{start}/", ("zone",))  # "/" follows "."
    covered, partitions = _list(criteria)
    return Range(partitions, low, high, (covered, *_EXPIRY))


def _list(criteria: Criteria) -> tuple[str, tuple[str, ...]]:
    """Return the criterion whose lists by expiry are read, and these lists."""
    if criteria.serial_number is not None:
        return "serial_number", (f"{INVENTORY}serial#{criteria.serial_number}",)
    if criteria.identity is not None:
        return "identity", (f"{INVENTORY}identity#{criteria.identity}",)
    if criteria.status == "revoked":
        return "status", (REVOKED,)
    if criteria.profiles is not None and len(criteria.profiles) <= _MERGED:
        return "profiles", tuple(f"{INVENTORY}profile#{one}" for one in dict.fromkeys(criteria.profiles))
    return "now", tuple(f"{INVENTORY}all#{number}" for number in range(SHARDS))


def has_filters(criteria: Criteria, range_: Range) -> bool:
    """Return whether entries of the range may not match, so that more of them must be read than a page has."""
    return any(value is not None and name not in ("now", *range_.covered) for name, value in vars(criteria).items())


def to_cursor(place: str, criteria: Criteria) -> str:
    """Return the cursor of the page after this sort key."""
    text = json.dumps([place, _digest(criteria)])
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def place_of(cursor: str, criteria: Criteria) -> str:
    """Return the sort key in a cursor of the same search; raise InvalidSearch."""
    padded = f"{cursor[:LONGEST_CURSOR]}{'=' * (-len(cursor) % 4)}"
    try:
        place, found = json.loads(base64.urlsafe_b64decode(padded))
        valid = isinstance(place, str) and 0 < len(place.encode()) <= LONGEST_PLACE and found == _digest(criteria)
    except (ValueError, TypeError, RecursionError, binascii.Error):
        valid = False
    if not valid:
        raise InvalidSearch("the cursor belongs to another search: repeat the search without a cursor")
    return str(place)


def _digest(criteria: Criteria) -> str:
    """Return a digest of the criteria; the time of the search may differ between pages."""
    values = {name: str(value) for name, value in vars(criteria).items() if name != "now" and value is not None}
    return digest(values)[:16]
