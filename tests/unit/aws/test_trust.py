"""CAs that connections to AWS trust."""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path

import certifi
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from evercert.aws import trust
from evercert.aws.session import botocore_session

# https://www.amazontrust.com/repository/: SHA-256 of the public keys (SubjectPublicKeyInfo).
KEYS = {
    "Amazon Root CA 1": "fbe3018031f9586bcbf41727e417b7d1c45c2f47f93be372a17b96b50757d5a2",
    "Amazon Root CA 2": "7f4296fc5b6a4e3b35d3c369623e364ab1af381d8fa7121533c9d6c633ea2461",
    "Amazon Root CA 3": "36abc32656acfc645c61b71613c4bf21c787f5cabbee48348d58597803d7abc9",
    "Amazon Root CA 4": "f7ecded5c66047d28ed6466b543c40e0743abe81d109254dcf845d4c2c7853c5",
    "Starfield Services Root Certificate Authority - G2": "2b071c59a0a0ae76b0eadb2bad23bad4580b69c3601b630c2eaf0613afa83f92",
}
PEM = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)


@pytest.fixture(autouse=True)
def _no_bundle_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


def certificates(path: str) -> list[str]:
    return PEM.findall(Path(path).read_text())


@pytest.mark.filterwarnings("ignore:Parsed a serial number")  # that of Starfield's root is 0
def test_amazon_roots_have_the_published_keys() -> None:
    found = {}
    for text in certificates(trust.AMAZON_ROOTS):
        one = x509.load_pem_x509_certificate(text.encode())
        key = one.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        found[one.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value] = sha256(key).hexdigest()
    assert found == KEYS


def test_amazon_roots_are_still_public_cas() -> None:
    assert set(certificates(trust.AMAZON_ROOTS)) <= set(certificates(certifi.where()))


@pytest.mark.parametrize("region", ["eu-central-1", "us-east-1", "ap-southeast-7", "eu-west-99"])
def test_bundle_of_commercial_regions_is_amazons(region: str) -> None:
    assert trust.bundle(botocore_session(), region) == trust.AMAZON_ROOTS


@pytest.mark.parametrize(
    "region",
    [
        "cn-north-1",
        "us-gov-west-1",
        "us-iso-east-1",
        "us-isob-east-1",
        "eu-isoe-west-1",
        "eusc-de-east-1",
        "xx-new",
        None,
    ],
)
def test_bundle_of_other_partitions_is_botocores(region: str | None) -> None:
    assert trust.bundle(botocore_session(), region) is None


@pytest.mark.parametrize(
    "name", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_DYNAMODB"]
)
def test_bundle_leaves_settings_of_operators_to_botocore(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "https://127.0.0.1/ca.pem")
    assert trust.bundle(botocore_session(), "eu-central-1") is None


def test_bundle_leaves_configuration_files_to_botocore(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "config"
    file.write_text("[default]\nca_bundle = /etc/ca.pem\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(file))
    assert trust.bundle(botocore_session(), "eu-central-1") is None


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "AWS_USE_FIPS_ENDPOINT"])
def test_bundle_behind_a_proxy_and_for_fips_is_botocores(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection verifies an HTTPS proxy with the same bundle as the endpoint."""
    monkeypatch.setenv(name, "https://proxy.example.com:3128")
    assert trust.bundle(botocore_session(), "eu-central-1") is None
