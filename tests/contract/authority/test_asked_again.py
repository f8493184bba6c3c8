"""evercert asks the authority a second time for what it lost sight of, by another end: it is answered the same one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.authority.enrolled import AuthorityEnrollment, enrolled
from tests.contract.test_infisical import ISSUE, die_after_asking

SEARCH = "POST /api/v1/cert-manager/certificates/certificate-requests/search"


@pytest.fixture
def enrollment() -> Iterator[AuthorityEnrollment]:
    with enrolled() as enrollment:
        yield enrollment


@pytest.mark.parametrize("source", ["local", "issuer"])
@pytest.mark.parametrize("ttl", ["2m", "90m"])
def test_a_run_that_died_after_asking_gets_its_certificate_without_a_search(
    enrollment: AuthorityEnrollment, source: str, ttl: str
) -> None:
    """A ttl that is no whole hours is sent as the end that it has from now, which is another one at each try."""
    names = {"common-name": "www.example.com", "alt-names": ["dns:www.example.com"]}
    enrollment.want(**{"private-key": {"source": source}, "attributes": {**names, "ttl": ttl}})
    die_after_asking(enrollment)
    enrollment.server.switches.fault("status", SEARCH, status=404, times=1)
    assert enrollment.run() == "certificate.issued", enrollment.error
    assert enrollment.server.count(ISSUE) == 2
    assert len(enrollment.server.issued) == 1
