"""Tests of durations: grammar, bounds, formatting."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from evercert.durations import GRAMMAR, LONGEST, Duration, parse, to_text

ADAPTER = TypeAdapter(Duration)


@pytest.mark.parametrize(
    ("text", "span"),
    [
        pytest.param("90s", timedelta(seconds=90), id="seconds"),
        pytest.param("5m", timedelta(minutes=5), id="m is minutes"),
        pytest.param("36h", timedelta(hours=36), id="hours"),
        pytest.param("90d", timedelta(days=90), id="days"),
        pytest.param("2w", timedelta(days=14), id="weeks"),
        pytest.param("1y", timedelta(days=365), id="a year is 365 days"),
        pytest.param("1h30m", timedelta(minutes=90), id="compound"),
        pytest.param("100y", LONGEST, id="the longest"),
        pytest.param("007d", timedelta(days=7), id="leading zeros"),
    ],
)
def test_durations_parse_every_unit(text, span):
    assert parse(text) == span


@pytest.mark.parametrize(
    "text",
    ["", "90", "d", "1.5h", "-1d", "1 d", "1d ", "1D", "1mo", "1d\n"],
    ids=["empty", "no unit", "no count", "fraction", "negative", "space", "trailing space", "case", "month", "newline"],
)
def test_durations_error_states_the_grammar(text):
    with pytest.raises(ValueError) as caught:
        parse(text)
    assert repr(text) in str(caught.value)
    assert GRAMMAR in str(caught.value)


def test_durations_refuse_non_ascii_digits():
    with pytest.raises(ValueError, match="is not a duration"):
        parse("٣d")


@pytest.mark.parametrize("text", ["0s", "0d0h", "101y", "36501d", "999999999y", "999999999w999999999w"])
def test_durations_refuse_values_out_of_range(text):
    with pytest.raises(ValueError, match="out of range"):
        parse(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(5_400, "1h30m"), (86_400, "1d"), (90_061, "1d1h1m1s"), (31_536_000, "365d"), (0, "0s")],
)
def test_durations_format_the_shortest_exact_form(seconds, text):
    assert to_text(timedelta(seconds=seconds)) == text


@settings(database=None, derandomize=True, max_examples=100)
@given(st.integers(1, int(LONGEST.total_seconds())))
def test_reads_back_what_it_wrote(seconds):
    span = timedelta(seconds=seconds)
    assert parse(to_text(span)) == span


@pytest.mark.parametrize("value", [90, 1.5, None, True, ["1d"]], ids=repr)
def test_duration_field_accepts_text_and_timedelta_only(value):
    with pytest.raises(ValidationError, match="a duration is a whole number"):
        ADAPTER.validate_python(value)


def test_a_field_is_stored_as_text():
    assert ADAPTER.validate_python(timedelta(minutes=90)) == timedelta(minutes=90)
    assert ADAPTER.dump_python(ADAPTER.validate_python("90m"), mode="json") == "1h30m"
    assert ADAPTER.dump_python(ADAPTER.validate_python("90m")) == timedelta(minutes=90)
