"""Write units of DynamoDB calls, computed from the items before and after them: the emulator reports a constant.

Developer guide, "Read/write capacity mode": one unit per started 1,024 bytes of the larger of both items, twice as many in a
transaction, and as many for a refused conditional write. An index entry costs a write if it is added, deleted or changed, and
two if its key changes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from tests.doubles.item_size import size

WRITE_UNIT = 1_024
Item = dict[str, Any]
Place = tuple[str, Item]  # table and primary key


@dataclass(frozen=True)
class Write:
    """One written item: its size before and after, its write units, and those of its index entries."""

    operation: str
    key: Item
    before: int
    after: int
    units: int
    entries: int


class WriteMeter:
    """Counts the write units of a client; `reader` is another client, which reads the items.

    The indexes of `tables` are read at once: within a write, that would pass for a call of the function.
    """

    def __init__(self, client: Any, reader: Any, *tables: str) -> None:
        self.writes: list[Write] = []
        self.refused = 0  # single writes whose condition failed
        self._reader = reader
        self._indexes: dict[str, list[tuple[set[str], set[str] | None]]] = {}
        self._before: list[tuple[Place, Item]] = []
        for table in tables:
            self._indexes_of(table)
        self._events = client.meta.events
        self._events.register("before-parameter-build", self._ask)
        self._events.register("after-call", self._note)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._events.unregister("before-parameter-build", self._ask)
        self._events.unregister("after-call", self._note)

    def _ask(self, params: dict[str, Any], model: Any, **_: object) -> None:
        self._before = [(place, self._read(place)) for place in _places(model.name, params)]

    def _note(self, model: Any, parsed: dict[str, Any], **_: object) -> None:
        self.refused += parsed.get("Error", {}).get("Code") == "ConditionalCheckFailedException"
        factor = 2 if model.name == "TransactWriteItems" else 1
        for place, before in self._before:
            after = self._read(place)
            entries = sum(_entry_units(before, after, *index) for index in self._indexes_of(place[0]))
            sizes = size(before), size(after)
            units = factor * max(1, math.ceil(max(sizes) / WRITE_UNIT))
            self.writes.append(Write(model.name, place[1], *sizes, units, entries))
        self._before = []

    @property
    def units(self) -> int:
        """The write units of all writes, with those of the indexes."""
        return sum(write.units + write.entries for write in self.writes)

    def _read(self, place: Place) -> Item:
        table, key = place
        return dict(self._reader.get_item(TableName=table, Key=key, ConsistentRead=True).get("Item", {}))

    def _indexes_of(self, table: str) -> list[tuple[set[str], set[str] | None]]:
        """Return the key of each index, and the attributes of its entries, or None for all."""
        if table not in self._indexes:
            found = self._reader.describe_table(TableName=table)["Table"]
            primary = {one["AttributeName"] for one in found["KeySchema"]}
            self._indexes[table] = []
            for index in found.get("GlobalSecondaryIndexes", []):
                key, projection = {one["AttributeName"] for one in index["KeySchema"]}, index["Projection"]
                named = None
                if projection["ProjectionType"] != "ALL":
                    named = primary | key | set(projection.get("NonKeyAttributes", []))
                self._indexes[table].append((key, named))
        return self._indexes[table]


def _places(operation: str, params: Mapping[str, Any]) -> list[Place]:
    if operation == "TransactWriteItems":
        parts = [part for one in params["TransactItems"] for part in one.values()]
    elif operation in {"PutItem", "UpdateItem", "DeleteItem"}:
        parts = [params]
    else:
        parts = []
    return [(part["TableName"], part.get("Key") or _key(part["Item"])) for part in parts]


def _key(item: Item) -> Item:
    """Return the primary key, which has these names in every table of evercert."""
    return {name: item[name] for name in ("pk", "sk")}


def _entry_units(before: Item, after: Item, key: set[str], named: set[str] | None) -> int:
    old, new = (_entry(item, key, named) for item in (before, after))
    if old == new:
        return 0
    moved = old and new and any(old[name] != new[name] for name in key)
    return sum(math.ceil(size(entry) / WRITE_UNIT) for entry in ((old, new) if moved else (new or old,)))


def _entry(item: Item, key: set[str], named: set[str] | None) -> Item:
    """Return the item's entry in an index; empty if it has none."""
    if not key <= item.keys():
        return {}
    return {name: value for name, value in item.items() if named is None or name in named}
