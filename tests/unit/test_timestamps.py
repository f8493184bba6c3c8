"""Tests of timestamps: UTC, milliseconds, sortable text."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from evercert.schema import Instant
from evercert.timestamps import from_text, to_text

ADAPTER = TypeAdapter(Instant)
MOMENTS = st.datetimes(datetime(1950, 1, 1), datetime(9999, 12, 30), timezones=st.just(UTC))  # RFC 5280's range


def test_timestamps_have_milliseconds_in_utc():
    assert to_text(datetime(2026, 11, 21, 9, 11, 58, 42_999, tzinfo=UTC)) == "2026-11-21T09:11:58.042Z"


def test_timestamps_convert_other_zones_to_utc():
    there = timezone(timedelta(hours=5, minutes=30))
    assert to_text(datetime(2026, 1, 1, 2, tzinfo=there)) == "2025-12-31T20:30:00.000Z"


@settings(database=None, derandomize=True, max_examples=100)
@given(MOMENTS)
def test_timestamps_round_trip_to_the_millisecond(moment):
    assert from_text(to_text(moment)) == moment - timedelta(microseconds=moment.microsecond % 1000)


@settings(database=None, derandomize=True, max_examples=100)
@given(MOMENTS, MOMENTS)
def test_timestamps_sort_as_text(one, other):
    assert (to_text(one) < to_text(other)) == (from_text(to_text(one)) < from_text(to_text(other)))
    assert len(to_text(one)) == 24


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("2026-11-21T09:11:58Z", id="no milliseconds"),
        pytest.param("2026-11-21T09:11:58.042", id="no zone"),
        pytest.param("2026-11-21T09:11:58.042+", id="another zone"),
        pytest.param("2026-11-21 09:11:58.042Z", id="a space"),
        pytest.param("2026-13-21T09:11:58.042Z", id="month 13"),
        pytest.param("2026-11-21T09:11:58.042z", id="small z"),
        pytest.param("2026-1-21T09:11:58.0421Z", id="a digit short, a digit long"),
        pytest.param("2026-11-21T9:11:58.04200Z", id="too long"),
    ],
)
def test_timestamps_refuse_other_forms(text):
    with pytest.raises(ValueError):
        from_text(text)


@pytest.mark.parametrize("value", [1_768_478_400, None, "soon", 1.5], ids=repr)
def test_timestamp_field_refuses_other_values(value):
    with pytest.raises(ValidationError, match="not a timestamp"):
        ADAPTER.validate_python(value)


def test_timestamp_field_refuses_naive_datetimes():
    with pytest.raises(ValidationError):
        ADAPTER.validate_python(datetime(2026, 1, 15, 12))


def test_a_field_is_stored_as_text():
    moment = datetime(2026, 1, 15, 12, tzinfo=UTC)
    assert ADAPTER.validate_python(moment) == moment
    assert ADAPTER.dump_python(ADAPTER.validate_python("2026-01-15T12:00:00.000Z"), mode="json") == to_text(moment)
