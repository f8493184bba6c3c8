"""Escapes of control characters in foreign text."""

from __future__ import annotations

import unicodedata

import pytest

from evercert.operations.escapes import visible, visible_lines

CONTROLS = [chr(n) for n in (*range(0x20), *range(0x7F, 0xA0))]
BIDI = list("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
OTHERS = ["\u2028", "\u2029", "\u200b", "\ufeff", "\xad", "\ud800", "\U000e0041", "\U0010ffff"]


@pytest.mark.parametrize("character", [*CONTROLS, *BIDI, *OTHERS], ids=lambda c: f"{ord(c):04x}")
def test_visible_escapes_control_characters(character: str) -> None:
    shown = visible(f"a{character}b")
    assert shown.isprintable() and shown.isascii()
    assert shown[0] == "a" and shown[1] == "\\" and shown[-1] == "b"


def test_visible_leaves_no_control_character_of_unicode() -> None:
    every = "".join(map(chr, range(0x11_0000)))
    categories = {unicodedata.category(character) for character in visible(every)}
    assert not categories & {"Cc", "Cf", "Cs", "Zl", "Zp"}


@pytest.mark.parametrize("text", ["web", "müller.example", "日本", "a\\x1bb", "C:\\new", "😀", ""])
def test_visible_keeps_printable_text(text: str) -> None:
    assert visible(text) == text


def test_visible_does_not_change_its_own_result() -> None:
    assert visible(visible("a\x1b[31m\n\u202e")) == visible("a\x1b[31m\n\u202e") == "a\\x1b[31m\\n\\u202e"


def test_visible_caps_the_length() -> None:
    assert visible("\x1b" * 100, 10) == "\\x1b\\x1b\\…"


def test_visible_lines_keeps_line_ends_only() -> None:
    assert visible_lines("a\tb\r\n\x1bc\u2028d") == "a\\tb\\r\n\\x1bc\\u2028d"
