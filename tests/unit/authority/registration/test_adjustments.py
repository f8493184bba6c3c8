"""Tests of adjustments: what a key cannot do is left out of the certificate, and the answer says so."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography import x509

from evercert.authority.policy.policy import Policy
from evercert.documents.spec import RESERVED_METADATA
from evercert.pki.attributes import Attributes
from evercert.pki.keys import PrivateKey
from evercert.pki.usages import key_usages_of
from tests.doubles.authority.authority import ANYTHING
from tests.doubles.authority.client import CERTIFICATES, Client

EC, RSA = {"keyAlgorithm": "EC_prime256v1"}, {"keyAlgorithm": "RSA_2048"}
BOTH = ["digital_signature", "key_encipherment"]
NO_ENCIPHERMENT = "key_encipherment with EC_prime256v1: EC keys do not encrypt (RFC 5480 §3, RFC 8813 §3)"
AGREEMENT = ["digital_signature", "key_agreement", "encipher_only"]


@pytest.fixture
def client() -> Client:
    return Client()


def with_policy(client: Client, **changes: Any) -> None:
    client.profile = client.setting.profile(policy=Policy.model_validate(ANYTHING | changes))


def csr(*usages: str) -> str:
    attributes = {"common-name": "www.example.com", "key-usages": usages, "extended-key-usages": ["server_auth"]}
    return PrivateKey.generate("EC_prime256v1").sign_csr(Attributes.model_validate(attributes))


def usages_of(pem: str) -> tuple[str, ...] | None:
    try:
        found = x509.load_pem_x509_certificate(pem.encode()).extensions.get_extension_for_class(x509.KeyUsage)
    except x509.ExtensionNotFound:
        return None
    return key_usages_of(found.value)


# -- key usages ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("attributes", "kept", "note"),
    [
        ({**EC, "keyUsages": BOTH}, ("digital_signature",), f"keyUsages: left out of the certificate: {NO_ENCIPHERMENT}"),
        ({**EC, "keyUsages": ["key_encipherment"]}, None, f"keyUsages: left out of the certificate: {NO_ENCIPHERMENT}"),
        ({**RSA, "keyUsages": AGREEMENT}, ("digital_signature",), "key_agreement, encipher_only with RSA_2048: RSA keys"),
        ({**EC, "keyUsages": [*BOTH, "decipher_only"]}, ("digital_signature",), f"{NO_ENCIPHERMENT}; decipher_only: has no"),
        ({**RSA, "keyUsages": BOTH}, tuple(BOTH), None),
        ({**EC, "keyUsages": AGREEMENT[:2]}, tuple(AGREEMENT[:2]), None),
    ],
    ids=["EC", "nothing left", "RSA", "two reasons", "possible", "possible with agreement"],
)  # fmt: skip
def test_issue_leaves_out_impossible_usages(
    client: Client, attributes: dict[str, Any], kept: tuple[str, ...] | None, note: str | None
) -> None:
    with_policy(client, keyUsages={"allowed": [*BOTH, "key_agreement", "encipher_only", "decipher_only"]})
    response = client.issue(attributes)
    assert (response.status, response.json["status"]) == (200, "issued"), response.body
    assert usages_of(response.json["certificate"]["certificate"]) == kept
    assert (note in response.json["message"]) if note else ("message" not in response.json)


def test_issue_leaves_out_impossible_usages_of_csr(client: Client) -> None:
    body = {"profileId": client.profile.id, "csr": csr(*BOTH), "attributes": {"ttl": "1d"}}
    response = client.post(CERTIFICATES, body)
    assert usages_of(response.json["certificate"]["certificate"]) == ("digital_signature",)
    assert response.json["message"] == f"csr: left out of the certificate: {NO_ENCIPHERMENT}"
    renewed = client.post(f"{CERTIFICATES}/{response.json['certificate']['certificateId']}/renew", {"csr": csr(*BOTH)})
    assert usages_of(renewed.json["certificate"]) == ("digital_signature",)
    assert renewed.json["message"] == response.json["message"]


def test_issue_leaves_out_impossible_defaults_without_note(client: Client) -> None:
    """No client requested them; the algorithm follows from the CAs of the profile."""
    client.profile = client.setting.profile(cas=("EC-issuing",), defaults={"keyUsages": BOTH})
    response = client.issue({"keyUsages": None})
    assert "message" not in response.json
    body = {"profileId": client.profile.id, "attributes": {"commonName": "www.example.com", "ttl": "1d"}}
    response = client.post(CERTIFICATES, body)
    assert usages_of(response.json["certificate"]["certificate"]) == ("digital_signature",)
    assert "message" not in response.json


def test_repeated_request_says_again_what_was_left_out(client: Client) -> None:
    first, second = (client.issue({**EC, "keyUsages": BOTH}, key="once").json for _ in range(2))
    assert second == first and NO_ENCIPHERMENT in second["message"]


def test_required_usage_that_the_key_cannot_have_is_not_missing(client: Client) -> None:
    """Such a profile issues as at Infisical; renewals must not fail because of what was left out."""
    with_policy(client, keyUsages={"required": BOTH})
    issued = client.issued({**EC, "keyUsages": BOTH})
    assert usages_of(issued["certificate"]) == ("digital_signature",)
    assert client.post(f"{CERTIFICATES}/{issued['certificateId']}/renew").status == 200
    assert client.issue({**EC, "keyUsages": ["digital_signature"]}).status == 200
    response = client.issue({**RSA, "keyUsages": ["digital_signature"]})
    assert (response.status, response.json["message"]) == (
        400,
        "Certificate request validation failed: Missing required key usages: key_encipherment",
    )


def test_impossible_usage_must_be_allowed_by_the_policy(client: Client) -> None:
    with_policy(client, keyUsages={"allowed": ["digital_signature"]})
    response = client.issue({**EC, "keyUsages": BOTH})
    assert (response.status, client.written) == (400, (0, 0, 0))
    assert "Invalid key usages: key_encipherment" in response.message


def test_renewal_by_csr_with_impossible_usages_is_no_change(client: Client) -> None:
    body = {"profileId": client.profile.id, "csr": csr(*BOTH), "attributes": {"ttl": "1d"}}
    issued = client.post(CERTIFICATES, body).json["certificate"]
    client.as_another("request")  # without the permission to edit
    response = client.post(f"{CERTIFICATES}/{issued['certificateId']}/renew", {"csr": csr(*BOTH)})
    assert response.status == 200, response.body


# -- signature algorithms --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("key", "requested", "made"),
    [
        ("EC_prime256v1", "RSA-SHA256", "ECDSA-SHA256"),
        ("EC_prime256v1", "RSA-SHA512", "ECDSA-SHA256"),
        ("EC_prime256v1", "ECDSA-SHA512", "ECDSA-SHA256"),
        ("RSA_2048", "ECDSA-SHA384", "RSA-SHA384"),
        (None, "ECDSA-SHA256", "RSA-SHA256"),
    ],
)
def test_ca_chooses_a_signature_that_its_key_can_make(client: Client, key: str, requested: str, made: str) -> None:
    response = client.issue({"keyAlgorithm": key, "signatureAlgorithm": requested})
    assert response.status == 200, response.body
    expected = f"signatureAlgorithm: the key of the CA cannot make {requested}: signed with {made}"
    assert response.json["message"] == expected
    request = f"{CERTIFICATES}/certificate-requests/{response.json['certificateRequestId']}"
    assert client.get(request).json["message"] == expected
    target = f"{CERTIFICATES}/{response.json['certificate']['certificateId']}"
    assert client.get(target).json["certificate"]["signatureAlgorithm"] == made
    assert client.post(f"{target}/renew").status == 200


@pytest.mark.parametrize(
    ("allowed", "requested", "made"),
    [
        (["RSA-SHA256", "ECDSA-SHA384"], "RSA-SHA256", "ECDSA-SHA384"),
        (["RSA-SHA256", "ECDSA-SHA512"], "RSA-SHA256", None),
        (["RSA-SHA256"], "RSA-SHA256", None),
    ],
)
def test_ca_chooses_a_signature_within_the_policy(allowed: list[str], requested: str, made: str | None) -> None:
    client = Client(ec="EC_secp384r1")
    with_policy(client, algorithms={"signature": allowed, "keyAlgorithm": ["any"]})
    response = client.issue({**EC, "signatureAlgorithm": requested})
    if made is None:
        assert response.status == 400 and client.written == (0, 0, 0)
        assert "the CA's key cannot make the signature RSA-SHA256, and the policy allows no other" in response.message
    else:
        target = f"{CERTIFICATES}/{response.json['certificate']['certificateId']}"
        assert client.get(target).json["certificate"]["signatureAlgorithm"] == made
        assert client.post(f"{target}/renew").status == 200


def test_self_signed_certificate_has_the_requested_hash(client: Client) -> None:
    client.profile = client.setting.profile("alone", issuer_type="self-signed")
    issued = client.issued({**EC, "signatureAlgorithm": "RSA-SHA512"})
    found = client.get(f"{CERTIFICATES}/{issued['certificateId']}").json["certificate"]
    assert found["signatureAlgorithm"] == "ECDSA-SHA512"


def test_requests_of_evercert_get_the_hash_of_the_key_of_the_ca(client: Client) -> None:
    """Evercert accepts the hash of the CA's curve, as other clients do."""
    token = [{"key": RESERVED_METADATA, "value": "token"}]
    response = client.issue({**EC, "signatureAlgorithm": "ECDSA-SHA512"}, metadata=token)
    assert response.status == 200, response.body
    assert response.json["message"].endswith("cannot make ECDSA-SHA512: signed with ECDSA-SHA256")
