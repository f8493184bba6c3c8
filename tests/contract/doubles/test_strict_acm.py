"""Tests of the ACM double: each rule is satisfied once and violated once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.doubles.fakes import HandClock
from tests.doubles.strict_acm import StrictACM
from tests.samples.certificates import authority, certificate, key_pem, pem

SERVER, CLIENT, EMAIL = (f"1.3.6.1.5.5.7.3.{number}" for number in (1, 2, 4))
OTHER = "1.3.6.1.4.1.311.20.2.2"
UNKNOWN = "arn:aws:acm:eu-central-1:111122223333:certificate/unknown"


def acm(**more: Any) -> StrictACM:
    clock = HandClock()

    def ticking():
        clock.advance(seconds=1)
        return clock()

    return StrictACM(ticking, **more)


def whole(algorithm: str = "EC_prime256v1", *names: str, **more: Any) -> dict[str, Any]:
    """Return the arguments of an import."""
    made = certificate(algorithm, names or ("dns:www.example.com",), **more)
    return {"Certificate": pem(made), "PrivateKey": key_pem(algorithm, more.get("number", 0))}


def refusal(client: StrictACM, arguments: dict[str, Any], arn: str | None = None) -> str | None:
    """Return the error of an import, or None if ACM accepts it."""
    try:
        client.import_certificate(**arguments, **({} if arn is None else {"CertificateArn": arn}))
    except ClientError as error:
        return f"{error.response['Error']['Code']}: {error.response['Error']['Message']}"
    return None


@pytest.mark.parametrize(
    "algorithm",
    ["RSA_1024", "RSA_2048", "RSA_3072", "RSA_4096", "EC_prime256v1", "EC_secp384r1", "EC_secp521r1"],
)
def test_acm_accepts_every_key_type_of_the_model(algorithm: str) -> None:
    client = acm()
    arn = client.import_certificate(**(asked := whole(algorithm)))["CertificateArn"]
    assert client.get_certificate(CertificateArn=arn)["Certificate"].encode() == asked["Certificate"]


@pytest.mark.parametrize("algorithm", ["Ed25519", "EC_secp256k1", "RSA_2304"])
def test_acm_refuses_other_key_types(algorithm: str) -> None:
    assert refusal(acm(), whole(algorithm)) == "ValidationException: key type"


def chain(algorithm: str, *above: Any, **more: Any) -> dict[str, Any]:
    return {**whole(algorithm, **more), "CertificateChain": b"".join(map(pem, above))}


@pytest.mark.parametrize(
    "taken",
    [
        whole(),
        whole(number=1),
        chain("EC_prime256v1", authority("EC_prime256v1")),
        chain("RSA_2048", authority("RSA_2048")),
        whole("EC_secp384r1", by="EC_prime256v1"),
        whole("EC_prime256v1", "ip:192.0.2.1"),
        whole("EC_prime256v1", "uri:spiffe://a/b", common_name="www.example.com"),
        whole("EC_prime256v1", "dns:*.example.com", ocsp=f"http://{'o' * 993}"),
        whole(begins=timedelta(), lasts=timedelta(seconds=1)),
    ],
)
def test_acm_accepts_valid_imports(taken: dict[str, Any]) -> None:
    assert refusal(acm(), taken) is None


@pytest.mark.parametrize(
    ("refused", "says"),
    [
        ({**whole(), "PrivateKey": key_pem("EC_prime256v1", 1)}, "the key is not the certificate's"),
        ({**whole(), "PrivateKey": key_pem("EC_prime256v1", 0, b"secret")}, "not PEM, or an encrypted key"),
        ({**whole(), "PrivateKey": key_pem("EC_prime256v1") + b"\n" * 5_120}, "size"),
        ({**whole(), "Certificate": whole()["Certificate"] + b"\n" * 32_768}, "size"),
        ({**whole(), "CertificateChain": pem(authority("EC_prime256v1")) + b"\n" * 2_097_152}, "size"),
        ({**whole(), "CertificateChain": b""}, "size"),
        ({**whole(), "Certificate": b"nonsense"}, "not PEM, or an encrypted key"),
        ({**whole(), "Certificate": whole()["Certificate"] + pem(authority("EC_prime256v1"))}, "not PEM, or an encrypted key"),
        (whole(begins=timedelta(minutes=1)), "not valid now"),
        (whole(begins=timedelta(days=-91)), "not valid now"),
        (whole(issuer=None), "empty issuer"),
        (whole("EC_prime256v1", "uri:spiffe://a/b"), "X.509 version 3 with a domain name or an IP address"),
        (whole("EC_prime256v1", "email:a@example.com", common_name="A"), "X.509 version 3 with a domain name or an IP address"),
        (whole(ocsp=f"http://{'o' * 994}"), "OCSP URL"),
        (whole("EC_prime256v1", by="RSA_2048"), "algorithm of the signing CA"),
        (whole("RSA_2048", by="EC_prime256v1"), "algorithm of the signing CA"),
        (whole("EC_prime256v1", by="Ed25519"), "algorithm of the signing CA"),
        (chain("EC_prime256v1", authority("EC_secp384r1")), "the chain does not verify"),
        (chain("EC_prime256v1", authority("EC_prime256v1", common_name="Other")), "the chain does not verify"),
        (chain("EC_prime256v1", authority("EC_prime256v1", issuer="Root"), authority("EC_secp384r1", common_name="Root", issuer="Root")), "the chain does not verify"),
    ],
)  # fmt: skip
def test_acm_refuses_invalid_imports(refused: dict[str, Any], says: str) -> None:
    client = acm()
    assert refusal(client, refused) == f"ValidationException: {says}"
    assert (client.certificates, client.imports) == ({}, [])


RSA, EC = "RSA_2048", "EC_prime256v1"
KEPT, FEWER = ("digital_signature", "key_agreement"), ("digital_signature",)
ENCIPHERS = ("digital_signature", "key_encipherment")


@pytest.mark.parametrize(
    ("held", "fresh"),
    [
        (whole(), whole(number=1)),
        (whole(EC, "dns:a.example", "dns:b.example"), whole(EC, "dns:b.example", "dns:c.example")),
        (whole(EC, common_name="www.example.com"), whole()),
        (whole(usages=FEWER), whole(usages=KEPT)),
        (whole(usages=None), whole(usages=None)),
        (whole(usages=ENCIPHERS), whole(usages=FEWER)),
        (whole(usages=("key_encipherment",)), whole(usages=None)),
        (whole(extended=[SERVER]), whole(extended=[SERVER, EMAIL])),
        (whole(extended=[SERVER, CLIENT]), whole(extended=[SERVER])),
        (whole(extended=[CLIENT]), whole(extended=None)),
    ],
)
def test_acm_replaces_compatible_certificates(held: dict[str, Any], fresh: dict[str, Any]) -> None:
    client = acm()
    arn = client.import_certificate(**held)["CertificateArn"]
    assert client.import_certificate(**fresh, CertificateArn=arn) == {"CertificateArn": arn}
    assert client.get_certificate(CertificateArn=arn)["Certificate"].encode() == fresh["Certificate"]


@pytest.mark.parametrize(
    ("held", "fresh", "says"),
    [
        (whole(RSA), whole(EC), "key type and size cannot be changed"),
        (whole(RSA), whole("RSA_3072"), "key type and size cannot be changed"),
        (whole(EC), whole("EC_secp384r1"), "key type and size cannot be changed"),
        (whole(EC, "dns:a.example"), whole(EC, "dns:b.example"), "all domain names cannot be removed"),
        (whole(EC, "dns:a.example", "uri:spiffe://a/b"), whole(EC, "dns:b.example", "uri:spiffe://a/b"), "all domain names cannot be removed"),
        (whole(usages=KEPT), whole(usages=FEWER), "usages cannot be removed"),
        (whole(usages=FEWER), whole(usages=None), "usages cannot be removed"),
        (whole(usages=("digital_signature", "key_cert_sign")), whole(usages=FEWER), "usages cannot be removed"),
        (whole(RSA, usages=ENCIPHERS), whole(RSA, usages=FEWER), "usages cannot be removed"),
        (whole(usages=None), whole(usages=FEWER), "usages cannot be added where the extension was absent"),
        (whole(extended=[SERVER, EMAIL]), whole(extended=[SERVER]), "usages cannot be removed"),
        (whole(extended=[SERVER, OTHER]), whole(extended=[SERVER]), "usages cannot be removed"),
        (whole(extended=None), whole(extended=[SERVER]), "usages cannot be added where the extension was absent"),
    ],
)  # fmt: skip
def test_acm_refuses_incompatible_replacements(held: dict[str, Any], fresh: dict[str, Any], says: str) -> None:
    client = acm()
    arn = client.import_certificate(**held)["CertificateArn"]
    assert refusal(client, fresh, arn) == f"ValidationException: {says}"
    assert client.get_certificate(CertificateArn=arn)["Certificate"].encode() == held["Certificate"]


def test_acm_reimport_needs_an_existing_import_without_tags() -> None:
    client = acm()
    arn = client.import_certificate(**whole(), Tags=[{"Key": "a", "Value": "b"}])["CertificateArn"]
    assert refusal(client, whole(), UNKNOWN).startswith("ResourceNotFoundException")
    assert refusal(client, whole(), "unknown").startswith("InvalidArnException")
    assert refusal(client, {**whole(), "Tags": [{"Key": "a", "Value": "c"}]}, arn).startswith("ValidationException")
    assert client.list_tags_for_certificate(CertificateArn=arn)["Tags"] == [{"Key": "a", "Value": "b"}]
    client.certificates[arn].type = "AMAZON_ISSUED"
    assert refusal(client, whole(), arn).startswith("ValidationException")


@pytest.mark.parametrize(
    ("tags", "code"),
    [
        ([], "TooManyTagsException"),
        ([{"Key": f"k{n}", "Value": ""} for n in range(51)], "TooManyTagsException"),
        ([{"Key": "k", "Value": "*.example.com"}], "InvalidTagException"),
        ([{"Key": "k", "Value": "v" * 257}], "InvalidTagException"),
        ([{"Key": "k" * 129, "Value": ""}], "InvalidTagException"),
        ([{"Key": "aws:k", "Value": "v"}], "InvalidTagException"),
    ],
)
def test_acm_validates_tags(tags: list[dict[str, str]], code: str) -> None:
    assert refusal(acm(), {**whole(), "Tags": tags}).startswith(code)
    assert refusal(acm(), {**whole(), "Tags": [{"Key": "k" * 128, "Value": "_wildcard.example.com"}]}) is None


def test_acm_limits_imports_per_second() -> None:
    clock = HandClock()
    client = StrictACM(clock)
    assert refusal(client, whole()) is None
    clock.advance(milliseconds=999)
    assert refusal(client, whole()) == "ThrottlingException: Rate exceeded"
    clock.advance(milliseconds=1)
    assert refusal(client, whole()) is None


def test_acm_yearly_quota_is_a_sliding_window() -> None:
    clock = HandClock()
    client = StrictACM(clock, yearly=2)
    lasting = whole(lasts=timedelta(days=400))
    arn = client.import_certificate(**lasting)["CertificateArn"]
    clock.advance(days=1)
    assert refusal(client, lasting, arn) is None
    clock.advance(days=363)
    assert refusal(client, lasting, arn).startswith("LimitExceededException")
    clock.advance(days=1)
    assert refusal(client, lasting, arn) is None


def test_acm_certificate_quota_is_freed_by_deletion() -> None:
    client = acm(most_held=1)
    arn = client.import_certificate(**whole())["CertificateArn"]
    assert refusal(client, whole()).startswith("LimitExceededException")
    assert refusal(client, whole(), arn) is None
    client.delete_certificate(CertificateArn=arn)
    assert refusal(client, whole()) is None


def test_acm_deletes_only_unused_certificates() -> None:
    client = acm()
    arn = client.import_certificate(**whole())["CertificateArn"]
    client.certificates[arn].in_use = True
    client.import_certificate(**whole(), CertificateArn=arn)
    with pytest.raises(ClientError, match="ResourceInUseException"):
        client.delete_certificate(CertificateArn=arn)
    client.certificates[arn].in_use = False
    client.delete_certificate(CertificateArn=arn)
    for call in (client.get_certificate, client.list_tags_for_certificate, client.delete_certificate):
        with pytest.raises(ClientError, match="ResourceNotFoundException"):
            call(CertificateArn=arn)


def test_acm_list_filters_key_types_by_default() -> None:
    client = acm()
    arns = {kind: client.import_certificate(**whole(kind))["CertificateArn"] for kind in (RSA, "RSA_4096", EC)}

    def listed(**more: Any) -> list[str]:
        return [s["CertificateArn"] for s in client.list_certificates(**more)["CertificateSummaryList"]]

    assert listed() == listed(Includes={}) == [arns[RSA]]
    assert listed(Includes={"keyTypes": ["RSA_4096", EC]}) == [arns["RSA_4096"], arns[EC]]


def test_acm_list_is_paged_and_sorted() -> None:
    client = acm(page=2)
    arns = [client.import_certificate(**whole(RSA))["CertificateArn"] for _ in range(5)]
    client.import_certificate(**whole(RSA), CertificateArn=arns[0])
    asked: dict[str, Any] = {"SortBy": "CREATED_AT", "SortOrder": "DESCENDING"}
    found, sizes = [], []
    while True:
        page = client.list_certificates(**asked)
        found += [summary["CertificateArn"] for summary in page["CertificateSummaryList"]]
        sizes.append(len(page["CertificateSummaryList"]))
        if "NextToken" not in page:
            break
        asked["NextToken"] = page["NextToken"]
    assert (found, sizes) == (arns[::-1], [2, 2, 1])
    for wrong in ({"SortBy": "CREATED_AT"}, {"SortOrder": "ASCENDING"}, {"MaxItems": 0}, {"MaxItems": 1_001}):
        with pytest.raises(ClientError, match="ValidationException"):
            client.list_certificates(**wrong)
