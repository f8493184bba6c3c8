"""Test that revoke and cancel at Infisical report their real result and never block the current request."""

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
def test_revoke_twice_sends_one_request(enrollment: Enrollment, by: str) -> None:
    """Infisical answers a second revocation with status 500, so none is sent."""
    enrollment.want()
    enrollment.run()
    chain, reference = bundle(enrollment).chain, enrollment.server.issued[0].id
    issuer = enrollment.define()
    for _ in range(2):
        issuer.revoke(chain, reference if by == "id" else None)
    assert enrollment.server.issued[0].revoked is not None
    assert enrollment.server.count(REVOKE) == 1


def test_revoke_detects_success_after_lost_answer(enrollment: Enrollment) -> None:
    enrollment.want()
    enrollment.run()
    enrollment.server.switches.fault("drop-after", REVOKE)
    enrollment.define().revoke(bundle(enrollment).chain, enrollment.server.issued[0].id)
    assert enrollment.server.issued[0].revoked is not None


def test_revoke_fails_if_not_revoked(enrollment: Enrollment) -> None:
    enrollment.want()
    enrollment.run()
    enrollment.server.switches.fault("status", REVOKE, times=None)
    with pytest.raises(Unavailable):
        enrollment.define().revoke(bundle(enrollment).chain, enrollment.server.issued[0].id)


def test_revoke_works_without_read_permission(enrollment: Enrollment) -> None:
    enrollment.want()
    enrollment.run()
    enrollment.identity.permissions.discard("read certificates")
    enrollment.define().revoke(bundle(enrollment).chain, enrollment.server.issued[0].id)
    assert enrollment.server.issued[0].revoked is not None


def test_renewal_resumes_after_wrong_key_was_revoked(enrollment: Enrollment) -> None:
    """A failed second revocation would open the circuit breaker for every certificate of the issuer."""
    enrollment.server.switches.renew_ignores_csr = True
    issued(enrollment)
    enrollment.server.switches.then("approval")
    assert enrollment.run() == "certificate.pending"
    enrollment.server.approve()
    enrollment.server.switches.fault("status", ISSUE, times=4)
    assert enrollment.later() == "certificate.failed"
    delivered_in_the_end(enrollment)
    assert [one.revoked is not None for one in enrollment.server.issued] == [False, True, False]


def test_renewal_continues_if_revoke_is_refused(enrollment: Enrollment) -> None:
    enrollment.server.switches.renew_ignores_csr = True
    enrollment.identity.permissions.discard("revoke certificates")
    issued(enrollment)
    assert enrollment.run() == "certificate.renewed", enrollment.error
    assert enrollment.bench.record().facts.reference == enrollment.server.issued[2].id


# -- cancel ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("status", "kind"), [(400, Rejected), (403, Misconfigured), (404, Misconfigured)])
def test_cancel_reports_refusal(enrollment, status: int, kind: type[EvercertError]) -> None:
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
    assert "not revoked: revoking or cancelling failed: cannot cancel request" in gave_up


def test_cancel_reports_request_left_open(enrollment: Enrollment) -> None:
    enrollment.server.switches.then("approval")
    enrollment.want()
    enrollment.run()
    (request,) = enrollment.server.store.open_requests()
    request.status = "archived"  # a status that evercert does not know
    with pytest.raises(Rejected, match=f"cannot cancel request {request.id}: the server left it open"):
        enrollment.define().cancel(request.id)


@pytest.mark.parametrize("status", ["failed", "rejected", "cancelled"])
def test_cancel_accepts_ended_request(enrollment: Enrollment, status: str) -> None:
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


def test_cancel_revokes_certificate_approved_meanwhile(enrollment: Enrollment) -> None:
    enrollment.server.switches.then("approval")
    enrollment.want()
    enrollment.run()
    (request,) = enrollment.server.approve()
    enrollment.define().cancel(request.id)
    assert request.certificate.revoked is not None
