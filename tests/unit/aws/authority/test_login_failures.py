"""The item of login failures: its form, and conditions on the stored attributes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from evercert.authority.contracts.records import LoginFailures
from evercert.aws.authority import login_failures
from tests.doubles.fakes import START
from tests.samples.stored_values import VALUES

NAMES = ("failures", "counted_until", "locked_until")
COUNTED = LoginFailures(2, counted_until=START)
LOCKED = LoginFailures(locked_until=START + timedelta(days=1))


@pytest.mark.parametrize("failures", [COUNTED, LOCKED, LoginFailures()], ids=["counted", "locked", "none"])
def test_failures_round_trip(failures: LoginFailures) -> None:
    assert login_failures.read(login_failures.written(failures)) == failures


@pytest.mark.parametrize("failures", [COUNTED, LOCKED], ids=["counted", "locked"])
def test_item_outlives_its_times(failures: LoginFailures) -> None:
    end = max(moment for moment in (failures.counted_until, failures.locked_until) if moment)
    assert int(login_failures.written(failures)["expires_at"]["N"]) == (end + timedelta(hours=1)).timestamp()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", VALUES, ids=lambda value: str(value)[:40])
def test_condition_repeats_the_stored_value(name: str, value: dict[str, Any]) -> None:
    """Otherwise a manual edit would be overwritten unseen, or refuse every login."""
    seen = login_failures.read({"pk": {"S": "client#x"}, name: value})
    condition, arguments = login_failures.unchanged(seen)
    assert f"#{name} = :{name}" in condition
    assert arguments["ExpressionAttributeValues"] == {f":{name}": value}
    assert all(f"attribute_not_exists(#{other})" in condition for other in NAMES if other != name)


def test_condition_of_an_absent_item_has_no_values() -> None:
    condition, arguments = login_failures.unchanged(login_failures.read({}))
    assert condition.count("attribute_not_exists") == 3
    assert set(arguments) == {"ExpressionAttributeNames"}


@pytest.mark.parametrize("number", ["9.99E+125", "-9.99E+125", "99999999999999999999"])
def test_time_outside_of_all_years_is_none(number: str) -> None:
    for name in ("counted_until", "locked_until"):
        assert login_failures.read({name: {"N": number}}) == LoginFailures()


@pytest.mark.parametrize("value", [{"N": "-1"}, {"N": "1E-130"}, {"S": "5"}, {"BOOL": True}, {"NULL": True}], ids=str)
def test_invalid_count_is_zero(value: dict[str, Any]) -> None:
    assert login_failures.read({"failures": value}).count == 0
