"""The picture of the timeline: heights in proportion, and nothing too small to see."""

from __future__ import annotations

import re
from datetime import timedelta

from evercert.operations.overview import DAYS, Day, timeline
from evercert.operations.report.chart import HEIGHT, LOWEST, chart
from tests.unit.operations.test_overview import NOW, row

RECT = re.compile(r'<rect class="(\w+)" x="(\d+)" width="8" y="([\d.]+)" height="([\d.]+)"/>')
Bar = tuple[str, int, float, float]


def bars(days: tuple[Day, ...]) -> list[Bar]:
    return [(name, int(x), float(y), float(height)) for name, x, y, height in RECT.findall("".join(chart(days)))]


def days(*numbers: tuple[int, int, int]) -> tuple[Day, ...]:
    """Return days with (number of the day, ends, at risk)."""
    known = {day: (ends, at_risk) for day, ends, at_risk in numbers}
    start = NOW.replace(hour=0, minute=0)
    return tuple(Day(start + timedelta(days=n), *known.get(n, (0, 0))) for n in range(DAYS))


def test_highest_bar_fills_the_picture() -> None:
    assert bars(days((0, 4, 0), (1, 2, 0))) == [("renewed", 1, 0, HEIGHT), ("renewed", 11, HEIGHT / 2, HEIGHT / 2)]


def test_part_at_risk_is_below() -> None:
    assert bars(days((89, 4, 1))) == [("risk", 891, 75, 25), ("renewed", 891, 0, 75)]


def test_one_certificate_beside_thousands_is_visible() -> None:
    found = bars(days((0, 10_000, 1), (1, 1, 1)))
    assert [(name, height >= LOWEST * 0.9) for name, _, _, height in found] == [
        ("risk", True), ("renewed", True), ("risk", True),
    ]  # fmt: skip
    assert all(y >= -0.01 and y + height <= HEIGHT + 0.01 for _, _, y, height in found)


def test_picture_says_each_day_in_words() -> None:
    text = "".join(chart(timeline([row("web", "failing", timedelta(days=3)), row("api", ends=timedelta(days=3))], NOW)))
    assert "<title>2026-12-02: 2 end, 1 at risk</title>" in text
    assert "The highest bar is 2026-12-02, with 2." in text


def test_days_without_ends_have_no_bar() -> None:
    assert bars(days()) == []
