"""Cost of a page of the inventory with 100,000 certificates."""

from __future__ import annotations

from typing import Any

import pytest

from tests.doubles.inventory_table import InventoryTable
from tests.unit.aws.authority.test_inventory import LARGE, SEARCHES, walk


@pytest.mark.timeout(3_600)
def test_page_of_100_000_certificates_costs_three_reads(every: int, capsys: Any) -> None:
    """Run every search in `make soak`, and otherwise few in a tenth of the certificates."""
    count = LARGE if every == 1 else LARGE // 10
    large = InventoryTable(count)
    for name in SEARCHES if every == 1 else ("rare fragment", "requester and profile", "zone"):
        said = walk(large, count, SEARCHES[name])
        if every == 1:
            with capsys.disabled():
                print(f"{name}: {said}")
