"""Limits of keys between evercert and the authority: accepted and delivered, or refused before anything is issued."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.doubles.authority.enrolled import AuthorityEnrollment, enrolled

NAME = {"common-name": "www.example.com"}
FROM_ISSUER: dict[str, Any] = {
    "private-key": {"algorithm": "issuer"}
}  # as in a document of the agent without algorithm


@pytest.fixture
def enrollment() -> Iterator[AuthorityEnrollment]:
    with enrolled() as enrollment:  # the EC key of the CA is on P-384
        enrollment.profile.defaults = {
            "ttlDays": 90,
            "keyAlgorithm": "EC_prime256v1",
            "extendedKeyUsages": ["server_auth"],
        }
        yield enrollment


def test_usages_that_the_key_cannot_have_are_not_missing(enrollment: AuthorityEnrollment) -> None:
    enrollment.want(attributes={**NAME, "key-usages": ["digital_signature", "key_encipherment"]}, **FROM_ISSUER)
    assert enrollment.run() == "certificate.issued", enrollment.error
    enrollment.bench.clock.now = enrollment.bench.record().renew_at
    assert enrollment.run() == "certificate.renewed", enrollment.error
    assert not any(one.revoked for one in enrollment.server.issued)


def test_signature_of_the_other_kind_of_key_is_accepted(enrollment: AuthorityEnrollment) -> None:
    enrollment.want(attributes={**NAME, "signature-algorithm": "RSA-SHA256"})
    assert enrollment.run() == "certificate.issued", enrollment.error
    assert not enrollment.server.issued[0].revoked


@pytest.mark.parametrize("algorithm", ["ECDSA-SHA256", "ECDSA-SHA384", "ECDSA-SHA512"])
def test_hash_of_the_key_of_the_ca_is_accepted(enrollment: AuthorityEnrollment, algorithm: str) -> None:
    enrollment.want(attributes={**NAME, "signature-algorithm": algorithm})
    assert enrollment.run() == "certificate.issued", enrollment.error
    assert not enrollment.server.issued[0].revoked
