"""Text of documents: YAML reads the same values."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from evercert.console.document_text import to_text

SCALARS = st.text(max_size=20) | st.sampled_from(
    ["yes", "NO", "null", "~", "1", "1e3", "0x1f", "2026-11-29", "=", "a: b", "- a", "#", "a #b", "*", "é"]
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(SCALARS | st.dictionaries(st.sampled_from("abc"), inner, min_size=1), max_size=4)
    | st.dictionaries(st.sampled_from(["name", "alt-names", "x"]), inner, max_size=3), max_leaves=12
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(["version", "certificates", "labels"]), VALUES, min_size=1))
@settings(max_examples=300, deadline=None)
def test_yaml_reads_the_same_values(document: dict[str, Any]) -> None:
    assert yaml.safe_load(to_text(document)) == document


def test_plain_words_have_no_quotes() -> None:
    document = {"version": "evercert/v1", "certificates": [{"name": "web", "labels": {"team": "web ops"}}]}
    assert to_text(document) == (
        'version: evercert/v1\ncertificates:\n  - name: web\n    labels:\n      team: "web ops"\n'
    )


def test_several_lines_become_a_block() -> None:
    pem = "-----BEGIN X-----\nMIIB\n-----END X-----\n"
    text = to_text({"certificates": [{"csr": pem}]})
    assert text.splitlines()[1:3] == ["  - csr: |", "      -----BEGIN X-----"]
    assert yaml.safe_load(text) == {"certificates": [{"csr": pem}]}


@pytest.mark.parametrize("word", ["on", "Off", "y", "N", "null", "TRUE"])
def test_reserved_words_are_quoted(word: str) -> None:
    assert to_text({"a": word}) == f'a: "{word}"\n'
