"""Test that evercert neither delivers, revokes nor cancels what other clients made at Infisical."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from evercert.contracts.issuer import OpenIssuer, Request
from evercert.documents.spec import Spec
from evercert.errors import Rejected, Unavailable
from evercert.pki.keys import PrivateKey
from tests.contract.issuers.infisical.test_issuer import RENEW, THEIRS, bundle, follow
from tests.contract.issuers.infisical.test_odd_answers import answers
from tests.contract.issuers.infisical.test_recovery import OTHER, delivered_in_the_end, issued
from tests.doubles.enrollment import Enrollment, enrolled
from tests.doubles.fakes import FakeDestination, spec
from tests.doubles.infisical.store import Request as RequestedFields

MANUAL = {"csr": None, "renewalKeySource": "new", "attributes": None}


@pytest.fixture
def enrollment() -> Iterator[Enrollment]:
    with enrolled() as enrollment:
        yield enrollment


def renew_manually(enrollment: Enrollment, **changes: Any) -> RequestedFields:
    """Renew the first certificate as an operator does in Infisical; the request inherits evercert's token."""
    server = enrollment.server
    with server.store.lock:
        return server._renewing._renewed(server.issued[0], None, {**MANUAL, **changes})


def check_and_renew(enrollment: Enrollment) -> None:
    enrollment.bench.clock.now = enrollment.bench.record().check_at
    assert [enrollment.run(), enrollment.run()] == ["checked", "certificate.renewed"], enrollment.error


# -- an issuer without a profile ---------------------------------------------------------------------------------------
def test_issuer_without_profile_revokes_and_cancels_nothing(enrollment: Enrollment) -> None:
    enrollment.want(**THEIRS)
    enrollment.run()
    found, reference = bundle(enrollment).chain, enrollment.server.issued[0].id
    issuer = enrollment.define(application=None, profile=None)
    before = len(enrollment.server.calls)
    with pytest.raises(
        Rejected, match=f"did not change certificate {reference}: this issuer only follows certificates"
    ):
        issuer.revoke(found, reference)
    with pytest.raises(Rejected, match="did not change request 7: this issuer only follows certificates"):
        issuer.cancel("7")
    lost = Request("web", spec(), None, 1, "token", enrollment.bench.clock())
    assert issuer.withdraw(lost) is False
    assert len(enrollment.server.calls) == before


def test_followed_certificate_is_left_when_superseded(enrollment: Enrollment) -> None:
    enrollment.want(**THEIRS)
    enrollment.run()
    foreign = enrollment.server.issued[0]
    follow(enrollment, foreign.id)
    bench = enrollment.bench
    destination = bench.destinations.known["followed"] = FakeDestination("followed")
    destination.errors = [Unavailable("no")]
    assert bench.run("followed") == "certificate.failed"
    followed = bench.issuers.known["main"]
    enrollment.define()
    bench.issuers.known |= {"main": followed, "own": bench.issuers.known["main"]}
    wanted = {"name": "followed", "issuer": "own", "attributes": {"common-name": "own.example.com", "ttl": "90d"}}
    bench.edit(Spec.model_validate({**wanted, "destinations": [{"type": "fake", "to": "followed"}]}))
    bench.clock.advance(minutes=1)
    assert bench.run("followed") == "certificate.issued"
    assert isinstance(followed, OpenIssuer) and foreign.revoked is None
    assert "not revoked: it was issued elsewhere" in bench.announcer.announced[-1].data["gave_up"]


# -- a renewal made by another client ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "changed",
    [
        {"altNames": [{"type": "dns_name", "value": "api.example.com"}]},
        {"extendedKeyUsages": ["client_auth"]},
        {"keyAlgorithm": "RSA_2048"},
    ],
    ids=["names", "usages", "key"],
)
def test_foreign_renewal_with_other_attributes_is_not_adopted(enrollment: Enrollment, changed: dict[str, Any]) -> None:
    enrollment.want(**THEIRS)
    enrollment.run()
    foreign = renew_manually(enrollment, attributes=changed).certificate
    check_and_renew(enrollment)
    assert foreign.revoked is None
    assert enrollment.bench.record().facts.reference == enrollment.server.issued[2].id


@pytest.mark.parametrize("stated", [True, False], ids=["stated", "not stated"])
def test_foreign_renewal_with_own_csr_is_not_adopted(enrollment: Enrollment, stated: bool) -> None:
    """The answer may or may not state that Infisical has no private key."""
    enrollment.want(**THEIRS)
    enrollment.run()
    csr = PrivateKey.generate("EC_prime256v1").sign_csr(spec().attributes)
    foreign = renew_manually(enrollment, csr=csr, renewalKeySource="csr").certificate
    if not stated:
        answers(enrollment, "certificate", lambda answer: {**answer, "hasPrivateKey": None})
    check_and_renew(enrollment)
    assert foreign.revoked is None
    assert enrollment.bench.record().facts.reference == enrollment.server.issued[2].id


# -- a manual renewal that waits ---------------------------------------------------------------------------------------
def start_waiting_manual_renewal(enrollment: Enrollment) -> RequestedFields:
    """Make evercert's own renewal fail with a server error; return a manual renewal that waits for approval."""
    issued(enrollment)
    enrollment.server.switches.then("approval")
    foreign = renew_manually(enrollment)
    enrollment.server.switches.fault("status", RENEW, times=4)
    return foreign


def test_approved_manual_renewal_is_left_and_own_one_made(enrollment: Enrollment) -> None:
    foreign = start_waiting_manual_renewal(enrollment)
    assert enrollment.run() == "certificate.pending"
    enrollment.server.approve()
    assert enrollment.later() == "certificate.renewed", enrollment.error
    assert foreign.certificate.revoked is None
    assert enrollment.bench.record().facts.reference not in {foreign.certificate.id, enrollment.server.issued[0].id}


def test_rejected_manual_renewal_does_not_stop_own_one(enrollment: Enrollment) -> None:
    foreign = start_waiting_manual_renewal(enrollment)
    assert enrollment.run() == "certificate.pending"
    enrollment.server.reject()
    assert enrollment.later() == "certificate.renewed", enrollment.error
    assert foreign.status == "rejected"


def test_manual_renewal_is_not_cancelled_by_new_spec(enrollment: Enrollment) -> None:
    foreign = start_waiting_manual_renewal(enrollment)
    assert enrollment.run() == "certificate.pending"
    enrollment.bench.edit(spec(attributes=OTHER))
    delivered_in_the_end(enrollment)
    assert foreign.status == "pending_approval"
    assert ": another client may have made it" in enrollment.bench.announcer.announced[-1].data["gave_up"]


def test_manual_renewal_is_not_cancelled_if_own_one_was_lost(enrollment: Enrollment) -> None:
    foreign = start_waiting_manual_renewal(enrollment)
    enrollment.server.switches.fault("status", "/search", times=4)
    assert enrollment.run() == "certificate.failed"
    enrollment.bench.edit(spec(attributes=OTHER))
    delivered_in_the_end(enrollment)
    assert foreign.status == "pending_approval"
    assert "nothing found" in enrollment.bench.announcer.announced[-1].data["gave_up"]
