"""Test unusual answers of Infisical: invalid, late or incomplete."""

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
INVALID_IDS = ["a\r\nBcc: x\x1b[2J", "\ud800", "x" * 101, "../users", {"a": 1}, 7]


@pytest.fixture
def enrollment() -> Iterator[Enrollment]:
    with enrolled() as enrollment:
        yield enrollment


def answers(enrollment: Enrollment, call: str, change: Callable[[Mapping[str, Any]], Any]) -> Callable[[], None]:
    """Change every answer to one kind of call before evercert reads it; return a function that restores it."""
    api = enrollment.bench.issuers.known["main"].issuer._api
    original = getattr(api, call)
    setattr(api, call, lambda *arguments: change(original(*arguments)))
    return lambda: setattr(api, call, original)


# -- private keys --------------------------------------------------------------------------------------------------------
def make_unusable_keys(enrollment: Enrollment) -> None:
    """Make the server generate keys on a curve that evercert does not support."""
    sign = enrollment.server._issuing.sign

    def sign_unusable(request: Any, outcome: str = "issue") -> Any:
        request.key = request.key or ec.generate_private_key(ec.SECP256K1())
        return sign(request, outcome)

    enrollment.server._issuing.sign = sign_unusable


def test_certificate_with_unusable_key_is_revoked(enrollment: Enrollment) -> None:
    make_unusable_keys(enrollment)
    enrollment.want(**THEIRS)
    assert enrollment.run() == "certificate.failed"
    assert "it has no usable private key; compare the document with the issuer's profile; revoked" in enrollment.error
    (issued,) = enrollment.server.issued
    assert issued.revoked is not None and authority.algorithm_of(issued.signed.public_key()) != "EC_prime256v1"


def test_followed_certificate_with_unusable_key_is_not_revoked(enrollment: Enrollment) -> None:
    make_unusable_keys(enrollment)
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
def test_refused_read_is_retried(enrollment: Enrollment, call: str, status: int) -> None:
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
def test_answer_after_deadline_is_read_in_next_run(enrollment: Enrollment) -> None:
    """The search finds nothing here, so evercert must remember the certificate."""
    enrollment.server.switches.search = "none"
    enrollment.want()

    def slow(answer: Any) -> Any:
        enrollment.bench.clock.advance(seconds=89)
        return answer

    restore = answers(enrollment, "issue", slow)
    assert enrollment.run() == "pending"
    restore()
    delivered_in_the_end(enrollment)
    assert len(enrollment.server.issued) == 1


# -- isolation of certificates -------------------------------------------------------------------------------------------
def test_missing_chain_does_not_block_other_certificates(enrollment: Enrollment) -> None:
    enrollment.server.switches.then("no-chain")
    enrollment.server.switches.fault("drop-after", ISSUE)
    enrollment.want()
    enrollment.bench.want(spec("other"))
    assert enrollment.run() == "certificate.failed"
    assert "has no chain yet" in enrollment.error
    assert enrollment.bench.run("other") == "certificate.issued"


def test_unreadable_bundle_does_not_block_other_certificates(enrollment: Enrollment) -> None:
    enrollment.server.switches.fault("drop-after", ISSUE)
    enrollment.want()
    enrollment.bench.want(spec("other"))
    restore = answers(enrollment, "bundle", lambda answer: {**answer, "certificate": "no PEM"})
    assert enrollment.run() == "certificate.failed"
    assert "cannot be used: no PEM certificate found" in enrollment.error
    restore()
    assert enrollment.bench.run("other") == "certificate.issued"


def test_failed_validation_trigger_is_ignored(enrollment: Enrollment) -> None:
    enrollment.server.switches.then("validation")
    enrollment.server.switches.fault("status", "/trigger-validation", status=500, times=None)
    enrollment.want()
    assert enrollment.run() == "pending"
    assert enrollment.later() == "pending"
    enrollment.server.finish()
    delivered_in_the_end(enrollment)


# -- ids -------------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("found", INVALID_IDS, ids=ascii)
def test_invalid_request_id_is_not_stored(enrollment: Enrollment, found: Any) -> None:
    enrollment.server.switches.then("approval")
    enrollment.want()
    answers(enrollment, "issue", lambda answer: {**answer, "certificateRequestId": found})
    assert enrollment.run() == "certificate.failed"
    assert enrollment.error == "the server answered with an invalid id (certificateRequestId)"
    assert enrollment.bench.record().pending.handle is None


@pytest.mark.parametrize("found", INVALID_IDS, ids=ascii)
def test_invalid_certificate_id_is_ignored(enrollment: Enrollment, found: Any) -> None:
    """evercert reads the certificate later, through its request."""
    enrollment.want(**THEIRS)
    answers(
        enrollment, "issue", lambda answer: {**answer, "certificate": {**answer["certificate"], "certificateId": found}}
    )
    assert enrollment.run() == "pending"
    assert enrollment.later() == "certificate.issued"
    assert enrollment.bench.record().facts.reference == enrollment.server.issued[0].id


@pytest.mark.parametrize("found", INVALID_IDS, ids=ascii)
def test_invalid_renewal_id_fails_status_check(enrollment: Enrollment, found: Any) -> None:
    enrollment.want(**THEIRS)
    enrollment.run()
    answers(enrollment, "certificate", lambda answer: {**answer, "latestRenewalCertificateId": found})
    issuer, record = enrollment.bench.issuers.known["main"].issuer, enrollment.bench.record()
    with pytest.raises(Unavailable, match="an invalid id"):
        issuer.status(record.spec, record.facts)


def test_search_ignores_entries_without_valid_id(enrollment: Enrollment) -> None:
    enrollment.want()
    die_after_asking(enrollment)
    invalid = [{"id": value} for value in (*INVALID_IDS, None, "")]
    answers(enrollment, "search", lambda found: [*invalid[:6], *found])
    assert enrollment.run() == "certificate.issued", enrollment.error
    assert len(enrollment.server.issued) == 1


@pytest.mark.parametrize("status", [403, 404])
def test_search_ignores_unreadable_requests(enrollment: Enrollment, status: int) -> None:
    enrollment.want()
    die_after_asking(enrollment)
    enrollment.server.switches.fault("status", POLL, status=status)
    answers(enrollment, "search", lambda found: [{"id": "0f4b7c1e", "commonName": "www.example.com"}, *found])
    assert enrollment.run() == "certificate.issued", enrollment.error
    assert len(enrollment.server.issued) == 1


# -- statuses --------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("changes", [{}, {"status": None}, {"status": 5}])
def test_request_without_status_fails(enrollment: Enrollment, changes: dict[str, Any]) -> None:
    enrollment.server.switches.then("approval")
    enrollment.want()
    enrollment.run()
    answers(enrollment, "request", lambda _: changes)
    enrollment.bench.want(spec("other"))
    assert enrollment.later() == "certificate.failed"
    assert "the server returned no status for request" in enrollment.error
    assert enrollment.bench.record().last_error.kind == Busy.kind
    assert enrollment.bench.run("other") == "certificate.issued"


@pytest.mark.parametrize(
    "changes", [{"status": "never-seen"}, {"status": "issued", "certificateId": None}, {"createdAt": None}]
)
def test_unknown_status_waits_at_least_five_minutes(enrollment: Enrollment, changes: dict[str, Any]) -> None:
    enrollment.server.switches.then("pending")
    enrollment.want()
    enrollment.run()
    answers(enrollment, "request", lambda answer: {**answer, **changes})
    waits = []
    for _ in range(12):
        assert enrollment.later() == "pending"
        waits.append(enrollment.bench.record().due_at - enrollment.bench.clock())
    assert min(waits) == timedelta(minutes=5)
    assert (waits[-1] > timedelta(minutes=5)) == ("createdAt" not in changes)


# -- following ---------------------------------------------------------------------------------------------------------------
@pytest.fixture
def elsewhere(enrollment: Enrollment) -> str:
    """Return the id of a certificate from another client whose key the server stores."""
    enrollment.want(**THEIRS)
    enrollment.run()
    return enrollment.server.issued[0].id


def followed_error(enrollment: Enrollment) -> str:
    assert enrollment.bench.run("followed") == "certificate.failed"
    return enrollment.bench.record("followed").last_error.message


def test_certificate_without_stored_key_cannot_be_followed(enrollment: Enrollment) -> None:
    enrollment.want()
    enrollment.run()
    follow(enrollment, enrollment.server.issued[0].id)
    assert "Infisical does not have its private key" in followed_error(enrollment)


def test_followed_renewal_cycle_is_reported(enrollment: Enrollment, elsewhere: str) -> None:
    newer = enrollment.server.renew_elsewhere(elsewhere).id
    follow(enrollment, elsewhere)
    others = {elsewhere: newer, newer: elsewhere}
    answers(enrollment, "certificate", lambda a: {**a, "latestRenewalCertificateId": others[a["id"]]})
    assert "its renewals form a cycle" in followed_error(enrollment)


def test_followed_renewals_have_a_limit(enrollment: Enrollment, elsewhere: str) -> None:
    follow(enrollment, elsewhere)
    successors = successors_of(enrollment, elsewhere, 21)
    answers(enrollment, "certificate", lambda a: {**a, "latestRenewalCertificateId": successors.get(a["id"])})
    last = list(successors.values())[-1]
    expected = f"more than 20 successive renewals; write a newer certificate-id, such as {last}"
    assert expected in followed_error(enrollment)


def test_followed_renewals_start_at_delivered_certificate(enrollment: Enrollment, elsewhere: str) -> None:
    """The limit applies to the renewals since the delivered certificate, not to all."""
    follow(enrollment, elsewhere)
    bench, successors = enrollment.bench, successors_of(enrollment, elsewhere, 20)
    answers(enrollment, "certificate", lambda a: {**a, "latestRenewalCertificateId": successors.get(a["id"])})
    assert bench.run("followed") == "certificate.issued"
    successors |= successors_of(enrollment, list(successors.values())[-1], 1)
    bench.clock.now = bench.record("followed").check_at
    assert [bench.run("followed"), bench.run("followed")] == ["checked", "certificate.renewed"]
    assert bench.record("followed").facts.reference == list(successors.values())[-1]


def test_followed_renewals_restart_at_first_if_deleted(enrollment: Enrollment, elsewhere: str) -> None:
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


def successors_of(enrollment: Enrollment, first: str, length: int) -> dict[str, str]:
    """Map each certificate id to the next, for a server that reports direct successors only."""
    successors = {}
    for _ in range(length):
        successors[first] = enrollment.server.renew_elsewhere(first).id
        first = successors[first]
    return successors


def test_followed_certificate_not_visible_is_misconfigured(enrollment: Enrollment, elsewhere: str) -> None:
    follow(enrollment, elsewhere)
    enrollment.server.switches.fault("status", CERTIFICATE, status=404)
    assert "not found at" in followed_error(enrollment)
    assert enrollment.bench.record("followed").last_error.kind == Misconfigured.kind
