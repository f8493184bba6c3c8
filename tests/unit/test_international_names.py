"""Limits of international DNS names: their conversion is slow."""

from __future__ import annotations

import pytest

from evercert import origins
from evercert.international_names import a_labels


def test_international_names_are_limited_before_conversion(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(origins, "a_labels", lambda _: pytest.fail("converted"))
    with pytest.raises(ValueError, match="is not a valid international name: it has 1001 characters"):
        origins.to_a_labels("\u00fc" * 1_001)


def test_international_names_are_converted_once() -> None:
    a_labels.cache_clear()
    for _ in range(3):
        assert origins.to_a_labels("b\u00fccher.example") == "xn--bcher-kva.example"
        with pytest.raises(ValueError, match="is not a valid international name: Codepoint"):
            origins.to_a_labels("\u2603.example")
    assert a_labels.cache_info().misses == 2
