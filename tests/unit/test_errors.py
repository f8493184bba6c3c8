"""Tests of errors: kinds, flags, and messages without control characters or secrets."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evercert.errors import (
    ClaimLost,
    EvercertError,
    GaveUp,
    Misconfigured,
    OutOfTime,
    Rejected,
    SealBroken,
    Unavailable,
    Unexpected,
)
from evercert.schema import printable


@pytest.mark.parametrize(
    ("error", "kind", "abandons"),
    [
        (Rejected, "rejected", True),
        (Unavailable, "unavailable", False),
        (GaveUp, "unavailable", True),
        (Misconfigured, "misconfigured", False),
        (SealBroken, "misconfigured", True),
        (Unexpected, "unexpected", False),
        (ClaimLost, "claim-lost", False),
        (OutOfTime, "out-of-time", False),
    ],
)
def test_errors_have_kind_and_abandon_flag(error, kind, abandons):
    raised = error("words")
    assert isinstance(raised, EvercertError)
    assert (raised.kind, raised.abandons, str(raised)) == (kind, abandons, "words")


def test_unavailable_works_without_retry_after():
    assert Unavailable("busy").retry_after is None


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("a\x1b[2Jb", "a [2Jb", id="terminal escape"),
        pytest.param("a\r\nINFO forged", "a INFO forged", id="forged line"),
        pytest.param("a\x00\x07b", "a b", id="NUL and bell"),
        pytest.param("a\u202eb", "a b", id="right-to-left override"),
        pytest.param("a\u2028b\x85c", "a b c", id="other line ends"),
        pytest.param("\ud800", "", id="lone surrogate"),
        pytest.param("  größer  ", "größer", id="plain words stay"),
    ],
)
def test_printable_removes_control_characters(text, shown):
    assert printable(text) == shown


@settings(database=None, derandomize=True, max_examples=60)
@given(st.text(max_size=40), st.integers(1, 50))
def test_printable_limits_any_text(text, limit):
    assert len(printable(text, limit)) <= limit
    assert printable(text, limit).isprintable()


def test_printable_marks_truncation():
    assert len(printable("x" * 501)) == 500
    assert printable("x" * 501).endswith("…")
    assert printable("x" * 500) == "x" * 500


def test_unexpected_names_type_and_place_without_text():
    with pytest.raises(KeyError) as caught:
        {}["hunter2"]
    told = str(Unexpected.of(caught.value))
    assert "KeyError" in told
    assert "test_errors.py:" in told
    assert "hunter2" not in told


def test_unexpected_works_without_a_traceback():
    assert "ValueError" in str(Unexpected.of(ValueError("hunter2")))
