"""A client of an authority's state table with many certificates: answers the reads of searches, and counts them.

It stores keys only, and makes each item when it is read. A query ends after `page` bytes, in DynamoDB a megabyte.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import timedelta
from functools import cache
from typing import Any

from evercert.authority.ca.leaf_fields import Leaf
from evercert.authority.contracts.records import CertificateRecord
from evercert.aws.authority import inventory_items
from evercert.aws.authority.certificate_items import certificate_item
from evercert.pki.identifiers import Identifier
from tests.doubles.fakes import START
from tests.doubles.item_size import size
from tests.samples.authority import kept, leaf, requested

PAGE = 1_048_576  # bytes
PROFILES = [f"profile-{number}" for number in range(4)]
RARE = "rare-profile"
IDENTITIES = [f"identity-{number}" for number in range(7)]
Item = dict[str, Any]


@cache
def _sample() -> tuple[CertificateRecord, Leaf]:
    return kept(requested()), leaf()


def record(number: int) -> CertificateRecord:
    """Return a certificate with two names; one in a thousand has the rare profile, one in ten is revoked."""
    sample, fields = _sample()
    host = f"w{number}.team{number % 50}.example.com"
    names = (Identifier("dns", host), Identifier("dns", f"alt{number}.example.net"))
    end = START + timedelta(days=(number * 37) % 400 - 30, seconds=number % 86_400)
    return replace(
        sample,
        id=f"certificate-{number:07d}",
        leaf=fields.model_copy(update={"subject": {"common_name": (host,)}, "names": names}),
        serial_number=f"{number + 1:040x}",
        not_after=end,
        profile=RARE if number % 1000 == 0 else PROFILES[number % 4],
        identity=IDENTITIES[number % 7],
        revoked_at=START if number % 10 == 0 else None,
        reason="SUPERSEDED" if number % 10 == 0 else None,
    )


class InventoryTable:
    """Certificates 0 to `count` - 1 with their entries."""

    def __init__(self, count: int, page: int = PAGE) -> None:
        self._page = page
        self.calls: Counter[str] = Counter()
        self._partitions: dict[str, list[tuple[str, int, int]]] = defaultdict(list)
        for number in range(count):
            for position, entry in enumerate(_entries(number)):
                self._partitions[entry["pk"]["S"]].append((entry["sk"]["S"], number, position))
        for found in self._partitions.values():
            found.sort()

    def query(self, *, ExpressionAttributeValues: Item, Limit: int, **_: Any) -> Any:
        self.calls["Query"] += 1
        partition, low, high = (ExpressionAttributeValues[name]["S"] for name in (":pk", ":low", ":high"))
        keys = self._partitions.get(partition, [])
        found: list[Item] = []
        read, place = 0, bisect_left(keys, (low,))
        while place < len(keys) and keys[place][0] <= high and len(found) < Limit and read < self._page:
            found.append(_entries(keys[place][1])[keys[place][2]])
            read += size(found[-1])
            place += 1
        more = place < len(keys) and keys[place][0] <= high
        return {"Items": found, **({"LastEvaluatedKey": {n: found[-1][n] for n in ("pk", "sk")}} if more else {})}

    def batch_get_item(self, RequestItems: Any) -> Any:
        self.calls["BatchGetItem"] += 1
        ((table, wanted),) = RequestItems.items()
        names = [key["pk"]["S"].removeprefix("certificate#certificate-") for key in wanted["Keys"]]
        assert len(names) <= 100
        return {"Responses": {table: [_stored(int(name)) for name in names if name.isdigit()]}}


def _entries(number: int) -> list[Item]:
    found = record(number)
    revoked = [inventory_items.revoked_entry(found)] if found.revoked_at is not None else []
    return [*inventory_items.entries(found), *revoked]


def _stored(number: int) -> Item:
    found = record(number)
    changes = {"revoked_at": {"S": "2026-01-15T12:00:00.000Z"}, "reason": {"S": "SUPERSEDED"}}
    return {**certificate_item(found), **(changes if found.revoked_at is not None else {})}
