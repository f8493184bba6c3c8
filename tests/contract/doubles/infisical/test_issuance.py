"""Tests of issuance by the Infisical double, with real keys."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.doubles.infisical.ca import SUBJECT, new_key
from tests.doubles.infisical.client import NAMES, WWW, csr, der, key_of, leaf, told
from tests.doubles.infisical.configuration import Policy
from tests.doubles.infisical.routes import CERTIFICATES, MANAGER, REQUESTS

OTHER = "00000000-0000-4000-8000-000000000000"


def test_lookup_resolves_names_to_ids(client, server):
    project = client.call("GET", "/api/v1/projects/slug/my-project").json()["id"]
    path = f"{MANAGER}/certificate-profiles/slug/tls-server"
    profile = client.call("GET", f"{path}?projectId={project}").json()["certificateProfile"]
    assert (profile["id"], profile["slug"], profile["projectId"]) == (server.profile.id, "tls-server", project)
    application = client.call("GET", f"{MANAGER}/applications/by-name/my-app").json()["application"]
    rows = client.call("GET", f"{MANAGER}/applications/{application['id']}/profiles").json()["profiles"]
    assert rows == [{"applicationId": application["id"], "profileId": profile["id"], "profileSlug": "tls-server"}]
    assert client.call("GET", path).status_code == 422
    assert client.call("GET", f"{MANAGER}/certificate-profiles/{profile['id']}").json()["certificateProfile"] == profile
    for missing in ("/api/v1/projects/slug/no", f"{MANAGER}/applications/by-name/no", f"{path}-no?projectId={project}"):
        assert client.call("GET", missing).status_code == 404
    assert told(client.call("GET", f"{path}-no?projectId={project}")) == (404, "Certificate profile not found")


def test_issue_returns_a_matching_key_and_a_valid_chain(client, server):
    answer = client.issue(**WWW, ttl="30d", removeRootsFromChain=True)
    said = answer.json()
    assert (answer.status_code, said["status"]) == (200, "issued")
    made = leaf(answer)
    assert key_of(said["certificate"]["privateKey"]) == der(made.public_key())
    chain = x509.load_pem_x509_certificates(said["certificate"]["certificateChain"].encode())
    made.verify_directly_issued_by(chain[0])
    chain[0].verify_directly_issued_by(chain[1])
    chain[1].verify_directly_issued_by(chain[1])
    assert len(chain) == 2  # among the attributes the switch is unknown, and dropped
    assert made.not_valid_after_utc - made.not_valid_before_utc == timedelta(days=30)
    assert server.issued_for(der(made.public_key()))[0].id == said["certificate"]["certificateId"]


def test_issue_by_csr_returns_no_key(client, server):
    key = new_key("EC_prime256v1")
    answer = client.issue(csr=csr(key, x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])), commonName="ignored")
    made = leaf(answer)
    assert der(made.public_key()) == der(key.public_key())
    assert "privateKey" not in answer.json()["certificate"]
    assert made.subject.rfc4514_string() == "CN=www.example.com"
    usages = made.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usages) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    text = csr(key)
    strange = x509.IssuerAlternativeName([x509.DNSName("a")]), x509.KeyUsage(*[True] + [False] * 8)
    assert leaf(client.issue(csr=csr(key, *strange))).extensions.get_extension_for_class(x509.KeyUsage).critical
    assert told(client.issue(csr="a CSR")) == (400, "Invalid CSR")
    false = x509.load_pem_x509_csr(text.encode()).public_bytes(serialization.Encoding.DER)
    false = base64.encodebytes(false.replace(b"www.example.com", b"www.evil-ex.com")).decode()
    false = f"-----BEGIN CERTIFICATE REQUEST-----\n{false}-----END CERTIFICATE REQUEST-----\n"
    assert told(client.issue(csr=false)) == (400, "Invalid CSR: its signature does not verify")
    assert told(client.issue(csr=text, customExtensions=[{}]))[0] == 400


def test_issue_subject_order_and_extensions(client):
    asked = {field: "x" for field in SUBJECT if field not in ("domainComponents", "country")}
    answer = client.issue(
        **asked,
        country="DE",
        domainComponents=["example", "com"],
        altNames=NAMES,
        ttl="1d",
        keyUsages=["key_agreement"],
    )
    made = leaf(answer)
    assert [one.oid for one in made.subject] == [
        NameOID.DOMAIN_COMPONENT, NameOID.DOMAIN_COMPONENT, *list(SUBJECT.values())[1:],
    ]  # fmt: skip
    critical = {type(one.value): one.critical for one in made.extensions}
    assert critical[x509.ExtendedKeyUsage] and critical[x509.KeyUsage]
    assert not critical[x509.SubjectAlternativeName]
    assert {x509.CRLDistributionPoints, x509.AuthorityInformationAccess, x509.CertificatePolicies} <= critical.keys()
    nameless = leaf(client.issue(altNames=NAMES, ttl="1d"))
    assert nameless.extensions.get_extension_for_class(x509.SubjectAlternativeName).critical


def test_issue_keeps_typed_names(client):
    names = [
        {"type": "ip_address", "value": "10.0.0.1"},
        {"type": "email", "value": "a@example.com"},
        {"type": "uri", "value": "spiffe://example.com/a"},
    ]
    made = leaf(client.issue(altNames=names, ttl="1d"))
    stood = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [type(one) for one in stood] == [x509.IPAddress, x509.RFC822Name, x509.UniformResourceIdentifier]


def test_issue_root_removal_drops_the_last_pem(client, server):
    def chain(profile: str) -> int:
        body = {"profileId": profile, "attributes": WWW | {"ttl": "1d"}, "removeRootsFromChain": True}
        said = client.call("POST", CERTIFICATES, body).json()["certificate"]
        assert said["issuingCaCertificate"] or profile != server.profile.id
        return said["certificateChain"].count("BEGIN")

    alone = server.estate.profile(
        "self-signed",
        "my-project",
        None,
        defaults={"keyAlgorithm": "EC_prime256v1"} | {"signatureAlgorithm": "ECDSA-SHA256"},
    )
    assert [chain(server.profile.id), chain(alone.id)] == [1, 0]


def test_issue_self_signed_chain_and_csr_refusal(client, server):
    server.profile.authority = None
    answer = client.issue(**WWW)
    said, made = answer.json()["certificate"], leaf(answer)
    made.verify_directly_issued_by(made)
    assert (said["certificateChain"], said["issuingCaCertificate"]) == (said["certificate"], "")
    assert not any(one.critical for one in made.extensions)
    refused = told(client.issue(csr=csr(new_key("EC_prime256v1"))))
    assert refused == (400, "Self-signed certificates are not supported for CSR signing")


@pytest.mark.parametrize(
    ("ttl", "lasts"),
    [("60s", 60), ("10m", 600), ("12h", 43_200), ("2w", 1_209_600), ("1y", 31_557_600), ("2 days", 172_800)],
)
def test_issue_ttl_m_means_minutes(client, ttl, lasts):
    made = leaf(client.issue(**WWW, ttl=ttl))
    assert (made.not_valid_after_utc - made.not_valid_before_utc).total_seconds() == lasts


@pytest.mark.parametrize(
    ("attributes", "path"),
    [
        ({"ttl": "1h30m"}, ["attributes", "ttl"]),
        ({"ttl": "-1d"}, ["attributes", "ttl"]),
        ({"ttl": "101y"}, ["attributes", "ttl"]),
        ({"ttl": "1d", "notAfter": "2030-01-01T00:00:00Z"}, ["attributes", "ttl"]),
        ({"notBefore": "2030-01-02T00:00:00Z", "notAfter": "2030-01-01T00:00:00Z"}, ["attributes", "notBefore"]),
        ({"extendedKeyUsages": ["timestamping"]}, ["attributes", "extendedKeyUsages", 0]),
        ({"altNames": [{"type": "DNS", "value": "a.example"}]}, ["attributes", "altNames", 0]),
        ({"altNames": [{"type": "ip_address", "value": "www"}]}, ["attributes", "altNames", 0]),
        ({"keyUsages": [["crl_sign"]]}, ["attributes", "keyUsages", 0]),
        ({"keyAlgorithm": "Ed25519"}, ["attributes", "keyAlgorithm"]),
        ({"commonName": "x" * 256}, ["attributes", "commonName"]),
        ({"notAfter": "tomorrow"}, ["attributes", "notAfter"]),
    ],
)
def test_issue_schema_errors_are_422_with_paths(client, attributes, path):
    answer = client.issue(**attributes)
    assert (answer.status_code, answer.json()["error"]) == (422, "ValidationFailure")
    assert path in [issue["path"] for issue in answer.json()["message"]]


def test_issue_refuses_unknown_profiles_and_applications(client, server):
    def issue(**other: Any) -> tuple[int, str]:
        return told(client.call("POST", CERTIFICATES, {"profileId": server.profile.id, "attributes": WWW} | other))

    assert issue(profileId=OTHER) == (404, "Certificate profile not found")
    assert issue(profileId="tls-server")[0] == 422
    assert issue(applicationId=OTHER) == (400, "This profile is not attached to the specified Application.")
    server.application.attached[server.profile.id] = False
    assert issue(applicationId=server.application.id)[1].startswith("API enrollment is not configured for this profile")
    server.switches.requires_application = True
    assert issue()[0] == 400
    server.profile.enrollment = "acme"
    assert issue() == (403, "Profile is not configured for api enrollment")
    server.machine.permissions.clear()
    assert issue() == (403, "You are not allowed to issue-cert on certificate-profiles")


def test_issue_missing_ttl_and_wrong_family_are_400(client, server):
    assert told(client.issue(**WWW, signatureAlgorithm="RSA-SHA256"))[0] == 400
    assert told(client.issue(**WWW, ttl="20y")) == (400, "notAfter date is after CA certificate's notAfter date")
    del server.profile.defaults["ttlDays"]
    assert "requires a valid TTL" in told(client.issue(**WWW))[1]


def test_issue_request_overrides_profile_defaults(client, server):
    server.profile.defaults |= {"organization": "Default", "locality": "Default"}
    made = leaf(client.issue(**WWW, organization=None, locality="L", extendedKeyUsages=["client_auth"]))
    assert made.subject.rfc4514_string() == "L=L,CN=www.example.com"
    usages = made.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usages) == [ExtendedKeyUsageOID.CLIENT_AUTH]


def test_permission_error_names_action_and_subject(client, server):
    said = client.issue(**WWW).json()["certificate"]
    server.machine.permissions -= {"read-private-key certificates"}
    refused = client.call("GET", f"{CERTIFICATES}/{said['certificateId']}/private-key")
    assert (refused.status_code, refused.json()["error"]) == (403, "PermissionDenied")
    assert refused.json()["details"][0]["action"] == ["read-private-key"]
    assert client.call("GET", f"{CERTIFICATES}/{said['certificateId']}/bundle").json()["privateKey"] is None
    assert "privateKey" not in client.issue(**WWW).json()["certificate"]


RULES: dict[str, Any] = {
    "subject": [{"type": "common_name", "allowed": ["*.example.com"], "denied": ["secret.*"]}],
    "sans": [{"type": "dns_name", "allowed": ["*.example.com"], "required": ["www.*"]}],
    "keyUsages": {"allowed": ["digital_signature"]},
    "extendedKeyUsages": {"required": ["server_auth"], "denied": ["client_auth"]},
    "algorithms": {"signature": ["SHA256-ECDSA"], "keyAlgorithm": ["ECDSA-P256"]},
    "validity": {"max": "90d"},
}
ASKED: dict[str, Any] = WWW | {"signatureAlgorithm": "ECDSA-SHA256", "ttl": "30d"}


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({}, None),
        ({"commonName": "www.other.org"}, "common_name value 'www.other.org' does not match allowed patterns"),
        ({"commonName": "secret.example.com"}, "is denied by template policy"),
        ({"organization": "O"}, "organization is not allowed by template policy"),
        ({"domainComponents": ["com"]}, "domain_component is not allowed"),
        ({"altNames": [{"type": "dns_name", "value": "a.example.com"}]}, "matching pattern 'www.*' not found"),
        ({"altNames": [*NAMES, {"type": "email", "value": "a@b.c"}]}, "email SAN is not allowed"),
        ({"keyUsages": ["crl_sign"]}, "Invalid key usages: crl_sign"),
        ({"extendedKeyUsages": ["client_auth"]}, "Missing required extended key usages: server_auth"),
        ({"keyAlgorithm": "RSA_2048"}, "Key algorithm 'RSA_2048' is not allowed"),
        ({"ttl": "91d"}, "exceeds maximum allowed duration"),
        ({"ttl": "10m"}, "exceeds maximum allowed duration"),  # months, to a policy
        ({"basicConstraints": {"isCA": True}}, "CA certificates are not allowed"),
    ],
)
def test_policy_refuses_violations(client, server, other, said):
    server.profile.policy = Policy(RULES)
    answer = client.issue(**(ASKED | other))
    if said is None:
        assert answer.status_code == 200
    else:
        assert told(answer)[0] == 400 and said in told(answer)[1]


def test_policy_reports_all_violations_at_once(client, server):
    server.profile.policy = Policy(RULES)
    status, said = told(client.issue(**(ASKED | {"organization": "O", "ttl": "2y", "keyUsages": ["crl_sign"]})))
    assert said.startswith("Certificate request validation failed: ") and (status, said.count(", ")) == (400, 2)
    assert told(client.issue(**(ASKED | {"ttl": "60s"}))) == (500, "Something went wrong")
    assert "required by this policy but not provided" in told(client.issue(**WWW, ttl="1d"))[1]


def test_policy_with_only_denied_usages_allows_none(client, server):
    server.profile.policy = Policy(RULES | {"keyUsages": {"denied": ["crl_sign"]}})
    assert "Invalid key usages: digital_signature" in told(client.issue(**ASKED))[1]
    server.profile.policy = Policy(RULES | {"subject": [{"type": "common_name", "denied": ["secret.*"]}]})
    assert client.issue(**(ASKED | {"commonName": "anything.org"})).status_code == 200


def test_certificate_bundle_and_request_polling(client):
    said = client.issue(**WWW).json()
    made = said["certificate"]
    read = client.call("GET", f"{CERTIFICATES}/{made['certificateId']}").json()["certificate"]
    assert (read["status"], read["serialNumber"], read["hasPrivateKey"]) == ("active", made["serialNumber"], True)
    bundle = client.call("GET", f"{CERTIFICATES}/{made['certificateId']}/bundle")
    assert bundle.headers["Cache-Control"] == "no-store" and bundle.json()["certificateChain"].count("BEGIN") == 2
    poll = client.call("GET", f"{REQUESTS}/{said['certificateRequestId']}").json()
    assert (poll["status"], poll["certificateId"]) == ("issued", made["certificateId"])
    assert not {"certificateChain", "issuingCaCertificate"} & poll.keys()
    key = client.call("GET", f"{CERTIFICATES}/{made['certificateId']}/private-key").text
    assert key == bundle.json()["privateKey"] == poll["privateKey"] == made["privateKey"]
    assert client.call("GET", f"{CERTIFICATES}/{OTHER}").status_code == 404
    assert client.call("GET", f"{REQUESTS}/{OTHER}").status_code == 404


def test_revoke_needs_a_known_reason_and_fails_twice(client, server):
    made = client.issue(**WWW).json()["certificate"]
    path = f"{CERTIFICATES}/{made['certificateId']}"
    assert client.call("POST", f"{path}/revoke", {"revocationReason": "superseded"}).status_code == 422
    answer = client.call("POST", f"{path}/revoke", {"revocationReason": "SUPERSEDED"})
    assert (answer.status_code, answer.json()["serialNumber"]) == (200, made["serialNumber"])
    assert client.call("GET", path).json()["certificate"]["status"] == "revoked"
    assert client.call("POST", f"{path}/revoke", {"revocationReason": "SUPERSEDED"}).status_code == 500
    assert server.issued[0].revoked and server.issued[0].reason == "SUPERSEDED"
