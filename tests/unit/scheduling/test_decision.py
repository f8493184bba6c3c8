"""Tests of decisions: due reasons and holds."""

from datetime import UTC, datetime, timedelta

import pytest

from evercert.contracts.record import Delivery, Facts, Failure, Finding, Pending, Record
from evercert.deadline import CLOCK_TOLERANCE
from evercert.documents.spec import Spec
from evercert.pki.certificate import Chain
from evercert.pki.keys import PrivateKey
from evercert.scheduling.decision import (
    LONGEST_AHEAD,
    LONGEST_HOLD,
    Idle,
    Resume,
    Start,
    Wait,
    decide,
    due_reason,
    held_until,
)
from evercert.scheduling.schedule import renewal_time
from tests.unit.issuers.test_self_signed import issue

NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)
DAY = timedelta(days=1)
ISSUER = "hash of the issuer"
SPEC = Spec.model_validate(
    {
        "name": "web",
        "issuer": "development",
        "attributes": {"common-name": "www.example.com"},
        "lifecycle": {"renew-before-expiry": "30d"},
        "destinations": [{"type": "secrets-manager", "secret": "web"}],
    }
)
EDITED = SPEC.model_copy(update={"issuer": "other"})
MORE_DESTINATIONS = Spec.model_validate(
    {**SPEC.document(), "destinations": [{"type": "secrets-manager", "secret": "web"}, {"type": "acm"}]}
)
FACTS = Facts(
    revision=3,
    serial_number="0A",
    not_before=NOW,
    not_after=NOW + 90 * DAY,
    fingerprint_sha256="00",
    common_name="www.example.com",
    names=("dns:www.example.com",),
)

CSR = PrivateKey.generate("EC_prime256v1").sign_csr(SPEC.attributes)


def record(**changes):
    """Return a delivered record at rest with the test's changes."""
    settled = {
        "name": "web",
        "uid": "6f1c1e9a-3a0e-4c3b-9f0a-2f6d1a7b8c9d",
        "spec": SPEC,
        "generation": 2,
        "state": "ready",
        "revision": 3,
        "facts": FACTS,
        "request_hash": SPEC.request_hash,
        "issuer_hash": ISSUER,
        "deliveries": {SPEC.destinations[0].key: Delivery(revision=3, location="arn", version="v")},
    }
    return Record(**{**settled, **changes})


def pending(**changes):
    under_way = {
        "revision": 4,
        "reason": "near-expiry",
        "generation": 2,
        "issuer": "main",
        "request_hash": SPEC.request_hash,
        "issuer_hash": ISSUER,
        "sealed_key": "sealed",
        "csr": CSR,
    }
    return Pending(**{**under_way, **changes})


def failure(**changes):
    return Failure(
        **{"kind": "unavailable", "message": "busy", "at": NOW, "generation": 2, "issuer_hash": ISSUER, **changes}
    )


def answered(now):
    """Return a chain that was issued at this time for 90 days."""
    return issue(now)[2].pem


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({"facts": None}, "missing", id="never issued"),
        pytest.param({"spec": EDITED}, "spec-changed", id="another issuer named"),
        pytest.param({"request_hash": None}, "spec-changed", id="unknown request hash"),
        pytest.param({"spec": MORE_DESTINATIONS}, "spec-changed", id="a destination that has nothing yet"),
        pytest.param({"deliveries": {}}, "spec-changed", id="no destination has it"),
        pytest.param({"issuer_hash": "another"}, "issuer-changed", id="issuer moved"),
        pytest.param({"requested_at": NOW}, "requested", id="requested"),
        pytest.param({"requested_at": NOW, "served": NOW - DAY}, "requested", id="requested again"),
        pytest.param({"requested_at": NOW, "served": NOW}, None, id="request served"),
        pytest.param({}, None, id="at rest"),
    ],
)
def test_due_reason_of_each_change(changes, reason):
    assert due_reason(record(**changes), ISSUER, NOW) == reason


def test_due_reason_near_expiry_uses_the_dates():
    renewal = NOW + 60 * DAY
    assert renewal_time(record()) == renewal
    assert due_reason(record(), ISSUER, renewal - timedelta(milliseconds=1)) is None
    assert due_reason(record(), ISSUER, renewal) == "near-expiry"


def test_due_reason_counts_the_beginning():
    assert due_reason(record(), ISSUER, FACTS.not_before - CLOCK_TOLERANCE) is None
    assert (
        due_reason(record(), ISSUER, FACTS.not_before - CLOCK_TOLERANCE - timedelta(milliseconds=1)) == "not-yet-valid"
    )


def test_due_reason_returns_the_first_reason():
    everything = {"facts": None, "spec": EDITED, "issuer_hash": "another", "requested_at": NOW}
    told = []
    for settle in ({"facts": FACTS}, {"spec": SPEC}, {"issuer_hash": ISSUER}, {"requested_at": None}, {}):
        told.append(due_reason(record(**everything), ISSUER, NOW + 80 * DAY))
        everything |= settle
    assert told == ["missing", "spec-changed", "issuer-changed", "requested", "near-expiry"]


@pytest.mark.parametrize("labels", [{}, {"team": "other"}])
def test_due_reason_ignores_labels(labels):
    edited = SPEC.model_copy(update={"labels": labels})
    assert due_reason(record(spec=edited, generation=3), ISSUER, NOW) is None


def test_due_reason_follows_a_changed_renew_before():
    later = Spec.model_validate({**SPEC.document(), "lifecycle": {"renew-before-expiry": "10d"}})
    assert decide(record(spec=later), ISSUER, NOW + 70 * DAY) == Idle()
    assert renewal_time(record(spec=later)) == NOW + 80 * DAY
    assert decide(record(), ISSUER, NOW + 70 * DAY) == Start("near-expiry")


def test_decide_is_idle_before_renewal():
    assert decide(record(), ISSUER, NOW) == Idle()


def test_decide_starts_without_a_certificate():
    assert decide(record(facts=None), ISSUER, NOW) == Start("missing")


def test_decide_resumes_the_pending_revision():
    assert decide(record(facts=None, pending=pending()), ISSUER, NOW) == Resume(pending())


@pytest.mark.parametrize(
    "changes",
    [{"request_hash": "another"}, {"issuer_hash": "another"}],
    ids=["another request", "another issuer"],
)
def test_decide_gives_up_a_superseded_revision(changes):
    stale = pending(**changes)
    assert decide(record(facts=None, pending=stale), ISSUER, NOW) == Start("missing", stale)


def test_decide_is_idle_after_a_reverted_edit():
    stale = pending(request_hash="another")
    assert decide(record(pending=stale), ISSUER, NOW) == Idle(stale)


def test_decide_delivers_an_issued_chain_until_renewal():
    ready = pending(chain=answered(NOW))
    renewal = Facts.of(Chain.from_pem(ready.chain), 4).not_after - 30 * DAY
    assert decide(record(facts=None, pending=ready), ISSUER, renewal - timedelta(milliseconds=1)) == Resume(ready)
    assert decide(record(facts=None, pending=ready), ISSUER, renewal) == Start("missing", ready)


@pytest.mark.parametrize("spoiled", [{"csr": "x"}, {"csr": ""}, {"chain": "x"}, {"csr": "x", "chain": ""}])
def test_decide_replaces_a_revision_with_spoiled_parts(spoiled):
    under_way = pending(**{"chain": answered(NOW), **spoiled})
    assert decide(record(facts=None, pending=under_way), ISSUER, NOW) == Start("missing", under_way)


@pytest.mark.parametrize(
    ("ahead", "wait"),
    [
        (timedelta(minutes=1), None),
        (LONGEST_AHEAD, None),
        (LONGEST_AHEAD + timedelta(seconds=1), timedelta(seconds=1)),
        (10 * DAY, 9 * DAY),
        (400 * DAY, LONGEST_HOLD),
    ],
)
def test_decide_requests_a_day_before_not_before(ahead, wait):
    attributes = SPEC.attributes.model_copy(update={"not_before": NOW + ahead})
    later = record(facts=None, spec=SPEC.model_copy(update={"attributes": attributes}))
    assert decide(later, ISSUER, NOW) == (Start("missing") if wait is None else Wait(NOW + wait))


def test_decide_waits_for_the_issuers_retry_time():
    told = NOW + timedelta(minutes=3)
    waiting = pending(retry_at=told)
    assert decide(record(pending=waiting), ISSUER, told - timedelta(seconds=1)) == Wait(told)
    assert decide(record(pending=waiting), ISSUER, told) == Resume(waiting)


def test_decide_waits_for_the_back_off():
    failed = record(facts=None, last_error=failure(), failures=1, retry_at=NOW + DAY)
    assert decide(failed, ISSUER, NOW) == Wait(NOW + DAY)
    assert decide(failed, ISSUER, NOW + DAY) == Start("missing")


def test_decide_uses_the_later_of_two_holds():
    both = record(pending=pending(retry_at=NOW + DAY), last_error=failure(), retry_at=NOW + 2 * DAY)
    assert decide(both, ISSUER, NOW) == Wait(NOW + 2 * DAY)
    assert held_until(both, ISSUER, NOW) == NOW + 2 * DAY
    assert held_until(record(pending=pending(retry_at=NOW + DAY)), ISSUER, NOW) is None


def test_held_until_ignores_times_beyond_any_back_off():
    failed = record(facts=None, last_error=failure(), failures=1, retry_at=NOW + LONGEST_HOLD + DAY)
    assert held_until(failed, ISSUER, NOW) is None
    assert decide(failed, ISSUER, NOW) == Start("missing")


def test_decide_ignores_failures_in_the_future():
    ahead = failure().model_copy(update={"at": NOW + 90 * DAY})
    assert held_until(record(last_error=ahead, retry_at=NOW + 91 * DAY), ISSUER, NOW) is None


@pytest.mark.parametrize(
    ("changes", "issuer"),
    [
        pytest.param({"generation": 3}, ISSUER, id="an edit"),
        pytest.param({"requested_at": NOW}, ISSUER, id="a request"),
        pytest.param({}, "fixed", id="a fixed issuer"),
    ],
)
def test_decide_ends_the_back_off_after_a_change(changes, issuer):
    failed = record(**{"facts": None, "last_error": failure(), "failures": 9, "retry_at": NOW + DAY, **changes})
    assert held_until(failed, issuer, NOW) is None
    assert decide(failed, issuer, NOW) == Start("missing")


def test_decide_keeps_the_issuers_hold_after_a_request():
    waiting = record(pending=pending(retry_at=NOW + DAY), requested_at=NOW)
    assert decide(waiting, ISSUER, NOW) == Wait(NOW + DAY)


def test_decide_drops_the_old_hold_after_an_edit():
    stale = pending(request_hash="another", retry_at=NOW + DAY)
    assert decide(record(facts=None, pending=stale), ISSUER, NOW) == Start("missing", stale)


def test_held_until_is_none_without_a_failure():
    assert held_until(record(), ISSUER, NOW) is None


def test_renewal_time_is_none_without_a_certificate():
    assert renewal_time(record(facts=None)) is None


@pytest.mark.parametrize(
    "changes",
    [{"woken_at": NOW + 365 * DAY}, {"finding": Finding(reason="drifted", revision=3, found_at=NOW + 365 * DAY)}],
    ids=["woken", "finding"],
)
def test_moment_ahead_ends_no_back_off(changes):
    """A wrong clock wrote it, or a manual edit; else each run would fail and announce it again at once."""
    failed = record(last_error=failure(), retry_at=NOW + DAY, **changes)
    later = NOW + timedelta(hours=1)
    assert held_until(failed, ISSUER, later) == NOW + DAY
    assert decide(failed, ISSUER, later) in (Wait(NOW + DAY), Idle(None))
