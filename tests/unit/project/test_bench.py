"""Calculations behind docs/maintainers/benchmarks.md; only `make bench` measures."""

from __future__ import annotations

import pytest

from tests.bench import costs, ticks
from tests.bench.__main__ import PAGE, PARTS
from tests.bench.figures import Figure, Part, p95, replaced, table
from tests.bench.renewals import Renewal
from tests.doubles.write_meter import Write


@pytest.mark.parametrize("name", [*PARTS, "costs"])
def test_benchmark_page_has_a_block_for_every_part(name: str) -> None:
    assert replaced(PAGE.read_text(), name, "new text") != PAGE.read_text()


def test_replaced_keeps_the_text_around_the_block() -> None:
    page = "before\n<!-- bench: a -->\nold\nold\n<!-- end -->\nbetween\n<!-- bench: b -->\n<!-- end -->\nafter\n"
    once = replaced(page, "a", "new \\1")
    assert once == page.replace("old\nold", "new \\1")
    assert replaced(once, "a", "new \\1") == once
    assert "<!-- bench: b -->\nalso\n<!-- end -->\nafter" in replaced(page, "b", "also")


def test_replaced_refuses_a_page_without_the_block() -> None:
    with pytest.raises(ValueError, match="no block for c"):
        replaced("<!-- bench: a -->\n<!-- end -->", "c", "")


def test_part_text_marks_a_missed_target() -> None:
    text = Part([Figure("a", "2", "≤ 1", met=False), Figure("b", "1", "≤ 1", met=True), Figure("c", "1")]).text()
    assert text.splitlines()[2:] == ["| a | 2 | ≤ 1 | **not met** |", "| b | 1 | ≤ 1 | met |", "| c | 1 | none |  |"]


def test_figures_format_tables_and_percentiles() -> None:
    assert table(("a", "b"), [(1, 2)]) == ["| a | b |", "| --- | --- |", "| 1 | 2 |"]
    assert 94 < p95(list(map(float, range(1, 101)))) < 97


def test_size_of_item_matches_dynamodb() -> None:
    """Developer guide, "DynamoDB item sizes and formats"."""
    item = {"pk": {"S": "äb"}, "n": {"N": "1234"}, "t": {"BOOL": True}, "l": {"L": [{"S": "abc"}]}}
    assert ticks.size_of_item(item) == (2 + 3) + (1 + 3) + (1 + 1) + (1 + 3 + 1 + 3)
    assert ticks.size_of_item({"m": {"M": {"a": {"S": "b"}}}}) == 1 + 3 + 1 + 1 + 1


@pytest.mark.parametrize(("size", "units"), [(0, 0.5), (1, 0.5), (4_096, 0.5), (4_097, 1.0), (40_960, 5.0)])
def test_units_are_half_a_unit_per_four_kilobytes(size: int, units: float) -> None:
    assert ticks._units(size) == units


def test_scan_units_are_counted_per_page() -> None:
    sizes = dict.fromkeys(map(str, range(3_000)), 1_024)
    assert ticks._units_of_a_scan(sizes) == 3_000 * 1_024 / 4_096 / 2


def test_write_units_of_a_renewal_are_those_of_its_writes() -> None:
    key = {"pk": {"S": "certificate#web"}, "sk": {"S": "outcome#1#2"}}
    listened = Renewal([], [], [Write("PutItem", key, 0, 1_025, 2, 3), Write("UpdateItem", key, 1_025, 10, 2, 0)])
    assert costs.units(listened) == (0.0, 7)
    assert costs._write_rows(listened)[0] == ("PutItem", "outcome", "0", "1,025", "2", "3")
    assert costs._write_rows(listened)[-1][4] == "7"


def test_tiers_price_private_ca_by_volume() -> None:
    assert costs._tiers(1_000) == pytest.approx(750)
    assert costs._tiers(10_000) == pytest.approx(750 + 9_000 * 0.35)
    assert costs._tiers(20_000) == pytest.approx(750 + 9_000 * 0.35 + 10)
