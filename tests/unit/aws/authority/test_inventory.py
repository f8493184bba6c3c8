"""Cost of a page of the inventory: at most three reads; `test_large_inventory.py` has more certificates."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from evercert.authority.contracts.inventory import Criteria, with_name
from evercert.aws.authority.certificates import DynamoDBCertificates
from tests.doubles.fakes import START
from tests.doubles.inventory_table import IDENTITIES, PAGE, PROFILES, RARE, InventoryTable, record

ALL = Criteria(START)
LARGE, SAMPLE = 100_000, 2_500
SOON = {"expires_after": START, "expires_before": START + timedelta(days=7)}
SEARCHES: dict[str, Criteria] = {
    "all": ALL,
    "expiry": replace(ALL, **SOON),
    "name": with_name(ALL, "w77.team27.example.com"),
    "zone": with_name(ALL, "*.team7.example.com"),
    "wide zone": with_name(ALL, "*.example.com"),
    "fragment": with_name(ALL, "*team49.*"),
    "rare fragment": with_name(ALL, "*alt1999.*"),
    "serial number": replace(ALL, serial_number=f"{1_500:x}"),
    "profile": replace(ALL, profiles=(PROFILES[1],)),
    "rare profile": replace(ALL, profiles=(RARE,)),
    "two profiles": replace(ALL, profiles=(RARE, PROFILES[2])),
    "three profiles": replace(ALL, profiles=(RARE, PROFILES[0], PROFILES[2]), **SOON),
    "requester": replace(ALL, identity=IDENTITIES[3], **SOON),
    "requester and profile": replace(ALL, identity=IDENTITIES[6], profiles=(RARE,)),
    "revoked": replace(ALL, status="revoked"),
    "expired": replace(ALL, status="expired"),
    "active in a zone": with_name(replace(ALL, status="active", **SOON), "*.example.com"),
    "revoked of a requester": replace(ALL, status="revoked", identity=IDENTITIES[0], profiles=(PROFILES[0],)),
}


@pytest.fixture(scope="module")
def table() -> InventoryTable:
    """Return a sample of the certificates, with pages that are smaller in the same ratio."""
    return InventoryTable(SAMPLE, PAGE * SAMPLE // LARGE)


@pytest.mark.parametrize("name", SEARCHES)
def test_page_costs_at_most_three_reads(name: str, table: InventoryTable) -> None:
    walk(table, SAMPLE, SEARCHES[name])


def walk(table: InventoryTable, count: int, criteria: Criteria) -> str:
    """Read all pages: each certificate that matches is on one of them, once."""
    store = DynamoDBCertificates(table, "table", "trail")  # type: ignore[arg-type]
    found: Counter[str] = Counter()
    cursor, pages, most, empty = None, 0, 0, 0
    while True:
        table.calls.clear()
        page = store.search(criteria, 100, cursor)
        most, pages, empty = max(most, table.calls.total()), pages + 1, empty + (not page.records)
        assert table.calls.total() <= 3, table.calls
        assert len(page.records) <= 100
        found.update(one.id for one in page.records)
        if (cursor := page.cursor) is None:
            break
    expected = Counter(one.id for one in map(record, range(count)) if criteria.matches(one))
    assert found == expected and expected
    assert pages <= len(expected) / 100 + LARGE / 500 + 2, "pages are too short"
    return f"{len(found)} certificates on {pages} pages ({empty} empty), {most} reads each at most"
