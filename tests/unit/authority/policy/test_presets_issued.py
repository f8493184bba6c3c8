"""Issue with every preset and key type; check with pkilint, OpenSSL and the verifier of `cryptography`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store

from evercert.authority.policy.presets import PRESETS
from evercert.pki.attributes import Attributes
from tests.doubles.authority.client import Client
from tests.samples.certificates import private_key
from tests.tools.openssl import verify
from tests.tools.pkilint import findings

KEYS = ("EC_prime256v1", "EC_secp384r1", "RSA_2048", "RSA_3072", "RSA_4096")
NAMES = [{"type": "dns_name", "value": "www.example.com"}, {"type": "ip_address", "value": "10.0.0.7"}]
USAGES = {"tls-server": ["server_auth"], "tls-client": ["client_auth"], "mtls": ["server_auth", "client_auth"]}
# Generating long RSA keys takes seconds, and the CSR cases cover their certificates.
CASES = [
    (how, algorithm, preset)
    for how in ("attributes", "csr", "renewal")
    for algorithm in KEYS
    for preset in sorted(USAGES)
    if how == "csr" or algorithm not in {"RSA_3072", "RSA_4096"}
]


def attributes_for(preset: str, algorithm: str) -> dict[str, Any]:
    usages = ["digital_signature", *(["key_encipherment"] if algorithm.startswith("RSA") else [])]
    found = {"ttl": "90d", "keyUsages": usages, "extendedKeyUsages": USAGES[preset], "keyAlgorithm": algorithm}
    if preset == "tls-client":
        return {**found, "commonName": "device 7"}
    return {**found, "commonName": "www.example.com", "altNames": NAMES}


def test_cases_cover_every_preset() -> None:
    assert PRESETS.keys() == USAGES.keys()


@pytest.fixture(scope="module")
def client() -> Client:
    return Client(clock=lambda: datetime.now(UTC))  # openssl verifies against the current time


@pytest.mark.parametrize(("how", "algorithm", "preset"), CASES)
def test_issued_certificate_conforms_to_rfc_5280(client: Client, preset: str, algorithm: Any, how: str) -> None:
    client.profile = client.setting.profile(policy=PRESETS[preset].policy, defaults=PRESETS[preset].defaults)
    attributes = attributes_for(preset, algorithm)
    if how == "csr":
        from evercert.pki.keys import PrivateKey

        names = {} if preset == "tls-client" else {"alt-names": ["dns:www.example.com", "ip:10.0.0.7"]}
        key = PrivateKey(private_key(algorithm))
        common_name = attributes["commonName"]
        csr = (
            key.sign_csr(Attributes.model_validate({"common-name": common_name, **names}))
            if names
            else named_csr(private_key(algorithm), common_name)
        )
        body = {
            "ttl": "90d",
            "keyUsages": attributes["keyUsages"],
            "extendedKeyUsages": attributes["extendedKeyUsages"],
        }
        response = client.post(
            "/api/v1/cert-manager/certificates", {"profileId": client.profile.id, "csr": csr, "attributes": body}
        )
    else:
        response = client.post(
            "/api/v1/cert-manager/certificates", {"profileId": client.profile.id, "attributes": attributes}
        )
    assert response.status == 200, response.body
    issued = response.json["certificate"]
    if how == "renewal":
        issued = client.post(f"/api/v1/cert-manager/certificates/{issued['certificateId']}/renew").json
    leaf = x509.load_pem_x509_certificate(issued["certificate"].encode())
    assert findings(leaf) == []
    issuing, root = x509.load_pem_x509_certificates(issued["certificateChain"].encode())
    chain = issued["certificateChain"]
    assert (
        verify(issued["certificate"], trusted=chain[chain.rindex("-----BEGIN") :], chain=issued["issuingCaCertificate"])
        == "OK"
    )
    builder = PolicyBuilder().store(Store([root])).time(client.setting.now().replace(tzinfo=None))
    if preset == "tls-client":
        return  # the verifier requires an alternative name
    if preset == "mtls":
        builder.build_client_verifier().verify(leaf, [issuing])
    builder.build_server_verifier(x509.DNSName("www.example.com")).verify(leaf, [issuing])


def named_csr(key: Any, common_name: str) -> str:
    from cryptography.hazmat.primitives import hashes, serialization

    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)])
    signed = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM).decode()


def test_certificate_fits_a_hundred_names(client: Client) -> None:
    """KMS accepts raw messages of at most 4,096 bytes, so this needs a digest."""
    client.profile = client.setting.profile(policy=PRESETS["tls-server"].policy)
    names = [{"type": "dns_name", "value": f"host-{n}.a-rather-long-name.example.com"} for n in range(98)]
    response = client.issue({"keyAlgorithm": "EC_prime256v1", "altNames": names})
    assert response.status == 200, response.body
    leaf = x509.load_pem_x509_certificate(response.json["certificate"]["certificate"].encode())
    assert findings(leaf) == [] and len(leaf.tbs_certificate_bytes) > 4_096


@pytest.mark.parametrize("preset", sorted(USAGES))
@pytest.mark.parametrize("algorithm", [one for one in KEYS if one not in {"RSA_3072", "RSA_4096"}])
@pytest.mark.parametrize("how", ["attributes", "renewal"])
def test_self_signed_certificate_conforms_to_rfc_5280(client: Client, preset: str, algorithm: Any, how: str) -> None:
    rules = PRESETS[preset]
    client.profile = client.setting.profile(
        "alone", issuer_type="self-signed", policy=rules.policy, defaults=rules.defaults
    )
    issued = client.issued(attributes_for(preset, algorithm))
    if how == "renewal":
        issued = client.post(f"/api/v1/cert-manager/certificates/{issued['certificateId']}/renew").json
    leaf = x509.load_pem_x509_certificate(issued["certificate"].encode())
    assert findings(leaf) == []
    leaf.verify_directly_issued_by(leaf)
    assert verify(issued["certificate"], trusted=issued["certificate"]) == "OK"


@pytest.mark.parametrize("algorithm", ["EC_prime256v1", "RSA_2048"])
@pytest.mark.parametrize("issuer_type", ["ca", "self-signed"])
def test_unusual_names_conform_to_rfc_5280(client: Client, algorithm: Any, issuer_type: Any) -> None:
    """Wildcard, international name, IPv4 and IPv6 addresses, SPIFFE ID, and an empty subject."""
    rules = PRESETS["mtls"]
    client.profile = client.setting.profile(
        "mtls", issuer_type=issuer_type, policy=rules.policy, defaults=rules.defaults
    )
    names = [
        ("dns_name", "*.example.com"), ("dns_name", "bücher.example.com"), ("ip_address", "2001:db8::1"),
        ("ip_address", "10.0.0.7"), ("uri", "spiffe://example.com/web"),
    ]  # fmt: skip
    alt_names = [{"type": kind, "value": value} for kind, value in names]
    attributes = {**attributes_for("mtls", algorithm), "commonName": None, "altNames": alt_names}
    leaf = x509.load_pem_x509_certificate(client.issued(attributes)["certificate"].encode())
    assert findings(leaf) == []
    assert len(leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value) == len(names)
