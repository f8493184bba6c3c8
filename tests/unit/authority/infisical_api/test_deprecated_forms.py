"""Deprecated calls issue the same certificates as the issue endpoint."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography import x509

from evercert.errors import Unavailable
from tests.doubles.authority.client import CERTIFICATES, Client, csr

OLDEST = "/api/v1/pki/certificates"
USAGES = {"keyUsages": ["digital_signature"], "extendedKeyUsages": ["server_auth"], "keyAlgorithm": "EC_prime256v1"}
OLD_USAGES = {"keyUsages": ["digitalSignature"], "extendedKeyUsages": ["serverAuth"], "keyAlgorithm": "EC_prime256v1"}


@pytest.fixture
def client() -> Client:
    return Client()


def names(text: str) -> list[str]:
    leaf = x509.load_pem_x509_certificate(text.encode())
    found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return [str(name.value) for name in found]


def test_issue_takes_attributes_at_the_top(client: Client) -> None:
    alt_names = [{"type": "dns_name", "value": "www.example.com"}]
    body = {
        "profileId": client.profile.id,
        "commonName": "www.example.com",
        "altNames": alt_names,
        "ttl": "30d",
        **USAGES,
    }
    answer = client.post(f"{CERTIFICATES}/issue-certificate", body)
    assert answer.status == 200, answer.body
    assert names(answer.json["certificate"]) == ["www.example.com"]
    assert answer.json["privateKey"].startswith("-----BEGIN PRIVATE KEY-----")


def test_sign_takes_a_csr(client: Client) -> None:
    _, text = csr("dns:www.example.com")
    body = {"profileId": client.profile.id, "csr": text, "ttl": "30d", **USAGES}
    answer = client.post(f"{CERTIFICATES}/sign-certificate", body)
    assert answer.status == 200 and "privateKey" not in answer.json
    assert client.post(f"{CERTIFICATES}/sign-certificate", {**body, "csr": None}).status == 422


def test_order_is_complete_at_once(client: Client) -> None:
    listed = [{"type": "dns_name", "value": "www.example.com"}]
    body = {"profileId": client.profile.id, "subjectAlternativeNames": listed, "ttl": "30d", **USAGES}
    answer = client.post(f"{CERTIFICATES}/order-certificate", body)
    assert answer.status == 200, answer.body
    assert (answer.json["status"], answer.json["authorizations"]) == ("valid", [])
    assert names(answer.json["certificate"]) == ["www.example.com"]
    assert client.get(answer.json["finalize"].removeprefix(client.setting.address)).json["status"] == "issued"


@pytest.mark.parametrize("field", ["certificateTemplateId", "caId"])
def test_oldest_calls_find_the_profile(client: Client, field: str) -> None:
    value = client.profile.id if field == "certificateTemplateId" else client.setting.cas["EC-issuing"].id
    _, text = csr("dns:www.example.com")
    signed = client.post(f"{OLDEST}/sign-certificate", {field: value, "csr": text, "ttl": "30d", **USAGES})
    assert signed.status == 200, signed.body
    alt_names = "www.example.com, 10.0.0.7, ops@example.com, spiffe://example.com/x"
    body = {field: value, "commonName": "www.example.com", "altNames": alt_names, "ttl": "30d", **OLD_USAGES}
    issued = client.post(f"{OLDEST}/issue-certificate", body)
    assert issued.status == 200, issued.body
    expected = {"www.example.com", "10.0.0.7", "ops@example.com", "spiffe://example.com/x"}
    assert set(names(issued.json["certificate"])) == expected


def test_ca_with_several_profiles_is_ambiguous(client: Client) -> None:
    client.setting.profile("other")
    body = {"caId": client.setting.cas["EC-issuing"].id, "csr": csr()[1], "ttl": "30d"}
    answer = client.post(f"{OLDEST}/sign-certificate", body)
    assert answer.status == 400 and "may use 2 profiles of this CA" in answer.message


@pytest.mark.parametrize(
    "body", [[], None, {}, {"caId": 7}, {"caId": "x", "csr": "y"}, {"certificateTemplateId": "x", "csr": "y"}]
)
def test_invalid_bodies_are_refused(client: Client, body: Any) -> None:
    assert client.call("POST", f"{OLDEST}/sign-certificate", body).status in {400, 404, 422}
    assert client.call("POST", f"{CERTIFICATES}/order-certificate", body).status in {400, 404, 422}


def test_deprecated_calls_check_policy_and_permission(client: Client) -> None:
    body = {"profileId": client.profile.id, "commonName": "www.example.com", "ttl": "30d", **USAGES}
    client.as_another("administer")
    assert client.post(f"{CERTIFICATES}/issue-certificate", body).status == 403
    client.setting.profile(policy={"validity": {"max": "1d"}})
    client.as_another("request", "read-key")
    assert client.post(f"{CERTIFICATES}/issue-certificate", body).status == 400


def test_repeated_token_returns_the_same_certificate(client: Client) -> None:
    body = {"profileId": client.profile.id, "commonName": "www.example.com", "ttl": "30d", **USAGES}
    first, second = (client.post(f"{CERTIFICATES}/issue-certificate", body, idempotency_key="one") for _ in range(2))
    assert first.json["serialNumber"] == second.json["serialNumber"]


def test_pending_request_is_unavailable(client: Client) -> None:
    client.setting.signer.trouble = [Unavailable("later")]
    body = {"profileId": client.profile.id, "commonName": "www.example.com", "ttl": "30d", **USAGES}
    assert client.post(f"{CERTIFICATES}/issue-certificate", body).status == 503
