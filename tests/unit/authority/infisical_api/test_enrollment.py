"""Issuance through the front: what is answered, what is kept, and what happens when it is asked twice."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from evercert.authority.api_errors import Refusal
from evercert.documents.spec import RESERVED_METADATA
from evercert.errors import Misconfigured, OutOfTime, Unavailable
from evercert.pki.certificate import Chain
from evercert.pki.keys import PrivateKey
from tests.doubles.authority.client import CERTIFICATES, NAMES, PROFILES, REQUESTS, USAGES, Client, csr


@pytest.fixture
def client() -> Client:
    return Client()


def leaf_of(issued: dict) -> x509.Certificate:
    return x509.load_pem_x509_certificate(issued["certificate"].encode())


# -- the certificate ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("algorithm", ["EC_prime256v1", "EC_secp384r1", "RSA_2048"])
def test_leaf_and_issuer_are_of_one_family(client: Client, algorithm: str) -> None:
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


def test_it_says_what_was_asked_for_and_begins_five_minutes_ago(client: Client) -> None:
    issued = client.issued(
        {"organization": "Muster AG", "country": "DE", "ttl": "12h", "domainComponents": ["example", "com"]}
    )
    leaf, now = leaf_of(issued), client.setting.now()
    assert leaf.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)[0].value == "Muster AG"
    assert [one.value for one in leaf.subject.get_attributes_for_oid(NameOID.DOMAIN_COMPONENT)] == ["com", "example"]
    assert leaf.not_valid_before_utc == now - timedelta(minutes=5)
    assert leaf.not_valid_after_utc == now + timedelta(hours=12)
    told = client.get(f"{CERTIFICATES}/{issued['certificateId']}").json["certificate"]
    assert told["subject"]["domainComponents"] == ["example", "com"]
    assert (told["caName"], told["profileName"], told["hasPrivateKey"]) == ("RSA-issuing", "tls-server", True)


def test_roots_are_left_out_by_looking(client: Client) -> None:
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


def test_a_profile_fills_in_what_was_not_said(client: Client) -> None:
    client.setting.profile(defaults={"ttlDays": 7, "organization": "Muster AG", "keyAlgorithm": "EC_prime256v1"})
    said = client.post(CERTIFICATES, {"profileId": client.profile.id, "attributes": NAMES}).json
    leaf = leaf_of(said["certificate"])
    assert leaf.not_valid_after_utc == client.setting.now() + timedelta(days=7)
    assert "O=Muster AG" in leaf.subject.rfc4514_string()
    assert client.issue({"ttl": None}).status == 400  # null clears
    assert "O=" not in leaf_of(client.issued({"organization": None})).subject.rfc4514_string()


def test_a_self_signed_one_asks_no_signer(client: Client) -> None:
    client.setting.profile(issuer_type="self-signed")
    issued = client.issued({"keyAlgorithm": "EC_prime256v1"})
    leaf = leaf_of(issued)
    leaf.verify_directly_issued_by(leaf)
    assert issued["issuingCaCertificate"] == "" and issued["certificateChain"] == issued["certificate"]
    assert client.setting.signer.orders == []
    target = f"{CERTIFICATES}/{issued['certificateId']}"
    assert client.get(f"{target}/bundle").json["privateKey"] == issued["privateKey"]
    said = client.issue({}, csr=csr()[1])
    assert "Self-signed certificates are not supported for CSR signing" in said.message
    assert client.post(f"{target}/renew", {"renewalKeySource": "reuse"}).status == 200
    assert client.post(f"{target}/revoke", {"revocationReason": "SUPERSEDED"}).json["crlPublished"] is False


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"status": "disabled"}, "CA is not active"),
        ({"status": "pending", "installed": ()}, "CA does not have a certificate installed"),
    ],
)
def test_a_ca_that_cannot_sign_is_said(client: Client, change: dict, told: str) -> None:
    client.setting.configuration.put(client.setting.cas["RSA-issuing"].model_copy(update=change))
    said = client.issue()
    assert (said.status, told in said.message) == (400, True), said.body
    assert client.written == (0, 0, 0)


def test_an_expired_ca_is_said(client: Client) -> None:
    client.setting.clock.advance(days=6 * 365)
    client.token = client.setting.token(client.identity)
    assert "CA is expired" in client.issue().message


def test_a_profile_without_a_ca_for_the_key_is_said(client: Client) -> None:
    client.setting.profile(cas=("EC-issuing",))
    said = client.issue({"keyAlgorithm": "RSA_2048"})
    assert said.status == 400 and "keyAlgorithm" in said.message
    assert leaf_of(client.issued({"keyUsages": None})).public_key().key_size == 256


def test_a_profile_that_names_a_ca_which_is_not_there_is_for_a_person(client: Client) -> None:
    client.setting.profile(cas=("nothing",))
    said = client.issue()
    assert (said.status, said.json["error"]) == (500, "InternalServerError")
    assert "nothing" not in said.message


def test_an_application_has_to_have_the_profile(client: Client) -> None:
    assert client.issue(applicationId=client.application.id).status == 200
    other = client.setting.application("other", "shop")
    for application in (other.id, client.profile.id):
        said = client.issue(applicationId=application)
        assert "This profile is not attached to the specified Application." in said.message
    foreign = client.setting.application("third", "elsewhere", "tls-server")
    assert client.issue(applicationId=foreign.id).status == 400


def test_a_profile_that_is_not_there_is_not_found(client: Client) -> None:
    client.setting.configuration.remove(client.profile)
    said = client.issue()
    assert (said.status, said.json["message"]) == (404, "Certificate profile not found")


# -- twice ---------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("how", ["header", "metadata"])
def test_the_same_token_is_the_same_certificate(client: Client, how: str) -> None:
    given = {"key": "token"} if how == "header" else {"metadata": [{"key": RESERVED_METADATA, "value": "token"}]}
    first, second = client.issue(**given).json, client.issue(**given).json
    assert first == second
    assert client.written == (1, 1, 1)
    said = client.issue({"ttl": "1d"}, **given)
    assert (said.status, "used before" in said.message) == (400, True)
    assert client.written == (1, 1, 1)


def test_a_retry_reckons_its_dates_anew(client: Client) -> None:
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


def test_a_token_answers_under_another_policy_too(client: Client) -> None:
    from evercert.authority.policy.policy import Policy

    first = client.issue(key="token").json
    client.setting.profile(policy=Policy())
    assert client.issue(key="token").json == first
    assert client.issue(key="another").status == 400


def test_of_many_with_one_token_one_is_signed(client: Client) -> None:
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


@pytest.mark.parametrize("issuer_type", ["ca", "self-signed"])
def test_of_two_that_go_on_with_one_request_both_answer_what_stands(client: Client, issuer_type: str) -> None:
    """A self-signed certificate is another one each time it is signed."""
    client.setting.profile(issuer_type=issuer_type)
    client.setting.signer.trouble = [Unavailable("slow")]
    client.issued({"keyAlgorithm": "EC_prime256v1"}) if issuer_type == "self-signed" else client.issue()
    (request,) = client.setting.certificates.requests.values()
    waiting = replace(request, status="pending")
    fulfillment = client.setting.front.retrieval.fulfillment
    first, second = fulfillment.fulfill(waiting), fulfillment.fulfill(waiting)
    assert first == second == client.setting.certificates.certificates[request.certificate_id]


def test_many_at_once_share_no_serial_number(client: Client) -> None:
    body = {
        "profileId": client.profile.id,
        "attributes": {**NAMES, **USAGES, "ttl": "1d", "keyAlgorithm": "EC_prime256v1"},
    }
    enrollment = client.setting.front.enrollment
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: enrollment.issue(client.identity, body), range(24)))
    assert len({one["certificate"]["serialNumber"] for one in found}) == 24


# -- a signer that does not answer -------------------------------------------------------------------------------------
def test_what_the_signer_does_not_answer_waits_and_is_driven_on_by_who_looks(client: Client) -> None:
    client.setting.signer.trouble = [Unavailable("slow")] * 3
    said = client.issue().json
    assert (said["status"], said["certificate"]) == ("pending", None)
    target = f"{REQUESTS}/{said['certificateRequestId']}"
    waiting = client.get(target).json
    assert (waiting["status"], waiting["certificate"]) == ("pending", None) and waiting["pendingMessage"]
    assert client.post(f"{target}/cancel").json == {"status": "pending", "cancelled": False, "errorMessage": None}
    done = client.get(target).json
    assert done["status"] == "issued" and done["privateKey"] and done["pendingMessage"] is None
    assert client.get(target).json == done
    assert client.written == (1, 1, 1)


def test_an_outage_of_hours_refuses_nothing_that_waits(client: Client) -> None:
    """The dates of a request stand from when it was opened, and the signer first hears of it much later."""
    client.setting.signer.trouble = [Unavailable("throttled")]
    assert client.issue().json["status"] == "pending"
    client.setting.clock.advance(seconds=23 * 3_600)
    (request,) = client.setting.certificates.requests.values()
    client.setting.front.retrieval.fulfillment.fulfill(request)
    (request,) = client.setting.certificates.requests.values()
    assert (request.status, request.error) == ("issued", None)


def test_a_key_that_cannot_be_opened_now_is_come_back_for(client: Client, monkeypatch) -> None:
    def unavailable(*_: object) -> None:
        raise Unavailable("KMS")

    monkeypatch.setattr(client.setting.seal, "open", unavailable)
    said = client.issue().json
    assert (said["status"], said["certificate"]) == ("pending", None)
    monkeypatch.undo()
    assert client.get(f"{REQUESTS}/{said['certificateRequestId']}").json["privateKey"]
    assert client.written == (1, 1, 1)


def test_a_cancel_finishes_what_may_be_signed_already(client: Client) -> None:
    client.setting.signer.trouble = [Unavailable("slow")]
    said = client.issue().json
    target = f"{REQUESTS}/{said['certificateRequestId']}"
    assert client.post(f"{target}/cancel").json == {"status": "issued", "cancelled": False, "errorMessage": None}
    assert client.written == (1, 1, 1)


def test_what_the_signer_refuses_has_failed_for_good(client: Client) -> None:
    client.setting.signer.trouble = [Refusal(400, "BadRequest", "outside the ceiling")]
    said = client.issue(key="token")
    assert (said.status, said.json["message"]) == (400, "outside the ceiling")
    (request,) = client.setting.certificates.requests.values()
    told = client.get(f"{REQUESTS}/{request.id}").json
    assert (told["status"], told["errorMessage"]) == ("failed", "outside the ceiling")
    assert client.issue(key="token").json["message"] == "outside the ceiling"
    assert client.issue(key="another").status == 200


def test_a_signer_that_is_not_set_up_is_for_a_person(client: Client) -> None:
    client.setting.signer.trouble = [Misconfigured("arn:canary is disabled")]
    said = client.issue(key="token")
    assert (said.status, said.json["error"]) == (500, "InternalServerError")
    assert b"canary" not in said.body
    assert client.issue(key="token").status == 200
    assert client.written == (1, 1, 1)


def test_a_table_that_does_not_answer_is_asked_for_again(client: Client, monkeypatch) -> None:
    def unavailable(*_: object) -> None:
        raise Unavailable("canary")

    monkeypatch.setattr(client.setting.certificates, "open", unavailable)
    said = client.issue()
    assert (said.status, said.headers["retry-after"]) == (503, "5")
    assert b"canary" not in said.body


def test_what_there_is_no_time_for_is_asked_for_again(client: Client, monkeypatch) -> None:
    """It is no bug: a table answers slowly."""

    def late(*_: object) -> None:
        raise OutOfTime("dynamodb:PutItem could end too late")

    monkeypatch.setattr(client.setting.certificates, "open", late)
    said = client.issue()
    assert (said.status, said.headers["retry-after"]) == (503, "5")


def test_a_bug_says_nothing_of_itself(client: Client, monkeypatch, caplog: pytest.LogCaptureFixture) -> None:
    def bug(*_: object) -> None:
        raise KeyError("canary-secret")

    monkeypatch.setattr(client.setting.certificates, "open", bug)
    said = client.issue()
    assert (said.status, said.json["message"], said.json["error"]) == (
        500,
        "Something went wrong",
        "InternalServerError",
    )
    assert "canary" not in caplog.text and "KeyError at" in caplog.text


# -- lists -----------------------------------------------------------------------------------------------------------------
def test_requests_are_found_by_what_was_said_of_them(client: Client) -> None:
    project = client.get("/api/v1/projects/slug/shop").json["id"]
    for number in range(3):
        client.setting.clock.advance(seconds=1)
        client.issued({"commonName": f"h{number}.example.com"}, metadata=[{"key": "n", "value": str(number)}])

    def found(**asked: object) -> list[str]:
        answer = client.post(f"{REQUESTS}/search", {"projectId": project, **asked}).json
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


def test_a_request_is_found_by_its_token_before_the_index_shows_it(client: Client, monkeypatch) -> None:
    project = client.get("/api/v1/projects/slug/shop").json["id"]
    metadata = [{"key": RESERVED_METADATA, "value": "token"}]
    said = client.issue(metadata=metadata).json
    monkeypatch.setattr(client.setting.certificates, "requests_of", lambda *_: [])
    (row,) = client.post(f"{REQUESTS}/search", {"projectId": project, "metadata": metadata}).json["certificateRequests"]
    assert row["id"] == said["certificateRequestId"]


def test_names_lead_to_ids(client: Client) -> None:
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


def test_profiles_are_listed_by_what_is_said_of_them(client: Client, monkeypatch) -> None:
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
        said = client.get(f"{PROFILES}?projectId={project}{query}").json
        assert [one["slug"] for one in said["certificateProfiles"]] == slugs, query
        assert said["totalCount"] == len(slugs) + query.count("offset=1")
    assert len(reads) == 9  # once for each call, however many profiles there are


def test_a_request_that_has_failed_is_not_begun_again(client: Client) -> None:
    client.setting.signer.trouble = [Unavailable("slow")]
    said = client.issue().json
    kept = client.setting.certificates
    request = kept.requests[said["certificateRequestId"]]
    kept.fail(replace(request), "by hand")
    assert client.get(f"{REQUESTS}/{request.id}").json["status"] == "failed"
    assert client.written == (1, 0, 0)
