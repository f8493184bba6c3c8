"""Contract of AWS Private CA: the strict double, the double over HTTP, and moto (`--aws moto`)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from evercert.aws.clients import Clients
from evercert.aws.private_ca import (
    Authority,
    CertificateOrder,
    NotAllowed,
    PrivateCA,
    PrivateCAClients,
    UnknownCertificate,
)
from evercert.aws.session import Session
from evercert.errors import Busy, EvercertError, GaveUp, Misconfigured, Throttled, Unavailable, Unsuited
from evercert.pki.certificate import Chain, mismatches
from evercert.pki.keys import PrivateKey
from tests.doubles.fakes import START, HandClock, spec
from tests.doubles.private_ca import KEY, TOKEN
from tests.doubles.private_ca_server import served
from tests.doubles.strict_private_ca import StrictPrivateCA
from tests.tools.local_stack import CREDENTIALS, REGION, Emulator

END_ENTITY, ROOT = (f"arn:aws:acm-pca:::template/{name}/V1" for name in ("EndEntityCertificate", "RootCACertificate"))
ABSENT = "ffffffff-0000-4000-8000-000000000000"
ATTRIBUTES = spec().attributes
CSR = KEY.sign_csr(ATTRIBUTES)
ORDER = CertificateOrder(CSR, TOKEN, END_ENTITY, "SHA256WITHRSA", None, START + timedelta(days=5))


@dataclass
class Place:
    """A CA with an RSA key, and its client."""

    client: Any
    arn: str
    aws: StrictPrivateCA | None = None

    @property
    def ca(self) -> PrivateCA:
        return PrivateCA(self.client, self.arn)

    def disable(self) -> None:
        if self.aws is not None:
            self.aws.authorities[self.arn].status = "DISABLED"
        else:
            self.client.update_certificate_authority(CertificateAuthorityArn=self.arn, Status="DISABLED")

    def read(self, arn: str) -> Chain:
        for _ in range(5):
            if (pem := self.ca.certificate(arn)) is not None:
                return Chain.from_pem(pem)
        raise AssertionError("never issued")


def boto(url: str) -> Any:
    keys = CREDENTIALS["AWS_ACCESS_KEY_ID"], CREDENTIALS["AWS_SECRET_ACCESS_KEY"]
    return boto3.Session(*keys, region_name=REGION).client("acm-pca", endpoint_url=url)


def installed(client: Any) -> str:
    """Create a root CA and install its certificate, as the user guide describes."""
    subject = {"KeyAlgorithm": "RSA_2048", "SigningAlgorithm": "SHA256WITHRSA", "Subject": {"CommonName": "Root"}}
    arn = client.create_certificate_authority(
        CertificateAuthorityConfiguration=subject, CertificateAuthorityType="ROOT"
    )["CertificateAuthorityArn"]
    ca = {"CertificateAuthorityArn": arn}
    csr = client.get_certificate_authority_csr(**ca)["Csr"].encode()
    made = client.issue_certificate(
        **ca, Csr=csr, SigningAlgorithm="SHA256WITHRSA", TemplateArn=ROOT, Validity={"Type": "YEARS", "Value": 10}
    )
    root = client.get_certificate(**ca, CertificateArn=made["CertificateArn"])["Certificate"]
    client.import_certificate_authority_certificate(**ca, Certificate=root.encode())
    return str(arn)


@pytest.fixture(params=["strict", "http", "private-ca"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    if request.param == "private-ca":
        running: Emulator = request.getfixturevalue("running")
        client = boto(running.url)
        yield Place(client, installed(client))
        return
    aws = StrictPrivateCA(HandClock())
    arn = aws.create_authority(key="RSA_2048", subordinate=False)
    if request.param == "strict":
        yield Place(aws, arn, aws)
        return
    with served(aws) as url:
        yield Place(boto(url), arn, aws)


# -- every emulator ---------------------------------------------------------------------------------------------------
def test_certificate_is_issued_some_time_later(place: Place) -> None:
    arn = place.ca.issue(ORDER)
    assert arn.startswith(f"{place.arn}/certificate/")
    chain = place.read(arn)
    assert mismatches(chain, ATTRIBUTES, KEY.public_bytes(), profiled=True) == []
    leaf, root = chain.certificates
    leaf.verify_directly_issued_by(root)


def test_authority_is_described(place: Place) -> None:
    found = place.ca.describe()
    assert (found.status, found.key_algorithm, found.signing_algorithm) == ("ACTIVE", "RSA_2048", "SHA256WITHRSA")
    assert found.expires is not None and found.expires.tzinfo is not None


def test_inactive_authority_issues_nothing(place: Place) -> None:
    place.disable()
    assert place.ca.describe().status == "DISABLED"
    with pytest.raises(Misconfigured, match=r"InvalidStateException: .*; the CA is not active: enable it"):
        place.ca.issue(ORDER)


def test_unknown_authority_is_named(place: Place) -> None:
    arn = f"{place.arn.rpartition('/')[0]}/{ABSENT}"
    ca = PrivateCA(place.client, arn)
    for call in (ca.describe, lambda: ca.issue(ORDER), lambda: ca.revoke(7)):
        with pytest.raises(Misconfigured, match=rf"CA {arn}: ResourceNotFoundException: .*; correct arn of the issuer"):
            call()


def test_unknown_certificate_needs_another_one(place: Place) -> None:
    with pytest.raises(
        UnknownCertificate, match=r"ResourceNotFoundException: .*; evercert requests another certificate"
    ):
        place.ca.certificate(f"{place.arn}/certificate/{7:032x}")


def test_repeated_request_issues_one_certificate(place: Place) -> None:
    assert place.ca.issue(ORDER) == place.ca.issue(replace(ORDER, not_after=ORDER.not_after + timedelta(seconds=9)))
    assert place.ca.issue(replace(ORDER, token="other")) != place.ca.issue(ORDER)


def test_certificate_ends_when_requested(place: Place) -> None:
    leaf = place.read(place.ca.issue(ORDER)).leaf
    assert leaf.not_valid_after_utc == ORDER.not_after


def test_malformed_csr_is_refused(place: Place) -> None:
    with pytest.raises(Unsuited, match=r"MalformedCSRException: .*; the CA does not accept the CSR"):
        place.ca.issue(
            replace(ORDER, csr="-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n")
        )


def test_revocation_can_be_repeated(place: Place) -> None:
    leaf = place.read(place.ca.issue(ORDER)).leaf
    for _ in range(2):
        place.ca.revoke(leaf.serial_number)
    if place.aws is not None:
        assert place.aws.revoked == [leaf]


# -- strict double ----------------------------------------------------------------------------------------------------
@pytest.fixture
def aws() -> StrictPrivateCA:
    return StrictPrivateCA(HandClock())


CALLS = {
    "DescribeCertificateAuthority": (lambda ca: ca.describe(), "describe"),
    "IssueCertificate": (lambda ca: ca.issue(ORDER), "issue a certificate with"),
    "GetCertificate": (lambda ca: ca.certificate("arn:aws:acm-pca:x:1:certificate-authority/a/certificate/7"), "read certificate 7 of"),
    "RevokeCertificate": (lambda ca: ca.revoke(0xABC), "revoke certificate 0abc of"),
}  # fmt: skip


@pytest.mark.parametrize("operation", CALLS)
@pytest.mark.parametrize(
    ("code", "kind", "remedy"),
    [
        ("ThrottlingException", Throttled, "too many requests"),
        ("AccessDeniedException", NotAllowed, "list the CA in the stack's parameter PrivateCaArns"),
        ("InvalidArnException", Misconfigured, "correct arn and template-arn of the issuer"),
        ("InvalidStateException", Misconfigured, "the CA is not active"),
        ("LimitExceededException", Misconfigured, "a quota is used up: request a higher one"),
        ("ConcurrentModificationException", Busy, "try again"),
        ("ServiceUnavailable", Unavailable, ""),
        ("ExpiredTokenException", Misconfigured, "credentials are expired"),
        ("NewException", Misconfigured, ""),
    ],
)
def test_errors_name_call_authority_and_remedy(
    aws: StrictPrivateCA, operation: str, code: str, kind: type[EvercertError], remedy: str
) -> None:
    call, doing = CALLS[operation]
    aws.refusals[operation] = [code]
    arn = aws.create_authority(key="RSA_2048")
    with pytest.raises(kind, match=rf"^cannot {doing} CA {arn}: {code}: Refused as scripted.*{remedy}") as raised:
        call(PrivateCA(aws, arn))  # type: ignore[no-untyped-call]
    assert type(raised.value) is kind


@pytest.mark.parametrize(
    ("operation", "code", "kind"),
    [
        ("IssueCertificate", "MalformedCSRException", Unsuited), ("IssueCertificate", "InvalidArgsException", Unsuited),
        ("IssueCertificate", "ValidationException", Unsuited), ("GetCertificate", "RequestFailedException", GaveUp),
        ("GetCertificate", "ResourceNotFoundException", UnknownCertificate),
        ("RevokeCertificate", "RequestFailedException", Unavailable),
    ],
)  # fmt: skip
def test_errors_of_one_operation(aws: StrictPrivateCA, operation: str, code: str, kind: type[EvercertError]) -> None:
    aws.refusals[operation] = [code]
    with pytest.raises(kind) as raised:
        CALLS[operation][0](PrivateCA(aws, aws.create_authority(key="RSA_2048")))  # type: ignore[no-untyped-call]
    assert type(raised.value) is kind


def test_request_in_progress_is_no_certificate(aws: StrictPrivateCA) -> None:
    ca = PrivateCA(aws, aws.create_authority(key="RSA_2048"))
    arn = ca.issue(ORDER)
    assert ca.certificate(arn) is None
    assert ca.certificate(arn) is not None


@pytest.mark.parametrize("code", ["RequestInProgressException", "RequestAlreadyProcessedException"])
def test_revocation_of_another_request_counts(aws: StrictPrivateCA, code: str) -> None:
    aws.refusals["RevokeCertificate"] = [code]
    PrivateCA(aws, aws.create_authority()).revoke(7)


def test_usage_mode_is_described(aws: StrictPrivateCA) -> None:
    arns = [aws.create_authority(usage_mode=mode) for mode in ("GENERAL_PURPOSE", "SHORT_LIVED_CERTIFICATE")]
    assert [PrivateCA(aws, arn).describe().short_lived for arn in arns] == [False, True]
    assert isinstance(PrivateCA(aws, arns[0]).describe(), Authority)


def test_token_is_forgotten_after_five_minutes() -> None:
    clock = HandClock()
    aws = StrictPrivateCA(clock)
    ca = PrivateCA(aws, aws.create_authority(key="RSA_2048"))
    first = ca.issue(ORDER)
    clock.advance(minutes=4, seconds=59)
    assert ca.issue(ORDER) == first
    clock.advance(seconds=1)
    assert ca.issue(ORDER) != first


def test_strict_double_refuses_what_aws_refuses() -> None:
    clock = HandClock()
    aws = StrictPrivateCA(clock, quota=1)
    general, short = (aws.create_authority(usage_mode=mode) for mode in ("GENERAL_PURPOSE", "SHORT_LIVED_CERTIFICATE"))
    valid: dict[str, Any] = {
        "CertificateAuthorityArn": general, "Csr": CSR.encode(), "SigningAlgorithm": "SHA256WITHECDSA",
        "TemplateArn": END_ENTITY, "Validity": {"Type": "DAYS", "Value": 7}, "IdempotencyToken": "a" * 36,
    }  # fmt: skip
    ed25519 = PrivateKey.generate("Ed25519").sign_csr(ATTRIBUTES).encode()
    wrong: list[tuple[str, dict[str, Any]]] = [
        ("ValidationException", {"IdempotencyToken": "a" * 37}), ("ValidationException", {"IdempotencyToken": ""}),
        ("ValidationException", {"SigningAlgorithm": "SHA1WITHRSA"}), ("ValidationException", {"Csr": b"x" * 32_769}),
        ("ValidationException", {"Validity": {"Type": "DAYS", "Value": 0}}), ("ValidationException", {"Validity": {"Type": "HOURS", "Value": 1}}),
        ("ValidationException", {"TemplateArn": "arn:"}), ("ValidationException", {"Validity": {"Type": "DAYS", "Value": 4_000}}),
        ("ValidationException", {"CertificateAuthorityArn": short, "Validity": {"Type": "DAYS", "Value": 8}}),
        ("InvalidArgsException", {"SigningAlgorithm": "SHA256WITHRSA"}), ("InvalidArgsException", {"TemplateArn": END_ENTITY[:-1] + "2"}),
        ("InvalidArgsException", {"TemplateArn": "arn:aws:acm-pca:::template/BlankEndEntityCertificate/V1"}),
        ("InvalidArgsException", {"Validity": {"Type": "ABSOLUTE", "Value": int(START.timestamp())}}),
        ("InvalidArgsException", {"ValidityNotBefore": {"Type": "DAYS", "Value": 1}}),
        ("InvalidArnException", {"CertificateAuthorityArn": "arn:aws:acm-pca:x:1:ca/a"}),
        ("ResourceNotFoundException", {"CertificateAuthorityArn": general.replace("00000000-", "77777777-")}),
        ("MalformedCSRException", {"Csr": b"x"}), ("MalformedCSRException", {"Csr": CSR.replace("M", "N", 1).encode()}),
        ("MalformedCSRException", {"Csr": KEY.sign_proof().encode()}), ("MalformedCSRException", {"Csr": ed25519}),
    ]  # fmt: skip
    for code, change in wrong:
        with pytest.raises(ClientError, match=code):
            aws.issue_certificate(**{**valid, **change})
    assert aws.issued == []
    assert aws.issue_certificate(**{**valid, "CertificateAuthorityArn": short}) == aws.issue_certificate(
        **{**valid, "CertificateAuthorityArn": short}
    )
    with pytest.raises(ClientError, match="LimitExceededException"):
        aws.issue_certificate(**{**valid, "CertificateAuthorityArn": short, "IdempotencyToken": "b"})


def test_clients_are_made_once_for_each_region() -> None:
    clients = PrivateCAClients(Clients(session=Session(REGION)))
    assert clients.of(REGION) is clients.of(REGION) is not clients.of("us-east-1")
    for region in (REGION, "us-east-1"):
        made: Any = clients.of(region)
        assert made.meta.region_name == region
        assert made.meta.config.read_timeout == 4


def test_order_times_are_whole_seconds(aws: StrictPrivateCA) -> None:
    begin = datetime.fromisoformat("2026-01-15T11:00:00.900000+00:00")
    end = START + timedelta(days=2, microseconds=900_000)
    ca = PrivateCA(aws, aws.create_authority(key="RSA_2048"))
    ca.issue(replace(ORDER, not_before=begin, not_after=end))
    (leaf,) = aws.issued
    assert leaf.not_valid_before_utc == begin.replace(microsecond=0)
    assert leaf.not_valid_after_utc == end.replace(microsecond=0)
