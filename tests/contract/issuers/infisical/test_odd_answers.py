"""Answers of Infisical that are odd, or late, or about one certificate alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from evercert.contracts.issuer import Request
from evercert.errors import Busy, Misconfigured, Unavailable
from tests.contract.issuers.infisical.test_issuer import ISSUE, THEIRS, die_after_asking, follow
from tests.contract.issuers.infisical.test_recovery import delivered_in_the_end
from tests.doubles.enrollment import Enrollment, enrolled
from tests.doubles.fakes import spec
from tests.doubles.infisical import ca as authority

CERTIFICATE = "GET /api/v1/cert-manager/certificates/{id}"
POLL = "GET /api/v1/cert-manager/certificates/certificate-requests"
NONE = ["a\r\nBcc: x\x1b[2J", "\ud800", "x" * 101, "../users", {"a": 1}, 7]


@pytest.fixture
def enrollment() -> Iterator[Enrollment]:
    with enrolled() as enrollment:
        yield enrollment


def answers(enrollment: Enrollment, call: str, change: Callable[[Mapping[str, Any]], Any]) -> Callable[[], None]:
    """The server's answer to one kind of call, changed before it is read; the answer takes that back."""
    api = enrollment.bench.issuers.known["main"].issuer._api
    whole = getattr(api, call)
    setattr(api, call, lambda *asked: change(whole(*asked)))
    return lambda: setattr(api, call, whole)


# -- private keys --------------------------------------------------------------------------------------------------------
def with_an_odd_key(enrollment: Enrollment) -> None:
    """The server makes keys on a curve that evercert does not know."""
    sign = enrollment.server._issuing.sign

    def odd(request: Any, outcome: str = "issue") -> Any:
        request.key = request.key or ec.generate_private_key(ec.SECP256K1())
        return sign(request, outcome)

    enrollment.server._issuing.sign = odd


def test_a_private_key_that_evercert_cannot_use_is_taken_back_with_its_certificate(enrollment: Enrollment) -> None:
    with_an_odd_key(enrollment)
    enrollment.want(**THEIRS)
    assert enrollment.run() == "certificate.failed"
    assert "it has no usable private key; revoked" in enrollment.error
    (made,) = enrollment.server.issued
    assert made.revoked is not None and authority.algorithm_of(made.signed.public_key()) != "EC_prime256v1"


def test_a_followed_one_with_such_a_key_is_left(enrollment: Enrollment) -> None:
    with_an_odd_key(enrollment)
    enrollment.server.switches.then("approval")
    enrollment.want(**THEIRS)
    enrollment.run()
    (request,) = enrollment.server.approve()
    follow(enrollment, request.certificate.id)
    assert enrollment.bench.run("followed") == "certificate.failed"
    assert "unsupported key type" in enrollment.bench.record("followed").last_error.message
    assert request.certificate.revoked is None


# -- refusals --------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("status", [400, 422])
@pytest.mark.parametrize("call", ["/bundle", POLL])
def test_a_read_that_is_refused_stops_nothing(enrollment: Enrollment, call: str, status: int) -> None:
    enrollment.server.switches.then("approval")
    enrollment.want()
    enrollment.run()
    enrollment.server.approve()
    enrollment.server.switches.fault("status", call, status=status)
    assert enrollment.later() == "certificate.failed"
    error = enrollment.bench.record().last_error
    assert error.kind == "misconfigured" and f"the server answered {status}" in error.message
    delivered_in_the_end(enrollment)
    assert len(enrollment.server.issued) == 1


# -- time ------------------------------------------------------------------------------------------------------------------
def test_an_answer_that_there_is_no_time_left_to_read_is_come_back_for(enrollment: Enrollment) -> None:
    """Also where no search would find it again."""
    enrollment.server.switches.search = "none"
    enrollment.want()

    def slow(answer: Any) -> Any:
        enrollment.bench.clock.advance(seconds=89)
        return answer

    mended = answers(enrollment, "issue", slow)
    assert enrollment.run() == "pending"
    mended()
    delivered_in_the_end(enrollment)
    assert len(enrollment.server.issued) == 1


# -- one certificate alone -------------------------------------------------------------------------------------------------
def test_a_chain_that_is_missing_shuts_nobody_else_out(enrollment: Enrollment) -> None:
    enrollment.server.switches.then("no-chain")
    enrollment.server.switches.fault("drop-after", ISSUE)
    enrollment.want()
    enrollment.bench.want(spec("other"))
    assert enrollment.run() == "certificate.failed"
    assert "has no chain yet" in enrollment.error
    assert enrollment.bench.run("other") == "certificate.issued"


def test_a_bundle_that_cannot_be_read_shuts_nobody_else_out(enrollment: Enrollment) -> None:
    enrollment.server.switches.fault("drop-after", ISSUE)
    enrollment.want()
    enrollment.bench.want(spec("other"))
    mended = answers(enrollment, "bundle", lambda answer: {**answer, "certificate": "no PEM"})
    assert enrollment.run() == "certificate.failed"
    assert "is not a chain of certificates" in enrollment.error
    mended()
    assert enrollment.bench.run("other") == "certificate.issued"


def test_a_validation_that_cannot_be_triggered_changes_nothing(enrollment: Enrollment) -> None:
    enrollment.server.switches.then("validation")
    enrollment.server.switches.fault("status", "/trigger-validation", status=500, times=None)
    enrollment.want()
    assert enrollment.run() == "pending"
    assert enrollment.later() == "pending"
    enrollment.server.finish()
    delivered_in_the_end(enrollment)


# -- ids -------------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("found", NONE, ids=ascii)
def test_an_id_that_is_none_gets_no_further(enrollment: Enrollment, found: Any) -> None:
    enrollment.server.switches.then("approval")
    enrollment.want()
    answers(enrollment, "issue", lambda answer: {**answer, "certificateRequestId": found})
    assert enrollment.run() == "certificate.failed"
    assert enrollment.error == "the server answered with an invalid id (certificateRequestId)"
    assert enrollment.bench.record().pending.handle is None


@pytest.mark.parametrize("found", NONE, ids=ascii)
def test_nor_does_one_of_a_certificate(enrollment: Enrollment, found: Any) -> None:
    """It is come back for by its request."""
    enrollment.want(**THEIRS)
    answers(
        enrollment, "issue", lambda answer: {**answer, "certificate": {**answer["certificate"], "certificateId": found}}
    )
    assert enrollment.run() == "pending"
    assert enrollment.later() == "certificate.issued"
    assert enrollment.bench.record().facts.reference == enrollment.server.issued[0].id


@pytest.mark.parametrize("found", NONE, ids=ascii)
def test_nor_does_one_of_a_renewal(enrollment: Enrollment, found: Any) -> None:
    enrollment.want(**THEIRS)
    enrollment.run()
    answers(enrollment, "certificate", lambda answer: {**answer, "latestRenewalCertificateId": found})
    issuer, record = enrollment.bench.issuers.known["main"].issuer, enrollment.bench.record()
    with pytest.raises(Unavailable, match="an invalid id"):
        issuer.status(record.spec, record.facts)


def test_what_a_search_finds_without_an_id_is_no_match(enrollment: Enrollment) -> None:
    enrollment.want()
    die_after_asking(enrollment)
    odd = [{"id": found} for found in (*NONE, None, "")]
    answers(enrollment, "search", lambda found: [*odd[:6], *found])
    assert enrollment.run() == "certificate.issued", enrollment.error
    assert len(enrollment.server.issued) == 1


@pytest.mark.parametrize("status", [403, 404])
def test_what_a_search_finds_and_nobody_may_look_at_is_no_match(enrollment: Enrollment, status: int) -> None:
    enrollment.want()
    die_after_asking(enrollment)
    enrollment.server.switches.fault("status", POLL, status=status)
    answers(enrollment, "search", lambda found: [{"id": "0f4b7c1e", "commonName": "www.example.com"}, *found])
    assert enrollment.run() == "certificate.issued", enrollment.error
    assert len(enrollment.server.issued) == 1


# -- statuses --------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("said", [{}, {"status": None}, {"status": 5}])
def test_a_request_without_a_status_is_no_wait(enrollment: Enrollment, said: dict[str, Any]) -> None:
    enrollment.server.switches.then("approval")
    enrollment.want()
    enrollment.run()
    answers(enrollment, "request", lambda _: said)
    enrollment.bench.want(spec("other"))
    assert enrollment.later() == "certificate.failed"
    assert "the server returned no status for request" in enrollment.error
    assert enrollment.bench.record().last_error.kind == Busy.kind
    assert enrollment.bench.run("other") == "certificate.issued"


@pytest.mark.parametrize(
    "said", [{"status": "never-seen"}, {"status": "issued", "certificateId": None}, {"createdAt": None}]
)
def test_a_wait_that_nothing_is_known_of_is_no_short_one(enrollment: Enrollment, said: dict[str, Any]) -> None:
    enrollment.server.switches.then("pending")
    enrollment.want()
    enrollment.run()
    answers(enrollment, "request", lambda answer: {**answer, **said})
    waits = []
    for _ in range(12):
        assert enrollment.later() == "pending"
        waits.append(enrollment.bench.record().due_at - enrollment.bench.clock())
    assert min(waits) == timedelta(minutes=5)
    assert (waits[-1] > timedelta(minutes=5)) == ("createdAt" not in said)


# -- following ---------------------------------------------------------------------------------------------------------------
@pytest.fixture
def elsewhere(enrollment: Enrollment) -> str:
    """A certificate that somebody else had issued, with a key that the server keeps."""
    enrollment.want(**THEIRS)
    enrollment.run()
    return enrollment.server.issued[0].id


def followed_error(enrollment: Enrollment) -> str:
    assert enrollment.bench.run("followed") == "certificate.failed"
    return enrollment.bench.record("followed").last_error.message


def test_a_certificate_whose_key_infisical_does_not_have_cannot_be_followed(enrollment: Enrollment) -> None:
    enrollment.want()
    enrollment.run()
    follow(enrollment, enrollment.server.issued[0].id)
    assert "Infisical does not have its private key" in followed_error(enrollment)


def test_renewals_that_go_round_in_a_circle_are_said(enrollment: Enrollment, elsewhere: str) -> None:
    newer = enrollment.server.renew_elsewhere(elsewhere).id
    follow(enrollment, elsewhere)
    others = {elsewhere: newer, newer: elsewhere}
    answers(enrollment, "certificate", lambda a: {**a, "latestRenewalCertificateId": others[a["id"]]})
    assert "its renewals form a cycle" in followed_error(enrollment)


def test_a_line_of_renewals_that_is_too_long_is_said(enrollment: Enrollment, elsewhere: str) -> None:
    follow(enrollment, elsewhere)
    line = line_of(enrollment, elsewhere, 21)
    answers(enrollment, "certificate", lambda a: {**a, "latestRenewalCertificateId": line.get(a["id"])})
    assert f"more than 20 successive renewals; write a newer certificate-id, such as {list(line.values())[-1]}" in (
        followed_error(enrollment)
    )


def test_a_line_is_walked_from_what_is_delivered(enrollment: Enrollment, elsewhere: str) -> None:
    """However long it becomes in the end."""
    follow(enrollment, elsewhere)
    bench, line = enrollment.bench, line_of(enrollment, elsewhere, 20)
    answers(enrollment, "certificate", lambda a: {**a, "latestRenewalCertificateId": line.get(a["id"])})
    assert bench.run("followed") == "certificate.issued"
    line |= line_of(enrollment, list(line.values())[-1], 1)
    bench.clock.now = bench.record("followed").check_at
    assert [bench.run("followed"), bench.run("followed")] == ["checked", "certificate.renewed"]
    assert bench.record("followed").facts.reference == list(line.values())[-1]


def test_it_is_walked_from_its_beginning_where_that_was_deleted(enrollment: Enrollment, elsewhere: str) -> None:
    follow(enrollment, elsewhere)
    bench, server = enrollment.bench, enrollment.server
    newer = server.renew_elsewhere(elsewhere)
    assert bench.run("followed") == "certificate.issued"
    newest = server.renew_elsewhere(newer.id)
    with server.store.lock:
        server.store.certificates[elsewhere].renewed_by = newest.id
        del server.store.certificates[newer.id]
    issuer = bench.issuers.known["main"].issuer
    record = bench.record("followed")
    request = Request("followed", record.spec, None, 2, "token", bench.clock(), previous=record.facts)
    assert issuer.issue(request).reference == newest.id


def line_of(enrollment: Enrollment, first: str, length: int) -> dict[str, str]:
    """Each with the next, as a server would tell it that does not know the last."""
    line = {}
    for _ in range(length):
        line[first] = enrollment.server.renew_elsewhere(first).id
        first = line[first]
    return line


def test_a_certificate_that_the_identity_may_not_see_is_for_a_person(enrollment: Enrollment, elsewhere: str) -> None:
    follow(enrollment, elsewhere)
    enrollment.server.switches.fault("status", CERTIFICATE, status=404)
    assert "not found at" in followed_error(enrollment)
    assert enrollment.bench.record("followed").last_error.kind == Misconfigured.kind
