"""A client of a certificates table too large for the emulator: answers reads in DynamoDB's pages, and counts them.

It holds one record and one published outcome, and repeats them under every name. A page of a scan ends at 1 MB, before the
filter; read units are those of eventually consistent reads.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from typing import Any

from evercert.aws.dynamodb import items
from evercert.contracts.queue import OUTCOME, shard
from tests.doubles.item_size import size

PAGE = 1_048_576
READ_UNIT = 4_096
Item = dict[str, Any]


class LargeTable:
    """Certificates named `certificate-0000001` and so on; `each` outcomes beside each record."""

    def __init__(self, certificates: int, each: int, record: Item, outcome: Item) -> None:
        self.certificates = certificates
        self.calls: Counter[str] = Counter()
        self.units = 0.0
        self.sent = 0  # items in answers of scans
        self._each = each
        self._record = json.dumps(record)
        self._name = record["name"]["S"]
        self._sizes = [size(self._item(0)), *[size(outcome)] * each]

    def query(self, *, IndexName: str, Limit: int, ExclusiveStartKey: Item | None = None, **_: Any) -> Any:
        if IndexName != "records":
            raise NotImplementedError(IndexName)
        first = 0 if ExclusiveStartKey is None else self._number(ExclusiveStartKey) + 1
        last = min(first + Limit, self.certificates)
        keys = [self._key(number) for number in range(first, last)]
        self._count("Query", sum(map(size, keys)))
        more = {"LastEvaluatedKey": keys[-1]} if last < self.certificates else {}
        return {"Items": keys, **more}

    def batch_get_item(self, RequestItems: Any) -> Any:
        self.calls["BatchGetItem"] += 1
        ((table, wanted),) = RequestItems.items()
        found = [self._item(self._number(key)) for key in wanted["Keys"]]
        self.units += sum(self._units(size(item)) for item in found)
        return {"Responses": {table: found}}

    def scan(self, *, FilterExpression: str = "", ExclusiveStartKey: Item | None = None, **_: Any) -> Any:
        place, width, read = 0, 1 + self._each, 0
        if ExclusiveStartKey is not None:
            place = self._number(ExclusiveStartKey) * width + self._place(ExclusiveStartKey) + 1
        found: list[Item] = []
        while place < self.certificates * width and read < PAGE:
            number, kind = divmod(place, width)
            read += self._sizes[kind]
            if kind == 0:
                found.append(self._item(number))
            elif "published_at" not in FilterExpression:
                found.append(self._key(number, f"{OUTCOME}{kind}"))
            place += 1
        self._count("Scan", read)
        self.sent += len(found)
        number, kind = divmod(place - 1, width)
        last = self._key(number, f"{OUTCOME}{kind}" if kind else items.SK)
        return {"Items": found, **({"LastEvaluatedKey": last} if place < self.certificates * width else {})}

    def get_item(self, **_: Any) -> Any:
        self._count("GetItem", 0)
        return {}

    def update_item(self, **_: Any) -> Any:
        self.calls["UpdateItem"] += 1
        return {}

    def _count(self, operation: str, read: int) -> None:
        self.calls[operation] += 1
        self.units += self._units(read)

    @staticmethod
    def _units(read: int) -> float:
        return max(1, math.ceil(read / READ_UNIT)) / 2

    def _item(self, number: int) -> Item:
        name = self._called(number)
        item = json.loads(self._record.replace(self._name, name))
        return {**item, **self._key(number), "due_shard": {"S": shard(name)}}

    def _key(self, number: int, sort: str = items.SK) -> Item:
        return items.key(self._called(number), sort)

    @staticmethod
    def _called(number: int) -> str:
        return f"certificate-{number:07d}"

    @staticmethod
    def _number(key: Item) -> int:
        return int(key["pk"]["S"].removeprefix("certificate#certificate-"))

    @staticmethod
    def _place(key: Item) -> int:
        return int(key["sk"]["S"].removeprefix(OUTCOME)) if key["sk"]["S"] != items.SK else 0
