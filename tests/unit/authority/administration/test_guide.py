"""Every step of Infisical's guides for API enrollment, with their sample bodies."""

from __future__ import annotations

from cryptography import x509

from tests.doubles.authority.client import CERTIFICATES, PROFILES, csr
from tests.doubles.authority.manager import PROJECT, Manager

SUBJECT = {
    "commonName": "service.acme.com",
    "ttl": "1y",
    "signatureAlgorithm": "RSA-SHA256",
    "keyAlgorithm": "RSA_2048",
    "keyUsages": ["digital_signature", "key_encipherment"],
    "extendedKeyUsages": ["server_auth"],
    "altNames": [{"type": "DNS", "value": "service.acme.com"}, {"type": "DNS", "value": "www.service.acme.com"}],
}


def sample(manager: Manager, policy: str) -> dict[str, object]:
    return {
        "projectId": PROJECT,
        "caId": manager.ca("RSA-issuing"),
        policy: manager.policy()["id"],
        "slug": "my-api-profile",
        "description": "Certificate profile for API enrollment",
        "enrollmentType": "API",
        "apiConfig": {"autoRenew": True, "renewBeforeDays": 7},
    }


def test_guide_creates_a_profile_and_issues_renews_and_revokes(manager: Manager) -> None:
    made = manager.made(PROFILES, sample(manager, "certificatePolicyId"))["certificateProfile"]
    assert (made["slug"], made["enrollmentType"], made["projectId"]) == ("my-api-profile", "api", PROJECT)
    assert made["apiConfig"] == {"autoRenew": True, "renewBeforeDays": 7} and made["apiConfigId"]
    found = manager.get(f"{PROFILES}/{made['id']}").json["certificateProfile"]
    assert found == made

    issued = manager.made(CERTIFICATES, {"profileId": made["id"], "attributes": SUBJECT})["certificate"]
    leaf = x509.load_pem_x509_certificate(issued["certificate"].encode())
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["service.acme.com", "www.service.acme.com"]
    assert issued["privateKey"].startswith("-----BEGIN PRIVATE KEY-----")

    path = f"{CERTIFICATES}/{issued['certificateId']}"
    renewed = manager.made(f"{path}/renew", {})
    assert renewed["certificateId"] != issued["certificateId"]
    latest = manager.get(f"{PROFILES}/{made['id']}/certificates/latest-active-bundle").json
    assert latest["certificateId"] == renewed["certificateId"]
    assert manager.made(f"{path}/revoke", {"revocationReason": "SUPERSEDED"})["serialNumber"] == issued["serialNumber"]


def test_guide_accepts_the_older_name_of_a_policy(manager: Manager) -> None:
    made = manager.made(PROFILES, sample(manager, "certificateTemplateId"))["certificateProfile"]
    assert made["certificatePolicyId"] == made["certificateTemplateId"]


def test_guide_signs_a_csr(manager: Manager) -> None:
    made = manager.made(PROFILES, sample(manager, "certificatePolicyId"))["certificateProfile"]
    _, text = csr("dns:service.acme.com", "RSA_2048")
    body = {"profileId": made["id"], "csr": text, "attributes": {"ttl": "1y"}}
    issued = manager.made(CERTIFICATES, body)["certificate"]
    assert "privateKey" not in issued and issued["certificate"].startswith("-----BEGIN CERTIFICATE-----")


def test_profile_of_the_api_limits_its_certificates(manager: Manager) -> None:
    made = manager.new_profile()
    outside = {**SUBJECT, "commonName": "www.example.com", "altNames": []}
    response = manager.post(CERTIFICATES, {"profileId": made["id"], "attributes": outside})
    assert response.status == 400 and "does not match allowed patterns" in response.message
    long = {**SUBJECT, "ttl": "366d"}
    response = manager.post(CERTIFICATES, {"profileId": made["id"], "attributes": long})
    assert "Requested validity period exceeds maximum allowed duration" in response.message
