"""Timestamps of RFC 3339."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evercert.acme.times import parse

NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("2026-01-15T12:00:00Z", NOON, id="UTC"),
        pytest.param("2026-01-15t12:00:00z", NOON, id="lower case"),
        pytest.param("2026-01-15 12:00:00Z", NOON, id="space"),
        pytest.param("2026-01-15T14:00:00+02:00", NOON, id="east"),
        pytest.param("2026-01-15T01:30:00-10:30", NOON, id="west"),
        pytest.param("2026-01-15T12:00:00-00:00", NOON, id="unknown local offset"),
        pytest.param("2026-01-15T12:00:00.5Z", NOON.replace(microsecond=500_000), id="one digit"),
        pytest.param("2026-01-15T12:00:00.07Z", NOON.replace(microsecond=70_000), id="two digits"),
        pytest.param("2026-01-15T12:00:00.123456Z", NOON.replace(microsecond=123_456), id="microseconds"),
        pytest.param("2026-01-15T12:00:00.123456999Z", NOON.replace(microsecond=123_456), id="nanoseconds of Go"),
        pytest.param("2026-01-15T12:00:00.00000050+00:00", NOON, id="below a microsecond"),
        pytest.param("9999-12-31T23:59:59Z", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC), id="last"),
        pytest.param("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC), id="first"),
    ],
)
def test_parse_accepts_timestamps(text: str, expected: datetime) -> None:
    found = parse(text)
    assert found == expected
    assert found.tzinfo is UTC


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("", id="empty"),
        pytest.param("2026-01-15", id="date"),
        pytest.param("2026-01-15T12:00:00", id="no zone"),
        pytest.param("2026-01-15T12:00Z", id="no seconds"),
        pytest.param("20260115T120000Z", id="basic form"),
        pytest.param("2026-01-15T12:00:00.Z", id="no digits"),
        pytest.param("2026-01-15T12:00:00,5Z", id="comma"),
        pytest.param("2026-01-15T12:00:00+0200", id="offset without a colon"),
        pytest.param("2026-01-15T12:00:00+24:00", id="offset of a day"),
        pytest.param("2026-02-30T12:00:00Z", id="30 February"),
        pytest.param("2026-13-01T12:00:00Z", id="month 13"),
        pytest.param("2026-01-15T25:00:00Z", id="hour 25"),
        pytest.param("2026-01-15T12:60:00Z", id="minute 60"),
        pytest.param("2026-01-15T12:00:00Z\n", id="line end"),
        pytest.param(" 2026-01-15T12:00:00Z", id="space before"),
        pytest.param("٢٠٢٦-01-15T12:00:00Z", id="Arabic digits"),
        pytest.param("2026-W03-4T12:00:00Z", id="week"),
        pytest.param("0000-01-01T00:00:00Z", id="year 0"),
        pytest.param("0001-01-01T00:00:00+14:00", id="before the year 1"),
        pytest.param("9999-12-31T23:59:59-14:00", id="after the year 9999"),
        pytest.param(f"2026-01-15T12:00:00.{'1' * 31}Z", id="31 digits"),
        pytest.param(1_768_478_400, id="number"),
        pytest.param(None, id="missing"),
        pytest.param(["2026-01-15T12:00:00Z"], id="list"),
    ],
)
def test_parse_refuses_other_values(value: object) -> None:
    with pytest.raises(ValueError):
        parse(value)


@given(st.datetimes(timezones=st.just(UTC)))
def test_parse_reverses_isoformat(moment: datetime) -> None:
    assert parse(moment.isoformat()) == moment
