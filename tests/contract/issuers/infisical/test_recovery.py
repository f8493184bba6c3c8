"""Test that lost Infisical requests are found again or revoked, and that foreign ones are left alone."""

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
    """Deliver a certificate and advance the clock to its renewal."""
    enrollment.want(**{"private-key": {"source": source}})
    enrollment.run()
    enrollment.bench.clock.now = enrollment.bench.record().renew_at


def delivered_in_the_end(enrollment: Enrollment) -> None:
    """Run up to eight times until a certificate is delivered."""
    for _ in range(8):
        if enrollment.later() in {"certificate.issued", "certificate.renewed"}:
            return
    raise AssertionError(enrollment.error)


@SOURCES
def test_waiting_renewal_is_recovered_by_predecessor(enrollment: Enrollment, source: str) -> None:
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
def test_received_answer_survives_without_search(enrollment: Enrollment, source: str, call: str) -> None:
    """Infisical has issued the certificate, but reading it fails for a while."""
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


def test_unreadable_key_requests_no_second_certificate(enrollment: Enrollment) -> None:
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
def test_foreign_renewal_is_neither_adopted_nor_revoked(enrollment: Enrollment, status: str) -> None:
    issued(enrollment)
    foreign = enrollment.server.renew_elsewhere(enrollment.server.issued[0].id)
    if status == "revoked":
        enrollment.server.revoke(foreign.id)
    before = foreign.revoked
    enrollment.server.switches.fault("status", "", times=4)
    assert enrollment.run() == "certificate.failed"
    delivered_in_the_end(enrollment)
    assert foreign.revoked == before
    assert enrollment.bench.record().facts.reference not in {foreign.id, enrollment.server.issued[0].id}
    assert len(enrollment.server.issued) == 3


def test_revoked_server_renewal_is_not_delivered(enrollment: Enrollment) -> None:
    issued(enrollment, "issuer")
    foreign = enrollment.server.renew_elsewhere(enrollment.server.issued[0].id)
    enrollment.server.revoke(foreign.id)
    assert enrollment.run() == "certificate.renewed", enrollment.error
    assert enrollment.bench.record().facts.reference == enrollment.server.issued[2].id


def test_approved_renewal_with_wrong_key_is_revoked(enrollment: Enrollment) -> None:
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
def test_superseded_request_is_found_and_revoked(enrollment: Enrollment, source: str) -> None:
    enrollment.want(**{"private-key": {"source": source}})
    die_after_asking(enrollment)
    enrollment.bench.edit(spec(attributes=OTHER, **{"private-key": {"source": source}}))
    assert enrollment.run() == "certificate.issued", enrollment.error
    assert "found and revoked or cancelled" in enrollment.bench.announcer.announced[-1].data["gave_up"]
    assert [one.revoked is None for one in enrollment.server.issued] == [False, True]
    assert valid(enrollment) == []


@pytest.mark.parametrize("outcome", ["issue", "approval"])
def test_superseded_renewal_is_revoked_only_if_issued(enrollment: Enrollment, outcome: str) -> None:
    """A waiting request does not show its key: another client may have made it, so it is left."""
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


def test_unreceived_request_is_reported_as_not_found(enrollment: Enrollment) -> None:
    enrollment.server.switches.fault("drop-before", ISSUE)
    enrollment.want()
    assert enrollment.run() == "certificate.failed"
    enrollment.bench.edit(spec(attributes=OTHER))
    delivered_in_the_end(enrollment)
    assert "nothing found" in enrollment.bench.announcer.announced[-1].data["gave_up"]
    assert len(enrollment.server.issued) == 1


def test_search_finds_request_behind_many_others(enrollment: Enrollment) -> None:
    """The search of this server ignores metadata, so it returns all the other requests too."""
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
