"""Deprecated calls issue the same certificates as the issue endpoint."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography import x509

from evercert.errors import Unavailable
from tests.doubles.authority.client import CERTIFICATES, REQUESTS, Client, Response, csr

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


def wanted(client: Client) -> dict[str, Any]:
    return {"profileId": client.profile.id, "commonName": "www.example.com", "ttl": "30d", **USAGES}


def test_pending_request_is_unavailable(client: Client) -> None:
    """The retry of a client with a key gets the same certificate."""
    client.setting.signer.trouble = [Unavailable("later")]
    assert client.post(f"{CERTIFICATES}/issue-certificate", wanted(client), idempotency_key="one").status == 503
    assert client.post(f"{CERTIFICATES}/issue-certificate", wanted(client), idempotency_key="one").status == 200
    assert client.written == (1, 1, 1)


def test_pending_request_without_a_key_is_not_repeated(client: Client) -> None:
    client.setting.signer.trouble = [Unavailable("later")]
    answer = client.post(f"{CERTIFICATES}/issue-certificate", wanted(client))
    (request,) = client.setting.certificates.requests
    assert answer.status == 400 and f"Certificate request {request} is pending: " in answer.message
    assert client.get(url_in(answer, client)).json["status"] == "issued"


def url_in(answer: Response, client: Client) -> str:
    """Return the path of the URL in a message."""
    found = answer.message.partition(client.setting.address)[2]
    return found.partition(";")[0]


@pytest.mark.parametrize("key", [None, "one"], ids=["no-key", "key"])
@pytest.mark.parametrize("path", ["issue-certificate", "sign-certificate"])
@pytest.mark.parametrize("waits", ["external", "approval"])
def test_waiting_request_is_named(client: Client, waits: str, path: str, key: str | None) -> None:
    wait(client, waits)
    body = {**wanted(client), **({"csr": csr()[1]} if path == "sign-certificate" else {})}
    headers = {} if key is None else {"idempotency_key": key}
    answer = client.post(f"{CERTIFICATES}/{path}", body, **headers)
    (request,) = client.setting.certificates.requests
    status = "pending" if waits == "external" else "pending_approval"
    assert answer.status == 400 and f"Certificate request {request} is {status}: Waiting for" in answer.message
    assert client.get(url_in(answer, client)).json["status"] == status


def wait(client: Client, what: str) -> None:
    """Change the profile: its requests wait for an issuer, or for an approval."""
    changes: dict[str, Any] = {"issuer_type": "external", "issuer": "outside", "cas": ()}
    client.setting.profile(**(changes if what == "external" else {"approval": {}}))


@pytest.mark.parametrize("waits", ["external", "approval", "signer"])
def test_waiting_order_is_pending(client: Client, waits: str) -> None:
    if waits == "signer":
        client.setting.signer.trouble = [Unavailable("later")]
    else:
        wait(client, waits)
    listed = [{"type": "dns_name", "value": "www.example.com"}]
    answer = client.post(f"{CERTIFICATES}/order-certificate", {**wanted(client), "subjectAlternativeNames": listed})
    (request,) = client.setting.certificates.requests
    found = answer.json
    assert (answer.status, found["orderId"], found["status"], found["certificate"]) == (200, request, "pending", None)
    assert found["subjectAlternativeNames"] == [{**listed[0], "status": "pending"}]
    status = client.get(found["finalize"].removeprefix(client.setting.address)).json["status"]
    assert status == {"external": "pending", "approval": "pending_approval", "signer": "issued"}[waits]


@pytest.mark.parametrize("path", ["issue-certificate", "order-certificate"])
def test_rejected_request_is_refused_with_its_reason(client: Client, path: str) -> None:
    wait(client, "approval")
    client.post(f"{CERTIFICATES}/{path}", wanted(client), idempotency_key="one")
    (request,) = client.setting.certificates.requests
    before = client.as_another("approve", name="approver")
    client.post(f"{REQUESTS}/{request}/reject", {"reason": "wrong name"})
    client.token = before
    answer = client.post(f"{CERTIFICATES}/{path}", wanted(client), idempotency_key="one")
    assert answer.status == 400 and answer.message == '"rejected by approver: wrong name"'
