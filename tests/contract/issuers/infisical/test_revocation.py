"""Revoked or cancelled at Infisical: told as done when it is done, and never in the way of what is wanted now."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from evercert.errors import EvercertError, Misconfigured, Rejected, Unavailable
from tests.contract.issuers.infisical.test_issuer import ISSUE, bundle
from tests.contract.issuers.infisical.test_recovery import OTHER, delivered_in_the_end, issued
from tests.doubles.enrollment import Enrollment, enrolled
from tests.doubles.fakes import spec

REVOKE = "/revoke$"
CANCEL = "/cancel$"


@pytest.fixture
def enrollment() -> Iterator[Enrollment]:
    with enrolled() as enrollment:
        yield enrollment


@pytest.mark.parametrize("by", ["id", "thumbprint"])
def test_a_second_revocation_is_none(enrollment: Enrollment, by: str) -> None:
    """The server would answer it with 500."""
    enrollment.want()
    enrollment.run()
    chain, reference = bundle(enrollment).chain, enrollment.server.issued[0].id
    issuer = enrollment.define()
    for _ in range(2):
        issuer.revoke(chain, reference if by == "id" else None)
    assert enrollment.server.issued[0].revoked is not None
    assert enrollment.server.count(REVOKE) == 1


def test_a_revocation_whose_answer_was_lost_is_seen(enrollment: Enrollment) -> None:
    enrollment.want()
    enrollment.run()
    enrollment.server.switches.fault("drop-after", REVOKE)
    enrollment.define().revoke(bundle(enrollment).chain, enrollment.server.issued[0].id)
    assert enrollment.server.issued[0].revoked is not None


def test_a_revocation_that_is_not_done_is_no_success(enrollment: Enrollment) -> None:
    enrollment.want()
    enrollment.run()
    enrollment.server.switches.fault("status", REVOKE, times=None)
    with pytest.raises(Unavailable):
        enrollment.define().revoke(bundle(enrollment).chain, enrollment.server.issued[0].id)


def test_who_may_not_look_may_revoke(enrollment: Enrollment) -> None:
    enrollment.want()
    enrollment.run()
    enrollment.identity.permissions.discard("read certificates")
    enrollment.define().revoke(bundle(enrollment).chain, enrollment.server.issued[0].id)
    assert enrollment.server.issued[0].revoked is not None


def test_what_was_taken_back_by_a_run_that_died_is_taken_back(enrollment: Enrollment) -> None:
    """Else the issuer seemed to be out of order, and everybody else waited."""
    enrollment.server.switches.renew_ignores_csr = True
    issued(enrollment)
    enrollment.server.switches.then("approval")
    assert enrollment.run() == "certificate.pending"
    enrollment.server.approve()
    enrollment.server.switches.fault("status", ISSUE, times=4)
    assert enrollment.later() == "certificate.failed"
    delivered_in_the_end(enrollment)
    assert [one.revoked is not None for one in enrollment.server.issued] == [False, True, False]


def test_a_revocation_that_is_refused_does_not_end_a_renewal(enrollment: Enrollment) -> None:
    enrollment.server.switches.renew_ignores_csr = True
    enrollment.identity.permissions.discard("revoke certificates")
    issued(enrollment)
    assert enrollment.run() == "certificate.renewed", enrollment.error
    assert enrollment.bench.record().facts.reference == enrollment.server.issued[2].id


# -- cancelling ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("status", "kind"), [(400, Rejected), (403, Misconfigured), (404, Misconfigured)])
def test_a_cancel_that_is_refused_is_not_told_as_done(enrollment, status: int, kind: type[EvercertError]) -> None:
    enrollment.server.switches.then("approval")
    enrollment.want()
    enrollment.run()
    (request,) = enrollment.server.store.open_requests()
    enrollment.server.switches.fault("status", CANCEL, status=status, times=None)
    with pytest.raises(kind, match=f"cannot cancel request {request.id}: the server answered {status}"):
        enrollment.define().cancel(request.id)
    enrollment.bench.edit(spec(attributes=OTHER))
    delivered_in_the_end(enrollment)
    gave_up = enrollment.bench.announcer.announced[-1].data["gave_up"]
    assert "left as is: revoking or cancelling failed: cannot cancel request" in gave_up


def test_a_cancel_that_changes_nothing_is_not_told_as_done(enrollment: Enrollment) -> None:
    enrollment.server.switches.then("approval")
    enrollment.want()
    enrollment.run()
    (request,) = enrollment.server.store.open_requests()
    request.status = "archived"  # a word of a later server
    with pytest.raises(Rejected, match=f"cannot cancel request {request.id}: the server left it open"):
        enrollment.define().cancel(request.id)


@pytest.mark.parametrize("status", ["failed", "rejected", "cancelled"])
def test_what_has_come_to_nothing_needs_no_cancel(enrollment: Enrollment, status: str) -> None:
    enrollment.server.switches.then("approval")
    enrollment.want()
    enrollment.run()
    (request,) = enrollment.server.store.open_requests()
    request.status = status
    enrollment.server.switches.fault("status", CANCEL, status=400)
    issuer = enrollment.define()
    issuer.cancel(request.id)
    issuer.cancel(request.id)
    assert request.status == status


def test_what_was_approved_meanwhile_is_revoked(enrollment: Enrollment) -> None:
    enrollment.server.switches.then("approval")
    enrollment.want()
    enrollment.run()
    (request,) = enrollment.server.approve()
    enrollment.define().cancel(request.id)
    assert request.certificate.revoked is not None
