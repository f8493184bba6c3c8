"""A repeated request of evercert gets the same certificate from the authority."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from evercert.authority.api_errors import bad_request
from evercert.errors import Unavailable
from tests.contract.issuers.infisical.test_issuer import ISSUE, die_after_asking
from tests.doubles.authority.authority import WIDE
from tests.doubles.authority.ceremony import Ceremony
from tests.doubles.authority.enrolled import AuthorityEnrollment, enrolled

SEARCH = "POST /api/v1/cert-manager/certificates/certificate-requests/search"


@pytest.fixture
def enrollment() -> Iterator[AuthorityEnrollment]:
    with enrolled() as enrollment:
        yield enrollment


@pytest.mark.parametrize("source", ["local", "issuer"])
@pytest.mark.parametrize("ttl", ["2m", "90m"])
def test_retry_after_death_gets_its_certificate(enrollment: AuthorityEnrollment, source: str, ttl: str) -> None:
    """A ttl of fractional hours is sent as notAfter, which differs on each try."""
    names = {"common-name": "www.example.com", "alt-names": ["dns:www.example.com"]}
    enrollment.want(**{"private-key": {"source": source}, "attributes": {**names, "ttl": ttl}})
    die_after_asking(enrollment)
    enrollment.server.switches.fault("status", SEARCH, status=404, times=1)
    assert enrollment.run() == "certificate.issued", enrollment.error
    assert enrollment.server.count(ISSUE) == 2
    assert len(enrollment.server.issued) == 1


@pytest.mark.parametrize("source", ["local", "issuer"])
def test_request_waits_for_unavailable_signer(enrollment: AuthorityEnrollment, source: str) -> None:
    """This is the only reason for which the authority keeps a request pending."""
    enrollment.want(**{"private-key": {"source": source}})
    for event, known in (("certificate.issued", 1), ("certificate.renewed", 2)):
        enrollment.server.setting.signer.trouble = [Unavailable("the signer is away")] * 3
        assert enrollment.run() == "pending", enrollment.error
        assert enrollment.later() == "pending", enrollment.error
        while enrollment.server.setting.signer.trouble:
            assert enrollment.later() == "pending", enrollment.error
        assert enrollment.later() == event, enrollment.error
        assert len(enrollment.server.issued) == len(enrollment.server.setting.ledger.results) == known
        assert enrollment.bench.record().facts.reference == enrollment.server.issued[-1].id
        enrollment.bench.clock.now = enrollment.bench.record().renew_at


def test_request_refused_by_signer_is_reissued(enrollment: AuthorityEnrollment) -> None:
    enrollment.server.setting.signer.trouble = [Unavailable("away"), bad_request("it is outside the ceiling")]
    enrollment.want()
    assert enrollment.run() == "pending", enrollment.error
    assert enrollment.later() == "certificate.failed"
    assert "it is outside the ceiling" in enrollment.error
    assert enrollment.later() == "certificate.issued", enrollment.error
    assert enrollment.bench.record().facts.revision == 2
    assert len(enrollment.server.issued) == 1


def test_replacement_ca_reissues_certificates_of_disabled_ca(enrollment: AuthorityEnrollment) -> None:
    """Replacing an issuing key: the renewal is refused, and evercert issues a new certificate."""
    enrollment.want()
    enrollment.run()
    setting = enrollment.server.setting
    old = setting.cas["EC-issuing"]
    other = Ceremony("EC_secp384r1", setting.clock(), WIDE, setting.kms).issuing.model_copy(update={"name": "second"})
    setting.configuration.put(old.model_copy(update={"status": "disabled"}))
    setting.configuration.put(other)
    setting.configuration.put(enrollment.profile.made.model_copy(update={"cas": ("second", "RSA-issuing")}))
    enrollment.bench.clock.now = enrollment.bench.record().renew_at
    assert enrollment.run() == "certificate.renewed", enrollment.error
    assert enrollment.server.count(ISSUE) == 2
    assert [one.kept.ca for one in enrollment.server.issued] == [old.id, other.id]
