"""Enrollment through the API: certificates, idempotency, pending requests, errors and lists."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from evercert.authority.api_errors import Refusal
from evercert.authority.policy.policy import Policy
from evercert.documents.spec import RESERVED_METADATA
from evercert.errors import Misconfigured, OutOfTime, Unavailable
from evercert.pki.certificate import Chain
from evercert.pki.keys import PrivateKey
from evercert.timestamps import to_text
from tests.doubles.authority.client import CERTIFICATES, NAMES, PROFILES, REQUESTS, USAGES, Client, csr
from tests.samples import requests


@pytest.fixture
def client() -> Client:
    return Client()


def leaf_of(issued: dict) -> x509.Certificate:
    return x509.load_pem_x509_certificate(issued["certificate"].encode())


# -- the certificate ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("algorithm", ["EC_prime256v1", "EC_secp384r1", "RSA_2048"])
def test_leaf_and_issuer_share_key_family(client: Client, algorithm: str) -> None:
    issued = client.issued({"keyAlgorithm": algorithm})
    chain = Chain.from_pem(issued["certificate"] + "\n" + issued["certificateChain"])
    leaf, issuing, root = chain.certificates
    leaf.verify_directly_issued_by(issuing)
    issuing.verify_directly_issued_by(root)
    assert issued["issuingCaCertificate"].strip() == issued["certificateChain"].split("\n-----BEGIN")[0].strip()
    assert algorithm.partition("_")[0] in issuing.subject.rfc4514_string()
    key = PrivateKey.from_pem(issued["privateKey"])
    assert key.algorithm == algorithm and key.public_bytes() == PrivateKey.from_pem(issued["privateKey"]).public_bytes()
    assert issued["serialNumber"] == f"{leaf.serial_number:040x}"


def test_leaf_has_requested_fields_and_is_backdated(client: Client) -> None:
    issued = client.issued(
        {"organization": "Muster AG", "country": "DE", "ttl": "12h", "domainComponents": ["example", "com"]}
    )
    leaf, now = leaf_of(issued), client.setting.now()
    assert leaf.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)[0].value == "Muster AG"
    assert [one.value for one in leaf.subject.get_attributes_for_oid(NameOID.DOMAIN_COMPONENT)] == ["com", "example"]
    assert leaf.not_valid_before_utc == now - timedelta(minutes=5)
    assert leaf.not_valid_after_utc == now + timedelta(hours=12)
    described = client.get(f"{CERTIFICATES}/{issued['certificateId']}").json["certificate"]
    assert described["subject"]["domainComponents"] == ["example", "com"]
    assert (described["caName"], described["profileName"], described["hasPrivateKey"]) == (
        "RSA-issuing",
        "tls-server",
        True,
    )


def test_remove_roots_checks_certificates(client: Client) -> None:
    whole, without = client.issued(), client.issued(removeRootsFromChain=True)
    assert whole["certificateChain"].count("BEGIN") == 2
    assert without["certificateChain"].count("BEGIN") == 1
    ca = client.setting.cas["RSA-issuing"]
    below = replace_chain(ca, "")
    client.setting.configuration.put(below)
    assert client.issued(removeRootsFromChain=True)["certificateChain"].count("BEGIN") == 1


def replace_chain(ca, chain):
    installed = ca.installed[-1].model_copy(update={"chain": chain})
    return ca.model_copy(update={"installed": (installed,)})


def test_profile_defaults_fill_missing_fields(client: Client) -> None:
    client.setting.profile(defaults={"ttlDays": 7, "organization": "Muster AG", "keyAlgorithm": "EC_prime256v1"})
    response = client.post(CERTIFICATES, {"profileId": client.profile.id, "attributes": NAMES}).json
    leaf = leaf_of(response["certificate"])
    assert leaf.not_valid_after_utc == client.setting.now() + timedelta(days=7)
    assert "O=Muster AG" in leaf.subject.rfc4514_string()
    assert client.issue({"ttl": None}).status == 400  # null removes the default
    assert "O=" not in leaf_of(client.issued({"organization": None})).subject.rfc4514_string()


def test_self_signed_profile_does_not_call_signer(client: Client) -> None:
    client.setting.profile(issuer_type="self-signed")
    issued = client.issued({"keyAlgorithm": "EC_prime256v1"})
    leaf = leaf_of(issued)
    leaf.verify_directly_issued_by(leaf)
    assert issued["issuingCaCertificate"] == "" and issued["certificateChain"] == issued["certificate"]
    assert client.setting.signer.orders == []
    target = f"{CERTIFICATES}/{issued['certificateId']}"
    assert client.get(f"{target}/bundle").json["privateKey"] == issued["privateKey"]
    response = client.issue({}, csr=csr()[1])
    assert "Self-signed certificates are not supported for CSR signing" in response.message
    assert client.post(f"{target}/renew", {"renewalKeySource": "reuse"}).status == 200
    assert client.post(f"{target}/revoke", {"revocationReason": "SUPERSEDED"}).json["crlPublished"] is False


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"status": "disabled"}, "CA is not active"),
        ({"status": "pending", "installed": ()}, "CA does not have a certificate installed"),
    ],
)
def test_issue_reports_unusable_ca(client: Client, change: dict, message: str) -> None:
    client.setting.configuration.put(client.setting.cas["RSA-issuing"].model_copy(update=change))
    response = client.issue()
    assert (response.status, message in response.message) == (400, True), response.body
    assert client.written == (0, 0, 0)


def test_issue_reports_expired_ca(client: Client) -> None:
    client.setting.clock.advance(days=6 * 365)
    client.token = client.setting.token(client.identity)
    assert "CA is expired" in client.issue().message


def test_issue_reports_missing_ca_for_key(client: Client) -> None:
    client.setting.profile(cas=("EC-issuing",))
    response = client.issue({"keyAlgorithm": "RSA_2048"})
    assert response.status == 400 and "keyAlgorithm" in response.message
    assert leaf_of(client.issued({"keyUsages": None})).public_key().key_size == 256


def test_issue_hides_unknown_ca_of_profile(client: Client) -> None:
    client.setting.profile(cas=("nothing",))
    response = client.issue()
    assert (response.status, response.json["error"]) == (500, "InternalServerError")
    assert "nothing" not in response.message


def test_application_must_have_the_profile(client: Client) -> None:
    assert client.issue(applicationId=client.application.id).status == 200
    other = client.setting.application("other", "shop")
    for application in (other.id, client.profile.id):
        response = client.issue(applicationId=application)
        assert "This profile is not attached to the specified Application." in response.message
    foreign = client.setting.application("third", "elsewhere", "tls-server")
    assert client.issue(applicationId=foreign.id).status == 400


def test_missing_profile_is_not_found(client: Client) -> None:
    client.setting.configuration.remove(client.profile)
    response = client.issue()
    assert (response.status, response.json["message"]) == (404, "Certificate profile not found")


# -- idempotency ---------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("how", ["header", "metadata"])
def test_same_token_returns_same_certificate(client: Client, how: str) -> None:
    token = {"key": "token"} if how == "header" else {"metadata": [{"key": RESERVED_METADATA, "value": "token"}]}
    first, second = client.issue(**token).json, client.issue(**token).json
    assert first == second
    assert client.written == (1, 1, 1)
    response = client.issue({"ttl": "1d"}, **token)
    assert (response.status, "used before" in response.message) == (400, True)
    assert client.written == (1, 1, 1)


def test_retry_may_have_other_dates(client: Client) -> None:
    def until(minutes: float, **more: Any) -> Any:
        end = client.setting.now() + timedelta(minutes=minutes)
        return client.issue({"ttl": None, "notAfter": end.isoformat(), **more}, key="token")

    first = until(2).json
    client.setting.clock.advance(seconds=3)
    assert until(2).json == first and client.written == (1, 1, 1)
    for other in ({"notBefore": client.setting.now().isoformat()}, {"organization": "Muster AG"}):
        assert until(2, **other).status == 400
    assert client.issue({"ttl": "2m"}, key="token").status == 400
    assert client.written == (1, 1, 1)


def test_token_is_looked_up_before_policy_check(client: Client) -> None:
    from evercert.authority.policy.policy import Policy

    first = client.issue(key="token").json
    client.setting.profile(policy=Policy())
    assert client.issue(key="token").json == first
    assert client.issue(key="another").status == 400


def test_concurrent_calls_with_one_token_sign_once(client: Client) -> None:
    body = {
        "profileId": client.profile.id,
        "attributes": {**NAMES, **USAGES, "ttl": "1d", "keyAlgorithm": "EC_prime256v1"},
    }
    enrollment = client.setting.front.enrollment
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: enrollment.issue(client.identity, body, "token"), range(16)))
    assert len({one["certificate"]["certificateId"] for one in found}) == 1
    assert len({one["certificate"]["certificate"] for one in found}) == 1
    assert client.written == (1, 1, 1)


def test_time_stamping_is_critical_and_alone(client: Client) -> None:
    usages = {"extended-key-usages": {"allowed": ["time_stamping", "server_auth"]}}
    policy = client.profile.policy.model_copy(
        update={"extended_key_usages": Policy.model_validate(usages).extended_key_usages}
    )
    client.profile = client.setting.profile(issuer_type="self-signed", policy=policy)
    issued = client.issued({"keyAlgorithm": "EC_prime256v1", "extendedKeyUsages": ["time_stamping"]})
    assert leaf_of(issued).extensions.get_extension_for_class(x509.ExtendedKeyUsage).critical
    refused = client.issue({"keyAlgorithm": "EC_prime256v1", "extendedKeyUsages": ["server_auth", "time_stamping"]})
    assert refused.status == 400
    assert "extendedKeyUsages: time_stamping with server_auth: must be the only purpose" in refused.message


@pytest.mark.parametrize("issuer_type", ["ca", "self-signed"])
def test_concurrent_fulfillment_returns_stored_certificate(client: Client, issuer_type: str) -> None:
    """Each signature would produce another self-signed certificate."""
    client.setting.profile(issuer_type=issuer_type)
    client.setting.signer.trouble = [Unavailable("slow")]
    client.issued({"keyAlgorithm": "EC_prime256v1"}) if issuer_type == "self-signed" else client.issue()
    (request,) = client.setting.certificates.requests.values()
    waiting = replace(request, status="pending")
    fulfillment = client.setting.front.retrieval.fulfillment
    first, second = fulfillment.fulfill(waiting), fulfillment.fulfill(waiting)
    assert first == second == client.setting.certificates.certificates[request.certificate_id]


def test_concurrent_calls_get_unique_serial_numbers(client: Client) -> None:
    body = {
        "profileId": client.profile.id,
        "attributes": {**NAMES, **USAGES, "ttl": "1d", "keyAlgorithm": "EC_prime256v1"},
    }
    enrollment = client.setting.front.enrollment
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: enrollment.issue(client.identity, body), range(24)))
    assert len({one["certificate"]["serialNumber"] for one in found}) == 24


# -- unavailable services -------------------------------------------------------------------------------------
def test_poll_resumes_pending_request(client: Client) -> None:
    client.setting.signer.trouble = [Unavailable("slow")] * 3
    response = client.issue().json
    assert (response["status"], response["certificate"]) == ("pending", None)
    target = f"{REQUESTS}/{response['certificateRequestId']}"
    waiting = client.get(target).json
    assert (waiting["status"], waiting["certificate"]) == ("pending", None) and waiting["pendingMessage"]
    assert client.post(f"{target}/cancel").json == {"status": "pending", "cancelled": False, "errorMessage": None}
    done = client.get(target).json
    assert done["status"] == "issued" and done["privateKey"] and done["pendingMessage"] is None
    assert client.get(target).json == done
    assert client.written == (1, 1, 1)


def test_pending_request_survives_long_outage(client: Client) -> None:
    """The dates of a request are fixed when it is stored, long before the signer sees it."""
    client.setting.signer.trouble = [Unavailable("throttled")]
    assert client.issue().json["status"] == "pending"
    client.setting.clock.advance(seconds=23 * 3_600)
    (request,) = client.setting.certificates.requests.values()
    client.setting.front.retrieval.fulfillment.fulfill(request)
    (request,) = client.setting.certificates.requests.values()
    assert (request.status, request.error) == ("issued", None)


def test_issue_is_pending_while_key_cannot_be_opened(client: Client, monkeypatch) -> None:
    def unavailable(*_: object) -> None:
        raise Unavailable("KMS")

    monkeypatch.setattr(client.setting.seal, "open", unavailable)
    response = client.issue().json
    assert (response["status"], response["certificate"]) == ("pending", None)
    monkeypatch.undo()
    assert client.get(f"{REQUESTS}/{response['certificateRequestId']}").json["privateKey"]
    assert client.written == (1, 1, 1)


def test_cancel_completes_pending_request(client: Client) -> None:
    client.setting.signer.trouble = [Unavailable("slow")]
    response = client.issue().json
    target = f"{REQUESTS}/{response['certificateRequestId']}"
    assert client.post(f"{target}/cancel").json == {"status": "issued", "cancelled": False, "errorMessage": None}
    assert client.written == (1, 1, 1)


def test_refusal_of_signer_fails_request(client: Client) -> None:
    client.setting.signer.trouble = [Refusal(400, "BadRequest", "outside the ceiling")]
    response = client.issue(key="token")
    assert (response.status, response.json["message"]) == (400, "outside the ceiling")
    (request,) = client.setting.certificates.requests.values()
    described = client.get(f"{REQUESTS}/{request.id}").json
    assert (described["status"], described["errorMessage"]) == ("failed", "outside the ceiling")
    assert client.issue(key="token").json["message"] == "outside the ceiling"
    assert client.issue(key="another").status == 200


def test_issue_hides_misconfigured_signer(client: Client) -> None:
    client.setting.signer.trouble = [Misconfigured("arn:canary is disabled")]
    response = client.issue(key="token")
    assert (response.status, response.json["error"]) == (500, "InternalServerError")
    assert b"canary" not in response.body
    assert client.issue(key="token").status == 200
    assert client.written == (1, 1, 1)


def test_unavailable_table_returns_503(client: Client, monkeypatch) -> None:
    def unavailable(*_: object) -> None:
        raise Unavailable("canary")

    monkeypatch.setattr(client.setting.certificates, "open", unavailable)
    response = client.issue()
    assert (response.status, response.headers["retry-after"]) == (503, "5")
    assert b"canary" not in response.body


def test_exhausted_time_limit_returns_503(client: Client, monkeypatch) -> None:
    """A slow table is not reported as a bug."""

    def late(*_: object) -> None:
        raise OutOfTime("dynamodb:PutItem could end too late")

    monkeypatch.setattr(client.setting.certificates, "open", late)
    response = client.issue()
    assert (response.status, response.headers["retry-after"]) == (503, "5")


def test_unexpected_error_reveals_nothing(client: Client, monkeypatch, caplog: pytest.LogCaptureFixture) -> None:
    def bug(*_: object) -> None:
        raise KeyError("canary-secret")

    monkeypatch.setattr(client.setting.certificates, "open", bug)
    response = client.issue()
    assert (response.status, response.json["message"], response.json["error"]) == (
        500,
        "Something went wrong",
        "InternalServerError",
    )
    assert "canary" not in caplog.text and "KeyError at" in caplog.text


# -- lists -----------------------------------------------------------------------------------------------------------------
def test_search_filters_requests(client: Client) -> None:
    project = client.get("/api/v1/projects/slug/shop").json["id"]
    for number in range(3):
        client.setting.clock.advance(seconds=1)
        client.issued({"commonName": f"h{number}.example.com"}, metadata=[{"key": "n", "value": str(number)}])

    def found(**criteria: object) -> list[str]:
        answer = client.post(f"{REQUESTS}/search", {"projectId": project, **criteria}).json
        assert answer["totalCount"] >= len(answer["certificateRequests"])
        return [row["commonName"] for row in answer["certificateRequests"]]

    assert found() == ["h2.example.com", "h1.example.com", "h0.example.com"]
    assert found(sortOrder="asc", limit=2) == ["h0.example.com", "h1.example.com"]
    assert found(offset=2) == ["h0.example.com"]
    assert found(metadata=[{"key": "n", "value": "1"}]) == ["h1.example.com"]
    assert found(status="failed") == [] and found(search="H1") == ["h1.example.com"]
    assert found(profileIds=[client.profile.id]) == found() and found(profileIds=[project]) == []
    assert client.post(f"{REQUESTS}/search", {"projectSlug": "shop"}).json["totalCount"] == 3
    listed = client.get(f"{PROFILES}/{client.profile.id}/certificates?limit=2").json
    assert ([one["commonName"] for one in listed["certificates"]], listed["totalCount"]) == (found()[:2], 3)


def test_search_reads_the_requests_of_its_page_only(client: Client) -> None:
    store, project = client.setting.certificates, client.get("/api/v1/projects/slug/shop").json["id"]
    for number in range(6):
        client.setting.clock.advance(seconds=1)
        client.issued({"commonName": f"h{number}.example.com"})
    middle = to_text(client.setting.clock() - timedelta(seconds=2))
    for criteria, names, count in (
        ({"limit": 2}, ["h5", "h4"], 6),
        ({"limit": 2, "offset": 3, "sortOrder": "asc"}, ["h3", "h4"], 6),
        ({"limit": 2, "fromDate": middle}, ["h5", "h4"], 3),
        ({"limit": 1, "toDate": middle, "profileIds": [client.profile.id]}, ["h3"], 4),
    ):
        store.read = 0
        answer = client.post(f"{REQUESTS}/search", {"projectId": project, **criteria}).json
        rows = [row["commonName"].removesuffix(".example.com") for row in answer["certificateRequests"]]
        assert (rows, answer["totalCount"], store.read) == (names, count, len(names))


def test_search_by_token_does_not_need_the_index(client: Client, monkeypatch) -> None:
    project = client.get("/api/v1/projects/slug/shop").json["id"]
    metadata = [{"key": RESERVED_METADATA, "value": "token"}]
    response = client.issue(metadata=metadata).json
    monkeypatch.setattr(client.setting.certificates, "requests_of", lambda *_: [])
    (row,) = client.post(f"{REQUESTS}/search", {"projectId": project, "metadata": metadata}).json["certificateRequests"]
    assert row["id"] == response["certificateRequestId"]


def test_lookup_by_name_returns_ids(client: Client) -> None:
    project = client.get("/api/v1/projects/slug/shop").json
    by_slug = client.get(f"{PROFILES}/slug/tls-server?projectId={project['id']}").json["certificateProfile"]
    assert by_slug == client.get(f"{PROFILES}/{client.profile.id}").json["certificateProfile"]
    assert by_slug["id"] == client.profile.id and by_slug["projectId"] == project["id"]
    (listed,) = client.get(f"{PROFILES}?projectId={project['id']}").json["certificateProfiles"]
    assert listed == by_slug
    application = client.get("/api/v1/cert-manager/applications/by-name/shop-app").json["application"]
    rows = client.get(f"/api/v1/cert-manager/applications/{application['id']}/profiles").json["profiles"]
    assert rows == [{"applicationId": application["id"], "profileId": client.profile.id, "profileSlug": "tls-server"}]
    assert client.get("/api/v1/projects/slug/none").status == 404
    assert client.get(f"{PROFILES}/slug/none?projectId={project['id']}").status == 404


def test_lookup_by_slug_needs_a_project_only_if_ambiguous(client: Client) -> None:
    """Sent by infisical-issuer: `slug/{slug}` without a project."""
    assert client.get(f"{PROFILES}/slug/tls-server").json["certificateProfile"]["id"] == client.profile.id
    assert client.get(f"{PROFILES}/slug/none").status == 404
    client.setting.profile(project="other")
    response = client.get(f"{PROFILES}/slug/tls-server")
    assert response.status == 422 and "several projects have a profile with this slug" in response.message
    client.as_another("request", profile="other/tls-server")
    found = client.get(f"{PROFILES}/slug/tls-server").json["certificateProfile"]
    assert found["id"] != client.profile.id


def test_profiles_filters_by_query(client: Client, monkeypatch) -> None:
    client.setting.profile("mesh", cas=("EC-issuing",))
    client.setting.profile("alone", issuer_type="self-signed")
    client.setting.profile("mesh", project="other")
    project = client.get("/api/v1/projects/slug/shop").json["id"]
    rsa = client.setting.cas["RSA-issuing"].id
    reads: list[int] = []
    real = client.setting.configuration.every_ca
    monkeypatch.setattr(client.setting.configuration, "every_ca", lambda: reads.append(1) or real())
    for query, slugs in {
        "": ["alone", "mesh", "tls-server"],
        "&search=ES": ["mesh"],
        "&search=none": [],
        "&issuerType=self-signed": ["alone"],
        "&issuerType=ca": ["mesh", "tls-server"],
        "&enrollmentType=api&limit=2&offset=1": ["mesh", "tls-server"],
        "&enrollmentType=acme": [],
        f"&caId={rsa.upper()}": ["tls-server"],
        "&caId=..": [],
    }.items():
        response = client.get(f"{PROFILES}?projectId={project}{query}").json
        assert [one["slug"] for one in response["certificateProfiles"]] == slugs, query
        assert response["totalCount"] == len(slugs) + query.count("offset=1")
    assert len(reads) == 9  # once per call, regardless of the number of profiles


def test_failed_request_is_not_resumed(client: Client) -> None:
    client.setting.signer.trouble = [Unavailable("slow")]
    response = client.issue().json
    store = client.setting.certificates
    request = store.requests[response["certificateRequestId"]]
    store.fail(replace(request), "by hand")
    assert client.get(f"{REQUESTS}/{request.id}").json["status"] == "failed"
    assert client.written == (1, 0, 0)


def test_issue_says_what_it_left_out_of_a_csr(client: Client) -> None:
    subject = requests.name([(requests.EMAIL, requests.IA5, b"ops@example.com")])
    response = client.post(
        CERTIFICATES, {"profileId": client.profile.id, "csr": requests.request(subject), "attributes": {"ttl": "1d"}}
    )
    assert (response.status, response.json["status"]) == (200, "issued"), response.body
    assert response.json["message"] == (
        "csr: its subject has emailAddress (1.2.840.113549.1.9.1): left out of the certificate"
    )


def test_issue_keeps_several_units_of_a_csr_at_renewal(client: Client) -> None:
    units = [[(requests.OU, requests.UTF8, unit)] for unit in (b"Web", b"Ops")]
    text = requests.request(requests.name(*units, [(requests.CN, requests.UTF8, b"www.example.com")]))
    issued = client.issued({"altNames": None, "commonName": None}, csr=text)
    renewed = client.post(f"{CERTIFICATES}/{issued['certificateId']}/renew", {}).json
    for pem in (issued["certificate"], renewed["certificate"]):
        found = x509.load_pem_x509_certificate(pem.encode()).subject
        assert [one.value for one in found.get_attributes_for_oid(x509.NameOID.ORGANIZATIONAL_UNIT_NAME)] == [
            "Web",
            "Ops",
        ]


def test_issue_adds_a_host_in_the_common_name(client: Client) -> None:
    """A CSR of keytool has a common name alone."""
    text = requests.request(attributes=[])
    response = client.post(
        CERTIFICATES, {"profileId": client.profile.id, "csr": text, "attributes": {"ttl": "1d", **USAGES}}
    )
    found = leaf_of(response.json["certificate"]).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert found.value.get_values_for_type(x509.DNSName) == ["www.example.com"]


def test_issue_refuses_a_server_without_a_name(client: Client) -> None:
    response = client.issue({"commonName": "Payroll service", "altNames": []})
    assert response.status == 400 and "a certificate for servers needs an alternative name" in response.message
    assert client.written == (0, 0, 0)


@pytest.mark.parametrize(("key", "signature"), [("EC_prime256v1", "ECDSA-SHA256"), ("RSA_2048", "RSA-SHA256")])
def test_certificate_has_the_fields_of_terraform(client: Client, key: str, signature: str) -> None:
    """Its provider compares them with the configuration after each apply."""
    attributes = {"keyAlgorithm": key, "signatureAlgorithm": signature, "organization": "Muster AG", "country": "DE"}
    issued = client.issued(attributes, applicationId=client.application.id)
    target = f"{CERTIFICATES}/{issued['certificateId']}"
    found = client.get(target).json["certificate"]
    project = client.get("/api/v1/projects/slug/shop").json["id"]
    expected = {
        "keyAlgorithm": key, "signatureAlgorithm": signature, "projectId": project,
        "applicationId": client.application.id, "subjectOrganization": "Muster AG", "subjectOrganizationalUnit": None,
        "subjectCountry": "DE", "subjectState": None, "subjectLocality": None, "renewedByCertificateId": None,
        "friendlyName": "www.example.com",
    }  # fmt: skip
    assert {name: found[name] for name in expected} == expected
    renewed = client.post(f"{target}/renew").json["certificateId"]
    assert client.get(target).json["certificate"]["renewedByCertificateId"] == renewed
