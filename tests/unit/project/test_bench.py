"""The arithmetic behind docs/maintainers/benchmarks.md; the figures themselves are taken by `make bench`, and never by a test."""

from __future__ import annotations

import pytest

from tests.bench import costs, ticks
from tests.bench.__main__ import PAGE, PARTS
from tests.bench.figures import Figure, Part, p95, replaced, table


@pytest.mark.parametrize("name", [*PARTS, "costs"])
def test_the_page_has_a_block_for_every_part(name: str) -> None:
    assert replaced(PAGE.read_text(), name, "anew") != PAGE.read_text()


def test_a_block_is_replaced_and_the_text_around_it_stays() -> None:
    page = "before\n<!-- bench: a -->\nold\nold\n<!-- end -->\nbetween\n<!-- bench: b -->\n<!-- end -->\nafter\n"
    once = replaced(page, "a", "new \\1")
    assert once == page.replace("old\nold", "new \\1")
    assert replaced(once, "a", "new \\1") == once
    assert "<!-- bench: b -->\nalso\n<!-- end -->\nafter" in replaced(page, "b", "also")


def test_a_page_without_the_block_is_an_error() -> None:
    with pytest.raises(ValueError, match="no block for c"):
        replaced("<!-- bench: a -->\n<!-- end -->", "c", "")


def test_a_target_that_was_missed_is_said_so() -> None:
    text = Part([Figure("a", "2", "≤ 1", met=False), Figure("b", "1", "≤ 1", met=True), Figure("c", "1")]).text()
    assert text.splitlines()[2:] == ["| a | 2 | ≤ 1 | **not met** |", "| b | 1 | ≤ 1 | met |", "| c | 1 | none |  |"]


def test_tables_and_percentiles() -> None:
    assert table(("a", "b"), [(1, 2)]) == ["| a | b |", "| --- | --- |", "| 1 | 2 |"]
    assert 94 < p95(list(map(float, range(1, 101)))) < 97


def test_an_item_has_the_size_that_dynamodb_counts() -> None:
    """Developer guide, "DynamoDB item sizes and formats"."""
    item = {"pk": {"S": "äb"}, "n": {"N": "1234"}, "t": {"BOOL": True}, "l": {"L": [{"S": "abc"}]}}
    assert ticks.size_of_item(item) == (2 + 3) + (1 + 3) + (1 + 1) + (1 + 3 + 1 + 3)
    assert ticks.size_of_item({"m": {"M": {"a": {"S": "b"}}}}) == 1 + 3 + 1 + 1 + 1


@pytest.mark.parametrize(("size", "units"), [(0, 0.5), (1, 0.5), (4_096, 0.5), (4_097, 1.0), (40_960, 5.0)])
def test_half_a_unit_for_each_four_kilobytes(size: int, units: float) -> None:
    assert ticks._units(size) == units


def test_a_scan_is_read_in_pages_of_a_megabyte() -> None:
    sizes = dict.fromkeys(map(str, range(3_000)), 1_024)
    assert ticks._units_of_a_scan(sizes) == 3_000 * 1_024 / 4_096 / 2


def test_a_write_of_an_indexed_attribute_writes_its_index_too() -> None:
    assert costs._entries({"ExpressionAttributeNames": {"#c0": "due_at", "#c1": "state"}}) == 2
    assert costs._entries({"ExpressionAttributeNames": {"#c0": "due_at", "#c1": "not_after"}}) == 4
    assert costs._entries({}) == 0


def test_the_first_certificates_of_a_private_ca_are_dearer() -> None:
    assert costs._tiers(1_000) == pytest.approx(750)
    assert costs._tiers(10_000) == pytest.approx(750 + 9_000 * 0.35)
    assert costs._tiers(20_000) == pytest.approx(750 + 9_000 * 0.35 + 10)
