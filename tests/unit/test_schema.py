"""Helpers of models: texts for messages, limits of lists."""

from __future__ import annotations

import pytest

from evercert.schema import printable, suggestion


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a" * 10, "a" * 10), ("a" * 11, "a" * 9 + "\u2026"), ("a\n\tb", "a b"), (" " * 99 + "a", "a"),
     (" " * 101 + "a", "\u2026"), ("a" + " " * 200, "a\u2026")],
    ids=["fits", "long", "spaces", "begins late", "begins too late", "ends with spaces"],
)  # fmt: skip
def test_printable_reads_only_the_begin_of_a_text(text: str, expected: str) -> None:
    assert printable(text, 10) == expected


def test_suggestion_ignores_words_that_are_too_long() -> None:
    known = ["a" * 100, "b"]
    assert suggestion("a" * 99, known) == f"; did you mean {'a' * 100!r}?"
    assert suggestion("a" * 101, known) == ""
