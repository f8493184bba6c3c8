"""Errors: sorted by what to do next, and never a stranger's control characters or a secret."""

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
def test_each_error_says_what_kind_it_is_and_whether_the_revision_is_lost(error, kind, abandons):
    raised = error("words")
    assert isinstance(raised, EvercertError)
    assert (raised.kind, raised.abandons, str(raised)) == (kind, abandons, "words")


def test_an_unavailable_peer_may_name_no_time():
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
def test_foreign_text_is_shown_without_control_characters(text, shown):
    assert printable(text) == shown


@settings(database=None, derandomize=True, max_examples=60)
@given(st.text(max_size=40), st.integers(1, 50))
def test_foreign_text_is_short_and_printable_whatever_it_was(text, limit):
    assert len(printable(text, limit)) <= limit
    assert printable(text, limit).isprintable()


def test_a_cut_is_marked():
    assert len(printable("x" * 501)) == 500
    assert printable("x" * 501).endswith("…")
    assert printable("x" * 500) == "x" * 500


def test_an_unexpected_error_names_type_and_place_but_not_its_text():
    with pytest.raises(KeyError) as caught:
        {}["hunter2"]
    told = str(Unexpected.of(caught.value))
    assert "KeyError" in told
    assert "test_errors.py:" in told
    assert "hunter2" not in told


def test_an_unexpected_error_without_a_traceback_is_told_too():
    assert "ValueError" in str(Unexpected.of(ValueError("hunter2")))
