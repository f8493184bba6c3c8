"""What somebody else made or asked for at Infisical: neither delivered, nor revoked, nor cancelled by evercert."""

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

BY_HAND = {"csr": None, "renewalKeySource": "new", "attributes": None}


@pytest.fixture
def enrollment() -> Iterator[Enrollment]:
    with enrolled() as enrollment:
        yield enrollment


def renewed_by_hand(enrollment: Enrollment, **how: Any) -> RequestedFields:
    """Somebody renews the first certificate; the request carries evercert's token, as the certificate does."""
    server = enrollment.server
    with server.store.lock:
        return server._renewing._renewed(server.issued[0], None, {**BY_HAND, **how})


def checked_and_renewed(enrollment: Enrollment) -> None:
    enrollment.bench.clock.now = enrollment.bench.record().check_at
    assert [enrollment.run(), enrollment.run()] == ["checked", "certificate.renewed"], enrollment.error


# -- an issuer without a profile ---------------------------------------------------------------------------------------
def test_an_issuer_without_a_profile_takes_nothing_back(enrollment: Enrollment) -> None:
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
    assert issuer.forget(lost) is False
    assert len(enrollment.server.calls) == before


def test_what_was_followed_is_left_when_another_certificate_is_wanted(enrollment: Enrollment) -> None:
    enrollment.want(**THEIRS)
    enrollment.run()
    theirs = enrollment.server.issued[0]
    follow(enrollment, theirs.id)
    bench = enrollment.bench
    held = bench.destinations.known["followed"] = FakeDestination("followed")
    held.errors = [Unavailable("no")]
    assert bench.run("followed") == "certificate.failed"
    followed = bench.issuers.known["main"]
    enrollment.define()
    bench.issuers.known |= {"main": followed, "own": bench.issuers.known["main"]}
    wanted = {"name": "followed", "issuer": "own", "attributes": {"common-name": "own.example.com", "ttl": "90d"}}
    bench.edit(Spec.model_validate({**wanted, "destinations": [{"type": "fake", "to": "followed"}]}))
    bench.clock.advance(minutes=1)
    assert bench.run("followed") == "certificate.issued"
    assert isinstance(followed, OpenIssuer) and theirs.revoked is None
    assert "left as is: it was issued elsewhere" in bench.announcer.announced[-1].data["gave_up"]


# -- a renewal that somebody made ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "changed",
    [
        {"altNames": [{"type": "dns_name", "value": "api.example.com"}]},
        {"extendedKeyUsages": ["client_auth"]},
        {"keyAlgorithm": "RSA_2048"},
    ],
    ids=["names", "usages", "key"],
)
def test_a_renewal_with_other_attributes_is_not_taken_over(enrollment: Enrollment, changed: dict[str, Any]) -> None:
    enrollment.want(**THEIRS)
    enrollment.run()
    theirs = renewed_by_hand(enrollment, attributes=changed).certificate
    checked_and_renewed(enrollment)
    assert theirs.revoked is None
    assert enrollment.bench.record().facts.reference == enrollment.server.issued[2].id


@pytest.mark.parametrize("seen", [True, False], ids=["told", "not told"])
def test_a_renewal_with_somebodys_csr_has_no_key_for_us(enrollment: Enrollment, seen: bool) -> None:
    """Whether or not the server tells beforehand that it has no key of it."""
    enrollment.want(**THEIRS)
    enrollment.run()
    csr = PrivateKey.generate("EC_prime256v1").sign_csr(spec().attributes)
    theirs = renewed_by_hand(enrollment, csr=csr, renewalKeySource="csr").certificate
    if not seen:
        answers(enrollment, "certificate", lambda told: {**told, "hasPrivateKey": None})
    checked_and_renewed(enrollment)
    assert theirs.revoked is None
    assert enrollment.bench.record().facts.reference == enrollment.server.issued[2].id


# -- a renewal that waits ------------------------------------------------------------------------------------------------
def waiting_by_hand(enrollment: Enrollment) -> RequestedFields:
    """Ours is not carried out, and nobody knows; theirs waits for its approval."""
    issued(enrollment)
    enrollment.server.switches.then("approval")
    theirs = renewed_by_hand(enrollment)
    enrollment.server.switches.fault("status", RENEW, times=4)
    return theirs


def test_a_renewal_by_hand_that_is_approved_is_left_and_ours_is_asked_for(enrollment: Enrollment) -> None:
    theirs = waiting_by_hand(enrollment)
    assert enrollment.run() == "certificate.pending"
    enrollment.server.approve()
    assert enrollment.later() == "certificate.renewed", enrollment.error
    assert theirs.certificate.revoked is None
    assert enrollment.bench.record().facts.reference not in {theirs.certificate.id, enrollment.server.issued[0].id}


def test_a_renewal_by_hand_that_is_rejected_does_not_stop_ours(enrollment: Enrollment) -> None:
    theirs = waiting_by_hand(enrollment)
    assert enrollment.run() == "certificate.pending"
    enrollment.server.reject()
    assert enrollment.later() == "certificate.renewed", enrollment.error
    assert theirs.status == "rejected"


def test_a_renewal_by_hand_is_not_cancelled_when_something_else_is_wanted(enrollment: Enrollment) -> None:
    theirs = waiting_by_hand(enrollment)
    assert enrollment.run() == "certificate.pending"
    enrollment.bench.edit(spec(attributes=OTHER))
    delivered_in_the_end(enrollment)
    assert theirs.status == "pending_approval"
    assert ": another client may have made it" in enrollment.bench.announcer.announced[-1].data["gave_up"]


def test_a_renewal_by_hand_is_not_cancelled_when_ours_was_lost(enrollment: Enrollment) -> None:
    theirs = waiting_by_hand(enrollment)
    enrollment.server.switches.fault("status", "/search", times=4)
    assert enrollment.run() == "certificate.failed"
    enrollment.bench.edit(spec(attributes=OTHER))
    delivered_in_the_end(enrollment)
    assert theirs.status == "pending_approval"
    assert "nothing found" in enrollment.bench.announcer.announced[-1].data["gave_up"]
