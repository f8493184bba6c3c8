"""Tests of the schedule: renewal times, retry delays, severities."""

import uuid
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evercert.contracts.record import RenewalAdvice
from evercert.documents.lifecycle import RenewBefore
from evercert.scheduling.schedule import (
    back_off,
    check_due,
    next_warning,
    renew_at,
    renewal_of,
    severity,
    warnings_due,
)
from tests.unit.scheduling.test_decision import DAY, FACTS, NOW, record

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
UID = "6f1c1e9a-3a0e-4c3b-9f0a-2f6d1a7b8c9d"
UIDS = [str(uuid.UUID(int=number)) for number in range(300)]
STEPS = [
    timedelta(minutes=5),
    timedelta(minutes=15),
    timedelta(hours=1),
    timedelta(hours=3),
    timedelta(hours=6),
    timedelta(hours=12),
]


def shares(lifetime):
    return [(renew_at(BEGIN, BEGIN + lifetime, None, uid)[0] - BEGIN) / lifetime for uid in UIDS]


@pytest.mark.parametrize(
    ("lifetime", "share"),
    [
        pytest.param(timedelta(days=90), 2 / 3, id="90 days"),
        pytest.param(timedelta(days=10), 2 / 3, id="10 days"),
        pytest.param(timedelta(days=10) - timedelta(seconds=1), 1 / 2, id="just under 10 days"),
        pytest.param(timedelta(minutes=2), 1 / 2, id="2 minutes"),
    ],
)
def test_renew_at_default_share_of_the_lifetime(lifetime, share):
    drawn = shares(lifetime)
    assert all(abs(found - share) <= 0.0501 for found in drawn)
    assert abs(sum(drawn) / len(drawn) - share) < 0.005


def test_renew_at_spreads_renewals():
    drawn = shares(timedelta(days=90))
    assert max(drawn) - min(drawn) > 0.09
    assert len(set(drawn)) > 290


def test_renew_at_default_is_never_clamped():
    assert renew_at(BEGIN, BEGIN + timedelta(days=90), None, UID)[1] is False


def test_renew_at_is_deterministic():
    assert renew_at(BEGIN, BEGIN + timedelta(days=90), None, UID) == renew_at(
        BEGIN, BEGIN + timedelta(days=90), None, UID
    )


@pytest.mark.parametrize(
    ("wish", "at", "clamped"),
    [
        pytest.param("30d", timedelta(days=60), False, id="as wished"),
        pytest.param("33%", timedelta(days=90) * 0.67, False, id="a share"),
        pytest.param("60d", timedelta(days=30), False, id="exactly a third is left alone"),
        pytest.param("61d", timedelta(days=30), True, id="too early"),
        pytest.param("99%", timedelta(days=30), True, id="too large a share"),
        pytest.param("1y", timedelta(days=30), True, id="longer than the certificate"),
        pytest.param("1s", timedelta(days=90) - timedelta(seconds=1), False, id="at the last moment"),
    ],
)
def test_renew_at_clamps_to_a_third_of_the_lifetime(wish, at, clamped):
    assert renew_at(BEGIN, BEGIN + timedelta(days=90), RenewBefore.parse(wish), UID) == (BEGIN + at, clamped)


@settings(database=None, derandomize=True, max_examples=100)
@given(
    st.timedeltas(timedelta(minutes=1), timedelta(days=36_500)),
    st.sampled_from([None, "1s", "1m", "30d", "1%", "66%", "99%", "100y"]),
    st.uuids(),
)
def test_renew_at_is_within_the_lifetime(lifetime, wish, uid):
    moment, _ = renew_at(BEGIN, BEGIN + lifetime, wish and RenewBefore.parse(wish), str(uid))
    assert BEGIN + lifetime / 3 <= moment < BEGIN + lifetime
    assert moment.microsecond == 0  # what is stored is what is computed again later


@pytest.mark.parametrize("failures", range(1, 9))
def test_back_off_grows_up_to_twelve_hours(failures):
    step = STEPS[min(failures, 6) - 1]
    waits = [back_off(failures, BEGIN, None, uid) - BEGIN for uid in UIDS]
    assert all(0.8 * step <= wait <= 1.2 * step for wait in waits)
    assert max(waits) - min(waits) > 0.3 * step


def test_back_off_jitter_differs_between_failures():
    fractions = {(back_off(n, BEGIN, None, UID) - BEGIN) / STEPS[n - 1] for n in range(1, 7)}
    assert len(fractions) == 6


@pytest.mark.parametrize(
    "left", [timedelta(minutes=2), timedelta(hours=1), timedelta(hours=20), timedelta(days=3)], ids=str
)
def test_back_off_fits_eight_attempts_before_expiry(left):
    now = tried = BEGIN
    for failures in range(1, 9):
        now = back_off(failures, now, BEGIN + left, UID)
        assert now > tried
        tried = now
    assert now <= BEGIN + left


def test_back_off_is_at_most_an_eighth_of_the_rest():
    assert back_off(6, BEGIN, BEGIN + timedelta(hours=8), UID) == BEGIN + timedelta(hours=1)


def test_back_off_is_at_least_ten_seconds():
    assert back_off(3, BEGIN, BEGIN + timedelta(seconds=5), UID) == BEGIN + timedelta(seconds=10)


def test_back_off_after_expiry_uses_the_usual_steps():
    for end in (BEGIN, BEGIN - timedelta(days=1)):
        assert back_off(6, BEGIN, end, UID) == back_off(6, BEGIN, None, UID)


@pytest.mark.parametrize(
    ("day", "level"),
    [
        pytest.param(0, "warning", id="before renewal was due"),
        pytest.param(60, "warning", id="just due"),
        pytest.param(77, "warning", id="some slack used"),
        pytest.param(78, "critical", id="60 % of the slack used"),
        pytest.param(89, "critical", id="nearly over"),
        pytest.param(90, "critical", id="expired"),
        pytest.param(200, "critical", id="long expired"),
    ],
)
def test_severity_depends_on_the_used_share(day, level):
    renew, end = BEGIN + timedelta(days=60), BEGIN + timedelta(days=90)
    assert severity(BEGIN + timedelta(days=day), renew, end) == level


@pytest.mark.parametrize(("renew", "end"), [(None, None), (BEGIN, None), (None, BEGIN + timedelta(days=9))])
def test_severity_without_a_certificate_is_critical(renew, end):
    assert severity(BEGIN, renew, end) == "critical"


def test_severity_without_slack_is_critical():
    assert severity(BEGIN, BEGIN + timedelta(days=2), BEGIN + timedelta(days=1)) == "critical"


def test_severity_only_grows():
    renew, end = BEGIN + timedelta(days=60), BEGIN + timedelta(days=90)
    levels = [severity(BEGIN + timedelta(hours=h), renew, end) for h in range(0, 24 * 100, 7)]
    rank = ["info", "warning", "critical"]
    assert all(rank.index(one) <= rank.index(next_one) for one, next_one in pairwise(levels))


@pytest.mark.parametrize("renew_before", [None, "30d", "1%", "99%", "never"])
@pytest.mark.parametrize("end", [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)])
@pytest.mark.parametrize("begin", [datetime.min.replace(tzinfo=UTC), BEGIN, datetime.max.replace(tzinfo=UTC)])
def test_renew_at_survives_any_stored_dates(begin, end, renew_before):
    renewal, _ = renew_at(begin, end, renew_before and RenewBefore.parse(renew_before), UID)
    assert renewal.tzinfo is UTC


@pytest.mark.parametrize(
    ("check_at", "due"),
    [
        pytest.param(None, True, id="never checked"),
        pytest.param(NOW, True, id="now"),
        pytest.param(NOW + DAY, False, id="after the interval"),
        pytest.param(NOW + 2 * DAY, True, id="beyond the interval"),
        pytest.param(datetime.max.replace(tzinfo=UTC), True, id="never"),
    ],
)
def test_check_due_bounds_the_time_by_the_interval(check_at, due):
    assert check_due(record(check_at=check_at), NOW) is due
    assert check_due(record(check_at=check_at, facts=None), NOW) is False


@pytest.mark.parametrize("warned", [4, 99_999_999])
def test_next_warning_ignores_impossible_counts(warned):
    assert next_warning(record(warned=warned)) == next_warning(record(warned=0))
    assert next_warning(record(warned=3)) is None
    assert warnings_due(record(), FACTS.not_after) == 3


def test_renewal_of_ignores_the_window_of_another_revision():
    usual = renewal_of(FACTS, record())
    window = RenewalAdvice(revision=FACTS.revision + 1, start=NOW, end=NOW + DAY)
    assert renewal_of(FACTS, record(advice=window)) == usual
    own = window.model_copy(update={"revision": FACTS.revision})
    assert NOW <= renewal_of(FACTS, record(advice=own)) <= NOW + DAY
