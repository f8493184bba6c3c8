"""Orders for AWS Private CA, and what is refused before one is placed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from evercert.aws.private_ca import Authority, CertificateOrder
from evercert.contracts.issuer import Request
from evercert.documents.spec import Spec
from evercert.errors import EvercertError, Misconfigured, Rejected, Unsuited
from evercert.issuers.aws_private_ca.requirements import order_of, require_active
from tests.doubles.fakes import START, spec
from tests.unit.issuers.aws_private_ca.test_settings import CA, settings

DAY = timedelta(days=1)
EC, RSA = Authority("ACTIVE", "EC_secp384r1", "SHA384WITHECDSA"), Authority("ACTIVE", "RSA_2048", "SHA256WITHRSA")
SHORT = Authority("ACTIVE", "EC_prime256v1", "SHA256WITHECDSA", short_lived=True)
NAME = {"common-name": "www.example.com"}
FOLLOWED = "0b0f9c8e-2f0b-4c53-8a40-5c1f4b0c7a11"
BLANK = "arn:aws:acm-pca:::template/BlankEndEntityCertificate_CSRPassthrough/V1"


def order(
    attributes: dict[str, Any] | None = None, authority: Authority | None = EC, **changes: Any
) -> CertificateOrder:
    wanted = spec(attributes={**NAME, **(attributes or {})})
    return order_of(Request("web", wanted, "csr", 1, "token", START), settings(**changes), authority)


# -- validity ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("attributes", "authority", "begin", "end"),
    [
        ({}, EC, None, START + 90 * DAY),
        ({}, None, None, START + 90 * DAY),
        ({}, SHORT, None, START + 6 * DAY),
        ({"ttl": "7d"}, SHORT, None, START + 7 * DAY),
        ({"ttl": "90m"}, EC, None, START + timedelta(minutes=90)),
        ({"not-after": "2026-03-01T00:00:00Z"}, EC, None, datetime.fromisoformat("2026-03-01T00:00:00Z")),
        ({"not-before": "2026-01-16T12:00:00Z"}, EC, START + DAY, START + 91 * DAY),
        ({"not-before": "2026-01-16T12:00:00Z"}, SHORT, START + DAY, START + 7 * DAY),
        ({"not-before": "2026-01-16T12:00:00Z", "not-after": "2026-01-23T12:00:00Z"}, SHORT, START + DAY, START + 8 * DAY),
    ],
)  # fmt: skip
def test_validity_of_an_order(
    attributes: dict[str, Any], authority: Authority | None, begin: datetime | None, end: datetime
) -> None:
    found = order(attributes, authority, **{"signing-algorithm": "SHA256WITHECDSA"})
    assert (found.not_before, found.not_after) == (begin, end)


@pytest.mark.parametrize("attributes", [{"ttl": "8d"}, {"ttl": "169h"}, {"not-after": "2026-01-22T12:00:01Z"}])
def test_short_lived_authority_refuses_more_than_a_week(attributes: dict[str, Any]) -> None:
    with pytest.raises(
        Unsuited, match=rf"^CA {CA} issues certificates of at most 7 days, .* set attributes\.ttl to 7d"
    ):
        order(attributes, SHORT)
    assert order(attributes, EC)


def test_certificate_never_outlives_its_authority() -> None:
    expiring = Authority("ACTIVE", "EC_prime256v1", "SHA256WITHECDSA", expires=START + 30 * DAY)
    with pytest.raises(Misconfigured, match=r"expires at 2026-02-14T12:00:00.*: renew the CA's certificate, or set"):
        order({}, expiring)
    assert order({"ttl": "30d"}, expiring)


@pytest.mark.parametrize("attributes", [{"not-after": "2026-01-15T12:00:00Z"}, {"not-before": "2025-01-15T12:00:00Z"}])
def test_end_in_the_past_is_refused(attributes: dict[str, Any]) -> None:
    with pytest.raises(
        Rejected, match=r"^the certificate would end at .*: not-after of attributes must be in the future"
    ):
        order(attributes)


# -- signing algorithm ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("authority", "setting", "asked", "expected"),
    [
        (EC, None, None, "SHA384WITHECDSA"), (RSA, None, None, "SHA256WITHRSA"),
        (EC, "SHA256WITHECDSA", None, "SHA256WITHECDSA"), (RSA, "SHA512WITHRSA_PSS", None, "SHA512WITHRSA_PSS"),
        (EC, "SHA256WITHECDSA", "ECDSA-SHA512", "SHA512WITHECDSA"), (EC, None, "RSA-SHA256", "SHA256WITHECDSA"),
        (RSA, None, "ECDSA-SHA384", "SHA384WITHRSA"), (RSA, "SHA512WITHRSA_PSS", "RSA-SHA384", "SHA384WITHRSA"),
        (None, "SHA256WITHRSA", None, "SHA256WITHRSA"), (None, "SHA256WITHRSA", "ECDSA-SHA384", "SHA384WITHRSA"),
    ],
    ids=str,
)  # fmt: skip
def test_signing_algorithm_fits_the_key_of_the_authority(
    authority: Authority | None, setting: str | None, asked: str | None, expected: str
) -> None:
    attributes = {} if asked is None else {"signature-algorithm": asked}
    changes = {} if setting is None else {"signing-algorithm": setting}
    assert order(attributes, authority, **changes).signing_algorithm == expected


@pytest.mark.parametrize(
    ("authority", "setting", "message"),
    [
        (EC, "SHA256WITHRSA", "cannot sign with SHA256WITHRSA: its key is EC_secp384r1; correct or remove"),
        (RSA, "SHA256WITHECDSA", "cannot sign with SHA256WITHECDSA: its key is RSA_2048"),
        (None, None, "no signing algorithm for CA .*: set signing-algorithm of the issuer"),
        (Authority("ACTIVE", "RSA_2048", "SHA1WITHRSA"), None, "unsupported signing algorithm SHA1WITHRSA"),
        (Authority("ACTIVE", "ML_DSA_65", "ML_DSA_65"), None, "unsupported key algorithm ML_DSA_65 of CA"),
        (Authority("ACTIVE", "SM2", "SM3WITHSM2"), None, "unsupported key algorithm SM2 of CA"),
    ],
    ids=str,
)
def test_wrong_signing_algorithm_is_refused(authority: Authority | None, setting: str | None, message: str) -> None:
    with pytest.raises(Misconfigured, match=message):
        order({}, authority, **({} if setting is None else {"signing-algorithm": setting}))


# -- templates --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("template", "usages", "purposes", "lacking"),
    [
        ("EndEntityCertificate", ["digital_signature", "key_encipherment"], ["server_auth", "client_auth"], None),
        ("EndEntityCertificate", [], ["code_signing"], "extended-key-usages code_signing"),
        ("EndEntityCertificate", ["non_repudiation"], [], "key-usages non_repudiation"),
        ("EndEntityCertificate_CSRPassthrough", [], ["email_protection"], "extended-key-usages email_protection"),
        ("EndEntityClientAuthCertificate", [], ["client_auth"], None),
        ("EndEntityClientAuthCertificate", [], ["server_auth"], "extended-key-usages server_auth"),
        ("EndEntityServerAuthCertificate_APIPassthrough", [], ["client_auth"], "extended-key-usages client_auth"),
        ("CodeSigningCertificate", ["digital_signature"], ["code_signing"], None),
        ("CodeSigningCertificate", ["key_encipherment"], [], "key-usages key_encipherment"),
        ("OCSPSigningCertificate", [], ["ocsp_signing"], None),
        ("BlankEndEntityCertificate_CSRPassthrough", ["non_repudiation"], ["email_protection"], None),
        ("BlankEndEntityCertificate_APICSRPassthrough", ["non_repudiation"], ["email_protection"], None),
        ("BlankEndEntityCertificate_CriticalBasicConstraints_CSRPassthrough", [], ["email_protection"], None),
        ("BlankEndEntityCertificate_APIPassthrough", [], ["server_auth"], "extended-key-usages server_auth"),
        ("EndEntityNewCertificate", ["non_repudiation"], ["email_protection"], None),
    ],
)
def test_template_certifies_the_requested_usages(
    template: str, usages: list[str], purposes: list[str], lacking: str | None
) -> None:
    wanted = spec(
        attributes={**NAME, "key-usages": usages, "extended-key-usages": purposes},
        **{"private-key": {"algorithm": "RSA_2048"}},
    )
    request = Request("web", wanted, "csr", 1, "token", START)
    chosen = settings(**{"template-arn": f"arn:aws:acm-pca:::template/{template}/V1"})
    if lacking is None:
        assert order_of(request, chosen, EC).template.endswith(f"/{template}/V1")
        return
    with pytest.raises(Unsuited, match=f"^template {template}/V1 does not certify attributes.{lacking}: remove them"):
        order_of(request, chosen, EC)


# -- requests and authorities -----------------------------------------------------------------------------------------
def test_only_csrs_are_signed() -> None:
    of_the_issuer = spec(**{"private-key": {"source": "issuer"}})
    followed = Spec.model_validate(
        {"name": "web", "issuer": "main", "destinations": [{"type": "fake"}], "certificate-id": FOLLOWED}
    )
    for wanted, message in ((of_the_issuer, "generates no private keys"), (followed, "cannot follow a certificate-id")):
        with pytest.raises(Unsuited, match=f"^AWS Private CA {message}; use private-key with source: local"):
            order_of(Request("web", wanted, None, 1, "token", START), settings(), EC)


@pytest.mark.parametrize(
    ("status", "remedy"),
    [
        ("CREATING", "wait until"), ("PENDING_CERTIFICATE", "install its certificate"), ("DISABLED", "enable it"),
        ("EXPIRED", "renew its certificate"), ("DELETED", "restore it"), ("FAILED", "use another CA"), ("NEW", "use another CA"),
    ],
)  # fmt: skip
def test_inactive_authority_is_refused(status: str, remedy: str) -> None:
    authority = Authority(status, "RSA_2048", "SHA256WITHRSA")
    calls: list[Any] = [lambda: order({}, authority), lambda: require_active(CA, authority)]
    for call in calls:
        with pytest.raises(Misconfigured, match=f"its status is {status}; {remedy}") as raised:
            call()
        assert isinstance(raised.value, EvercertError)


def test_order_has_csr_token_and_template() -> None:
    found = order({}, EC, **{"template-arn": BLANK})
    assert (found.csr, found.token, found.template) == ("csr", "token", BLANK)
