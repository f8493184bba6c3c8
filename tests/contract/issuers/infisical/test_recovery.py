"""What evercert asked Infisical for and lost sight of: found again, or taken back; and what is not its own is left."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from tests.contract.issuers.infisical.test_issuer import ISSUE, RENEW, die_after_asking, valid
from tests.doubles.enrollment import Enrollment, enrolled
from tests.doubles.fakes import spec

OTHER = {"common-name": "www.example.com", "alt-names": ["dns:shop.example.com"], "ttl": "90d"}
SOURCES = pytest.mark.parametrize("source", ["local", "issuer"])


@pytest.fixture
def enrollment() -> Iterator[Enrollment]:
    with enrolled() as enrollment:
        yield enrollment


def issued(enrollment: Enrollment, source: str = "local") -> None:
    """One that is delivered, and due for renewal."""
    enrollment.want(**{"private-key": {"source": source}})
    enrollment.run()
    enrollment.bench.clock.now = enrollment.bench.record().renew_at


def delivered_in_the_end(enrollment: Enrollment) -> None:
    for _ in range(8):
        if enrollment.later() in {"certificate.issued", "certificate.renewed"}:
            return
    raise AssertionError(enrollment.error)


@SOURCES
def test_a_renewal_that_waits_is_found_by_what_it_renews(enrollment: Enrollment, source: str) -> None:
    issued(enrollment, source)
    enrollment.server.switches.then("approval")
    enrollment.server.switches.fault("drop-after", RENEW)
    assert enrollment.run() == "certificate.pending", enrollment.error
    (request,) = enrollment.server.store.open_requests()
    assert enrollment.bench.record().pending.handle == f"found:{request.id}"
    enrollment.server.approve()
    delivered_in_the_end(enrollment)
    assert enrollment.server.count(RENEW) == 1
    assert len(enrollment.server.issued) == 2


@SOURCES
@pytest.mark.parametrize("call", [ISSUE, RENEW])
def test_without_a_search_an_answer_that_came_is_not_lost(enrollment: Enrollment, source: str, call: str) -> None:
    """The certificate is there, and cannot be read yet."""
    enrollment.server.switches.search = "none"
    if call == RENEW:
        issued(enrollment, source)
    enrollment.server.switches.fault("status", "/bundle", times=8)
    enrollment.server.switches.fault("status", "GET /api/v1/cert-manager/certificates/certificate-requests", times=8)
    if call == ISSUE:
        enrollment.want(**{"private-key": {"source": source}})
    assert enrollment.run() == "pending"
    delivered_in_the_end(enrollment)
    assert len(enrollment.server.issued) == enrollment.bench.record().revision


def test_a_key_that_may_not_be_read_asks_for_no_further_certificate(enrollment: Enrollment) -> None:
    enrollment.server.switches.search = "none"
    enrollment.identity.permissions.discard("read-private-key certificates")
    enrollment.want(**{"private-key": {"source": "issuer"}})
    assert enrollment.run() == "pending"
    assert enrollment.later() == "certificate.failed"
    assert "allow the identity to read private keys" in enrollment.error
    enrollment.identity.permissions.add("read-private-key certificates")
    delivered_in_the_end(enrollment)
    assert len(enrollment.server.issued) == 1


@pytest.mark.parametrize("status", ["active", "revoked"])
def test_a_renewal_by_somebody_else_is_neither_taken_nor_taken_back(enrollment: Enrollment, status: str) -> None:
    issued(enrollment)
    theirs = enrollment.server.renew_elsewhere(enrollment.server.issued[0].id)
    if status == "revoked":
        enrollment.server.revoke(theirs.id)
    before = theirs.revoked
    enrollment.server.switches.fault("status", "", times=4)
    assert enrollment.run() == "certificate.failed"
    delivered_in_the_end(enrollment)
    assert theirs.revoked == before
    assert enrollment.bench.record().facts.reference not in {theirs.id, enrollment.server.issued[0].id}
    assert len(enrollment.server.issued) == 3


def test_what_the_server_renewed_and_somebody_revoked_is_not_delivered(enrollment: Enrollment) -> None:
    issued(enrollment, "issuer")
    theirs = enrollment.server.renew_elsewhere(enrollment.server.issued[0].id)
    enrollment.server.revoke(theirs.id)
    assert enrollment.run() == "certificate.renewed", enrollment.error
    assert enrollment.bench.record().facts.reference == enrollment.server.issued[2].id


def test_a_renewal_with_another_key_that_people_approved_is_taken_back(enrollment: Enrollment) -> None:
    enrollment.server.switches.renew_ignores_csr = True
    issued(enrollment)
    enrollment.server.switches.then("approval")
    assert enrollment.run() == "certificate.pending"
    enrollment.server.approve()
    delivered_in_the_end(enrollment)
    _, wrong, right = enrollment.server.issued
    assert wrong.revoked is not None
    assert "certificate.failed" not in [outcome.type for outcome in enrollment.bench.announcer.announced]
    assert enrollment.bench.record().facts.reference == right.id


@SOURCES
def test_what_nobody_wants_any_more_is_looked_for_and_revoked(enrollment: Enrollment, source: str) -> None:
    enrollment.want(**{"private-key": {"source": source}})
    die_after_asking(enrollment)
    enrollment.bench.edit(spec(attributes=OTHER, **{"private-key": {"source": source}}))
    assert enrollment.run() == "certificate.issued", enrollment.error
    assert "found and revoked or cancelled" in enrollment.bench.announcer.announced[-1].data["gave_up"]
    assert [one.revoked is None for one in enrollment.server.issued] == [False, True]
    assert valid(enrollment) == []


@pytest.mark.parametrize("outcome", ["issue", "approval"])
def test_a_renewal_that_nobody_wants_any_more_is_looked_for_too(enrollment: Enrollment, outcome: str) -> None:
    """One that still waits shows nobody's key: it may be somebody else's, and is left."""
    issued(enrollment)
    first = enrollment.bench.record().facts.reference
    enrollment.server.switches.then(outcome)
    enrollment.server.switches.fault("drop-after", RENEW)
    enrollment.server.switches.fault("status", "GET /api/v1/cert-manager/certificates/{id}$", times=4)
    assert enrollment.run() == "certificate.failed"
    enrollment.bench.edit(spec(attributes=OTHER))
    delivered_in_the_end(enrollment)
    assert valid(enrollment) == [first]
    assert len(enrollment.server.store.open_requests()) == (outcome == "approval")
    gave_up = enrollment.bench.announcer.announced[-1].data["gave_up"]
    assert ("nothing found" in gave_up) == (outcome == "approval")


def test_what_was_never_asked_is_said_to_be_nowhere(enrollment: Enrollment) -> None:
    enrollment.server.switches.fault("drop-before", ISSUE)
    enrollment.want()
    assert enrollment.run() == "certificate.failed"
    enrollment.bench.edit(spec(attributes=OTHER))
    delivered_in_the_end(enrollment)
    assert "nothing found" in enrollment.bench.announcer.announced[-1].data["gave_up"]
    assert len(enrollment.server.issued) == 1


def test_one_that_many_others_followed_is_found(enrollment: Enrollment) -> None:
    """By a server whose search does not look at metadata."""
    enrollment.server.switches.search = "ignores-metadata"
    enrollment.want()
    die_after_asking(enrollment)
    for number in range(30):
        name = f"other-{number}.example.com"
        enrollment.bench.want(spec(f"other-{number}", attributes={"common-name": name, "ttl": "90d"}))
        enrollment.bench.clock.advance(seconds=1)
        assert enrollment.bench.run(f"other-{number}") == "certificate.issued"
    enrollment.bench.clock.now += timedelta(minutes=10)
    assert enrollment.run() == "certificate.issued", enrollment.error
    assert len(enrollment.server.issued) == 31
