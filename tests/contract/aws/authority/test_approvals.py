"""Contract of approvals: the emulator's table and the double."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from evercert.authority.contracts.approval_terms import ApprovalTerms, Decision
from evercert.authority.contracts.records import RequestRecord
from evercert.aws.authority.certificates import DynamoDBCertificates
from evercert.timestamps import to_text
from tests.doubles.authority.certificates import FakeCertificates
from tests.doubles.fakes import START
from tests.doubles.world import World
from tests.samples.authority import kept, requested

LATER = START + timedelta(hours=1)
TERMS = ApprovalTerms(2, START + timedelta(days=7), movable=True)


@pytest.fixture(params=["fake", "table"])
def certificates(request: pytest.FixtureRequest) -> Any:
    if request.param == "fake":
        return FakeCertificates()
    world: World = request.getfixturevalue("world")
    tables = (world.authority_table(name) for name in ("AuthorityTable", "AuthorityAuditTable"))
    return DynamoDBCertificates(world.operator.dynamodb, *tables)


def waiting(certificates: Any, **changes: Any) -> RequestRecord:
    found: RequestRecord = certificates.open(requested(status="pending_approval", approval=TERMS, **changes), None)
    return found


def decision(by: str = "one", *, approved: bool = True) -> Decision:
    return Decision(by, f"name of {by}", LATER, approved, "because")


def test_request_with_terms_round_trip(certificates: Any) -> None:
    request = waiting(certificates)
    assert certificates.request(request.id) == request


def test_decisions_are_kept_in_order(certificates: Any) -> None:
    request = waiting(certificates)
    first = certificates.decide(request, decision(), "pending_approval", None)
    assert (first.status, first.decisions, first.approved_at) == ("pending_approval", (decision(),), None)
    last = certificates.decide(first, decision("two"), "pending", None)
    assert (last.status, last.approved_at, last.updated_at) == ("pending", LATER, LATER)
    assert certificates.request(request.id) == last
    assert certificates.finish(last, kept(last)).id == last.certificate_id
    assert certificates.request(request.id).status == "issued"


def test_decision_about_an_older_state_is_refused(certificates: Any) -> None:
    request = waiting(certificates)
    certificates.decide(request, decision(), "pending_approval", None)
    later = replace(decision("two"), at=LATER + timedelta(seconds=1))
    for second in (decision("two"), later):
        assert certificates.decide(request, second, "pending_approval", None) is None
    assert certificates.request(request.id).decisions == (decision(),)


def test_one_of_two_decisions_at_the_same_time_is_stored(certificates: Any) -> None:
    request = waiting(certificates)
    with ThreadPoolExecutor(4) as pool:
        found = list(
            pool.map(lambda n: certificates.decide(request, decision(str(n)), "pending_approval", None), range(4))
        )
    assert sum(one is not None for one in found) == 1


@pytest.mark.parametrize("status", ["pending", "rejected"])
def test_decided_request_is_decided_once(certificates: Any, status: str) -> None:
    request = waiting(certificates)
    decided = certificates.decide(request, decision(), status, None)
    assert certificates.decide(decided, decision("two"), "rejected", "no") is None
    assert certificates.request(request.id).status == status


def test_rejection_releases_the_renewal(certificates: Any) -> None:
    first = certificates.open(requested(), None)
    old = certificates.finish(first, kept(first))
    renewal = waiting(certificates, renews=old.id)
    assert certificates.renewal_of(old.id).id == renewal.id
    certificates.decide(renewal, decision(approved=False), "rejected", "no")
    assert certificates.renewal_of(old.id) is None
    assert waiting(certificates, renews=old.id).id != renewal.id


def test_waiting_request_fails(certificates: Any) -> None:
    request = waiting(certificates)
    certificates.fail(request, "late")
    found = certificates.request(request.id)
    assert (found.status, found.error) == ("failed", "late")
    assert certificates.decide(found, decision(), "pending", None) is None


@pytest.mark.parametrize("status", ["pending", "rejected"])
def test_decided_request_does_not_fail_by_an_older_state(certificates: Any, status: str) -> None:
    """A cancellation, or the deadline, meets an approval: the request must not fail after it was approved."""
    first = certificates.open(requested(), None)
    old = certificates.finish(first, kept(first))
    seen = waiting(certificates, renews=old.id)
    decided = certificates.decide(seen, decision(approved=status == "pending"), status, None)
    certificates.fail(replace(seen, updated_at=LATER), "cancelled before its approval")
    assert certificates.request(seen.id) == decided
    assert (certificates.renewal_of(old.id) is None) == (status == "rejected")
    if status == "pending":
        assert certificates.finish(decided, kept(decided)).id == seen.certificate_id
        assert certificates.certificate(old.id).renewed_by == seen.certificate_id


def test_failure_of_an_approved_request_is_stored(certificates: Any) -> None:
    decided = certificates.decide(waiting(certificates), decision(), "pending", None)
    certificates.fail(replace(decided, updated_at=LATER), "the issuer said no")
    assert (certificates.request(decided.id).status, certificates.request(decided.id).error) == (
        "failed",
        "the issuer said no",
    )


def test_notices_are_due_at_once_and_after_each_end(certificates: Any) -> None:
    certificates.open(requested(), None)  # needs no approval
    request = waiting(certificates)
    (notice,) = certificates.notices(START, 10)
    assert (notice.request, notice.due_at) == (request.id, to_text(request.created_at))
    assert certificates.settle_notice(notice, TERMS.until)
    assert not certificates.settle_notice(notice, None)
    assert certificates.notices(LATER, 10) == []
    assert [one.due_at for one in certificates.waiting(10)] == [to_text(TERMS.until)]
    certificates.decide(request, decision(approved=False), "rejected", "no")
    (notice,) = certificates.notices(LATER, 10)
    assert certificates.settle_notice(notice, None)
    assert certificates.waiting(10) == []


def test_failure_is_announced(certificates: Any) -> None:
    request = waiting(certificates)
    (notice,) = certificates.notices(START, 10)
    certificates.settle_notice(notice, TERMS.until)
    certificates.fail(request, "cancelled")
    assert [one.request for one in certificates.notices(LATER, 10)] == [request.id]


def test_notices_are_limited_oldest_first(certificates: Any) -> None:
    found = [waiting(certificates, created_at=START - timedelta(minutes=number)).id for number in range(5)]
    assert [one.request for one in certificates.notices(START, 3)] == found[:1:-1]
