"""The style of the report: contrasts of WCAG 2.2 AA in both schemes, and a policy that allows this style alone."""

from __future__ import annotations

import base64
import hashlib
import re
from itertools import product

import pytest

from evercert.operations.report.style import DARK, LIGHT, POLICY, STYLE

TEXT, GRAPHICS = 4.5, 3.0
SCHEMES = [pytest.param(LIGHT, id="light"), pytest.param(DARK, id="dark")]
BACKGROUNDS = ("page", "panel")


def luminance(color: str) -> float:
    """Return the relative luminance of a color, as WCAG 2.2 defines it."""
    parts = [int(color[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_of_black_and_white() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_text_contrasts_with_its_background(scheme: dict[str, str]) -> None:
    for name, background in product(("text", "soft", "bad", "warn", "good"), BACKGROUNDS):
        assert contrast(scheme[name], scheme[background]) >= TEXT, (name, background)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_bars_contrast_with_their_background(scheme: dict[str, str]) -> None:
    for name, background in product(("risk", "renewed"), BACKGROUNDS):
        assert contrast(scheme[name], scheme[background]) >= GRAPHICS, (name, background)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_parts_of_a_bar_differ_without_their_hue(scheme: dict[str, str]) -> None:
    assert contrast(scheme["risk"], scheme["renewed"]) >= GRAPHICS


def test_schemes_define_the_colors_that_the_style_uses() -> None:
    assert set(re.findall(r"var\(--(\w+)\)", STYLE)) == LIGHT.keys() == DARK.keys()


def test_style_loads_nothing() -> None:
    assert STYLE.isascii()
    assert not re.search(r"url|@import|@font-face|expression|</", STYLE, re.IGNORECASE)


def test_policy_allows_one_style_and_nothing_else() -> None:
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    assert POLICY.split("; ") == [
        "default-src 'none'", f"style-src 'sha256-{digest}'", "img-src data:", "base-uri 'none'", "form-action 'none'",
    ]  # fmt: skip
