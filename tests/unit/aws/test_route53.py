"""Values of TXT records."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evercert.aws.route53 import quoted, unquoted
from tests.doubles.strict_route53 import STRINGS


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", '""'), ("abc", '"abc"'), ('a"b', '"a\\"b"'), ("a\\b", '"a\\\\b"'), ("a b", '"a b"'),
        ("ü", '"\\303\\274"'), ("\n", '"\\012"'), ("\x7f", '"\\177"'),
        ("x" * 255, f'"{"x" * 255}"'), ("x" * 256, f'"{"x" * 255}" "x"'),
    ],
)  # fmt: skip
def test_text_is_quoted(text: str, value: str) -> None:
    assert quoted(text) == value
    assert unquoted(value) == text


@given(st.text(max_size=600))
def test_quoted_text_is_read_back(text: str) -> None:
    value = quoted(text)
    assert unquoted(value) == text
    assert value.isascii() and value.isprintable()
    strings = re.findall(r'"((?:[^"\\]|\\.)*)"', value)
    assert all(len(re.sub(r"\\([0-7]{3}|.)", "x", part)) <= 255 for part in strings)
    assert STRINGS.fullmatch(value) or "\\" in value


@pytest.mark.parametrize(
    ("value", "text"), [("", ""), ("abc", ""), ('"a" "b"', "ab"), ('"a""b"', "ab"), ('"\\400"', "?"), ('"a', "")]
)
def test_other_values_are_read(value: str, text: str) -> None:
    assert unquoted(value) == text
