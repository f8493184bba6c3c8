"""Import of certificates: what becomes of them, who may do it, and what never happens to them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from evercert.authority.api_errors import Refusal
from evercert.authority.contracts.issuance_trail import OPERATOR
from evercert.authority.infisical_api.openapi import openapi_document
from evercert.errors import Unavailable
from evercert.pki.keys import PrivateKey
from tests.doubles.authority.client import CERTIFICATES, MANAGER, PROFILES, REQUESTS, Client, Response
from tests.samples import foreign

IMPORT = f"{CERTIFICATES}/import-certificate"
OLDEST = "/api/v1/pki/certificates/import-certificate"
TAKEN = "A certificate with this serial number already exists"


@pytest.fixture
def client() -> Client:
    return Client("request", "read-key", "administer")


def send(client: Client, certificate: x509.Certificate | None = None, path: str = IMPORT, **body: Any) -> Response:
    certificate = certificate or foreign.certificate()
    return client.post(path, {"certificatePem": foreign.pem(certificate), "profileId": client.profile.id, **body})


def imported(client: Client, certificate: x509.Certificate | None = None, **body: Any) -> dict[str, Any]:
    response = send(client, certificate, **body)
    assert response.status == 200, response.body
    return dict(response.json)


def shown(client: Client, found: dict[str, Any]) -> dict[str, Any]:
    response = client.get(f"{CERTIFICATES}/{found['certificateId']}")
    assert response.status == 200, response.body
    return dict(response.json["certificate"])


def test_imported_certificate_is_in_the_inventory(client: Client) -> None:
    certificate = foreign.certificate()
    found = imported(client, certificate, friendlyName=" Shop ")
    assert found["certificate"] == foreign.pem(certificate).strip() and "certificateChain" not in found
    assert int(found["serialNumber"], 16) == certificate.serial_number
    one = shown(client, found)
    assert (one["source"], one["friendlyName"], one["commonName"]) == ("imported", "Shop", "www.example.org")
    assert (one["status"], one["altNames"], one["hasPrivateKey"]) == ("active", "www.example.org", False)
    assert (one["caId"], one["caType"], one["certificateRequestId"]) == (None, None, None)
    assert (one["profileName"], one["renewBeforeDays"]) == ("tls-server", None)
    digest = certificate.fingerprint(hashes.SHA256()).hex()
    for criteria in ({"name": "www.example.org"}, {"serialNumber": found["serialNumber"]}, {"fingerprint": digest}):
        (row,) = client.post(f"{CERTIFICATES}/search", criteria).json["certificates"]
        assert (row["id"], row["requestedBy"]) == (found["certificateId"], client.identity.id)
    assert client.get(f"{CERTIFICATES}/{digest}").json["certificate"]["id"] == found["certificateId"]


def test_issued_certificate_has_another_source(client: Client) -> None:
    assert shown(client, client.issued({"keyAlgorithm": "EC_prime256v1"}))["source"] == "issued"


def test_profile_lists_imported_certificates(client: Client) -> None:
    first = imported(client)
    client.setting.clock.advance(minutes=1)
    issued = client.issued({"keyAlgorithm": "EC_prime256v1"})
    client.setting.clock.advance(minutes=1)
    last = imported(client)
    page = client.get(f"{PROFILES}/{client.profile.id}/certificates").json
    wanted = [one["certificateId"] for one in (last, issued, first)]
    assert ([one["id"] for one in page["certificates"]], page["totalCount"]) == (wanted, 3)
    page = client.get(f"{PROFILES}/{client.profile.id}/certificates?offset=2&limit=1").json
    assert [one["id"] for one in page["certificates"]] == wanted[2:]


def test_import_is_not_the_latest_bundle_of_the_profile(client: Client) -> None:
    path = f"{PROFILES}/{client.profile.id}/certificates/latest-active-bundle"
    found = imported(client)
    assert client.get(path).status == 404
    issued = client.issued({"keyAlgorithm": "EC_prime256v1"})
    client.setting.clock.advance(minutes=1)
    imported(client)
    assert client.get(path).json["certificateId"] == issued["certificateId"]
    assert client.get(f"{REQUESTS}/{found['certificateId']}").status == 404


def test_bundle_has_chain_and_key(client: Client) -> None:
    key = PrivateKey.generate("RSA_2048")
    certificate = foreign.certificate(key, issuer="Middle")
    chain = (foreign.ca("Middle", "Foreign CA"), foreign.ca())
    found = imported(
        client, certificate, privateKeyPem=key.pem(), chainPem=foreign.pem(certificate, *chain), friendlyName="x"
    )
    assert found["certificateChain"] == foreign.pem(*chain).strip() and "privateKey" not in found
    bundle = client.get(f"{CERTIFICATES}/{found['certificateId']}/bundle").json
    assert (bundle["certificateChain"], bundle["privateKey"]) == (foreign.pem(*chain).strip(), key.pem())
    assert client.get(f"{CERTIFICATES}/{found['certificateId']}/private-key").body.decode() == key.pem()
    assert shown(client, found)["hasPrivateKey"] is True


def test_key_is_stored_sealed_and_needs_read_key(client: Client) -> None:
    key = PrivateKey.generate("EC_prime256v1")
    found = imported(client, foreign.certificate(key), privateKeyPem=key.pem())
    record = client.setting.certificates.certificates[found["certificateId"]]
    assert "PRIVATE KEY" not in repr(record) and key.pem().splitlines()[1] not in repr(record)
    assert record.sealed_key is not None
    assert client.setting.seal.open(record.sealed_key, record.id).public_bytes() == key.public_bytes()
    client.as_another("administer")
    assert client.get(f"{CERTIFICATES}/{found['certificateId']}/private-key").status == 403
    assert client.get(f"{CERTIFICATES}/{found['certificateId']}/bundle").json["privateKey"] is None


def test_import_is_recorded_in_the_issuance_trail(client: Client) -> None:
    found = imported(client)
    assert send(client, foreign.ca()).status == 400
    done, refused = client.setting.certificates.trail.values()
    assert (done.action, done.result, done.identity) == ("import", "imported", client.identity.id)
    assert (done.certificate, done.serial_number) == (found["certificateId"], found["serialNumber"])
    assert (done.names, done.profile) == (("www.example.org",), client.profile.id)
    assert (refused.action, refused.result, "CA certificate" in refused.reason) == ("import", "refused", True)


def test_import_needs_administer(client: Client) -> None:
    for permissions in (("request", "read-key"), ("approve",)):
        client.as_another(*permissions)
        response = send(client)
        assert (response.status, response.json["details"][0]["action"]) == (403, "import")
        assert "administer on shop/tls-server" in response.json["message"]
        body = {"certificatePem": foreign.pem(foreign.certificate())}
        assert client.post(IMPORT, body).status == 403
    client.as_another("administer", profile="other/*")
    assert send(client).status == 403
    assert client.written == (0, 0, 0) and not client.setting.certificates.trail


def test_profile_may_be_omitted_if_it_is_the_only_one(client: Client) -> None:
    body = {"certificatePem": foreign.pem(foreign.certificate())}
    assert shown(client, client.post(IMPORT, body).json)["profileId"] == client.profile.id
    other = client.setting.profile("other", "bank")
    body = {"certificatePem": foreign.pem(foreign.certificate())}
    response = client.post(IMPORT, body)
    assert (response.status, response.json["message"][0]["path"]) == (422, ["profileId"])
    found = client.post(OLDEST, {**body, "projectSlug": "bank"}).json
    assert shown(client, found)["profileId"] == other.id
    body = {"certificatePem": foreign.pem(foreign.certificate()), "applicationId": client.application.id}
    one = shown(client, client.post(IMPORT, body).json)
    assert (one["profileId"], one["applicationName"]) == (client.profile.id, "shop-app")


def test_import_checks_application_and_unsupported_fields(client: Client) -> None:
    missing = "00000000-0000-0000-0000-000000000000"
    other = client.setting.profile("other", "bank")
    assert send(client, applicationId=missing).status == 404
    assert send(client, profileId=missing).status == 404
    assert send(client, profileId=other.id, applicationId=client.application.id).status == 400
    assert send(client, profileId=client.profile.id, projectSlug="bank").status == 400
    assert send(client, pkiCollectionId="x").status == 404
    response = send(client, externalMetadata={"type": "aws-acm-public-ca"})
    assert (response.status, "externalMetadata" in response.json["message"]) == (400, True)
    assert client.written == (0, 0, 0)


def test_repeated_import_returns_the_same_certificate(client: Client) -> None:
    key = PrivateKey.generate("EC_prime256v1")
    certificate = foreign.certificate(key)
    body = {"privateKeyPem": key.pem(), "chainPem": foreign.pem(foreign.ca()), "friendlyName": "one"}
    first = imported(client, certificate, **body)
    client.setting.clock.advance(minutes=5)
    assert imported(client, certificate, **body) == first
    assert len(client.setting.certificates.trail) == 1
    changes: list[dict[str, Any]] = [
        {"friendlyName": "two"}, {"chainPem": None}, {"privateKeyPem": None},
        {"applicationId": client.application.id}, {"profileId": client.setting.profile("other").id},
    ]  # fmt: skip
    for change in changes:
        response = send(client, certificate, **{**body, **change})
        assert (response.status, response.json["message"]) == (400, TAKEN), change
    client.as_another("administer")
    assert send(client, certificate, **body).status == 400
    assert len(client.setting.certificates.certificates) == 1


def test_certificate_of_the_inventory_cannot_be_imported(client: Client) -> None:
    """A self-signed or external certificate that the authority obtained keeps its record."""
    profile = client.setting.profile("self", issuer_type="self-signed")
    issued = client.issued({"keyAlgorithm": "EC_prime256v1"}, profileId=profile.id)
    before = dict(client.setting.certificates.certificates)
    response = client.post(IMPORT, {"certificatePem": issued["certificate"], "profileId": client.profile.id})
    assert (response.status, response.json["message"]) == (400, TAKEN)
    same = foreign.certificate(serial_number=int(issued["serialNumber"], 16))
    assert (send(client, same).status, send(client, same).json["message"]) == (400, TAKEN)
    assert client.setting.certificates.certificates == before


@pytest.mark.parametrize("stored", [True, False], ids=["with record", "lost record"])
def test_certificate_of_an_own_ca_cannot_be_imported(client: Client, stored: bool) -> None:
    issued = client.issued({"keyAlgorithm": "EC_prime256v1"})
    if not stored:
        client.setting.certificates.certificates.clear()
        client.setting.certificates.fingerprints.clear()
    response = client.post(IMPORT, {"certificatePem": issued["certificate"], "profileId": client.profile.id})
    assert (response.status, "EC-issuing" in response.json["message"]) == (400, True)


def test_certificate_that_names_an_own_ca_may_be_foreign(client: Client) -> None:
    """Names prove nothing: the signature decides."""
    own = client.setting.cas["EC-issuing"].current.x509.subject
    assert send(client, foreign.certificate(issuer_name=own)).status == 200


def test_imported_certificate_is_never_renewed_or_revoked(client: Client) -> None:
    key = PrivateKey.generate("EC_prime256v1")
    found = imported(client, foreign.certificate(key), privateKeyPem=key.pem())
    path = f"{CERTIFICATES}/{found['certificateId']}"
    for body in ({}, {"renewalKeySource": "reuse"}):
        response = client.post(f"{path}/renew", body)
        assert (response.status, "imported" in response.json["message"]) == (400, True)
    response = client.call("PATCH", f"{path}/config", {"enableAutoRenewal": True})
    assert (response.status, "imported" in response.json["message"]) == (400, True)
    for reason in ("SUPERSEDED", "KEY_COMPROMISE"):
        response = client.post(f"{path}/revoke", {"revocationReason": reason})
        assert (response.status, "imported" in response.json["message"]) == (400, True)
    certificates = client.setting.certificates
    record = certificates.certificates[found["certificateId"]]
    assert (record.revoked_at, record.renewed_by, record.due_at) == (None, None, None)
    assert not certificates.compromised(key.public_bytes()) and client.written == (0, 1, 0)
    with pytest.raises(Refusal, match="imported"):
        client.setting.front.renewals.renew_unattended(record)


def test_importing_a_key_of_others_does_not_block_it(client: Client) -> None:
    """Anyone can certify a public key: an import proves no possession of the private key."""
    issued = client.issued({"keyAlgorithm": "EC_prime256v1"})
    public_key = x509.load_pem_x509_certificate(issued["certificate"].encode()).public_key()
    copy = foreign.signed(foreign.name("www.example.org"), public_key, "Foreign CA")
    found = imported(client, copy)
    revoking = client.setting.front.revoking
    record = client.setting.certificates.certificates[found["certificateId"]]
    assert revoking.revoke(record, "KEY_COMPROMISE", OPERATOR) is None
    renewed = client.post(f"{CERTIFICATES}/{issued['certificateId']}/renew", {"renewalKeySource": "reuse"})
    assert renewed.status == 200


def test_import_expires(client: Client) -> None:
    found = imported(client)
    client.setting.clock.advance(days=91)
    client.token = client.setting.token(client.identity)
    assert shown(client, found)["status"] == "expired"


@pytest.mark.parametrize("dies", ["before", "after"])
def test_import_survives_a_death(client: Client, dies: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A retry after a lost answer completes the import, once."""
    key, certificates = PrivateKey.generate("EC_prime256v1"), client.setting.certificates
    certificate, store = foreign.certificate(key), certificates.add_imported

    def die(record: Any) -> Any:
        if dies == "after":
            store(record)
        raise Unavailable("the process dies")

    monkeypatch.setattr(certificates, "add_imported", die)
    assert send(client, certificate, privateKeyPem=key.pem()).status == 503
    monkeypatch.undo()
    client.setting.clock.advance(minutes=1)
    found = imported(client, certificate, privateKeyPem=key.pem())
    assert len(certificates.certificates) == len(certificates.trail) == 1
    assert client.get(f"{CERTIFICATES}/{found['certificateId']}/bundle").json["privateKey"] == key.pem()


def test_lost_race_is_refused(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another import of the same certificate wins between the check and the write."""
    certificate, certificates = foreign.certificate(), client.setting.certificates
    store = certificates.add_imported
    monkeypatch.setattr(certificates, "add_imported", lambda record: store(replace(record, identity="another")))
    response = send(client, certificate)
    assert (response.status, response.json["message"]) == (400, TAKEN)


def test_openapi_describes_the_import() -> None:
    document = openapi_document("https://ca.example.com")
    body = document["components"]["schemas"]["Import"]
    assert body["required"] == ["certificatePem"]
    assert {"privateKeyPem", "chainPem", "friendlyName", "profileId", "applicationId"} <= body["properties"].keys()
    for path in (IMPORT, OLDEST):
        assert set(document["paths"][path]["post"]["responses"]) >= {"200", "400", "403", "404", "413", "422"}
    assert f"{MANAGER}/certificates/{{id}}" in document["paths"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"certificatePem": "garbage"}, 400),
        ({"certificatePem": " "}, 422),
        ({"certificatePem": None}, 422),
        ({"certificatePem": 5}, 422),
        ({"certificatePem": "\x00-----BEGIN CERTIFICATE-----"}, 400),
        ({"privateKeyPem": "garbage"}, 400),
        ({"privateKeyPem": PrivateKey.generate("EC_prime256v1").pem()}, 400),
        ({"privateKeyPem": "x" * 10_001}, 422),
        ({"chainPem": foreign.pem(foreign.ca("Other CA"))}, 400),
        ({"chainPem": ""}, 422),
        ({"chainPem": "x" * 70_000}, 413),
        ({"friendlyName": "x" * 256}, 422),
        ({"profileId": "x"}, 422),
        ({"applicationId": 1}, 422),
    ],
)
def test_bad_input_is_refused(client: Client, body: dict[str, Any], status: int) -> None:
    response = send(client, **body)
    assert response.status == status
    assert "PRIVATE KEY" not in response.body.decode()
    assert client.written == (0, 0, 0)


@pytest.mark.parametrize("body", [b"[]", b'"x"', b"null", b"{"])
def test_body_must_be_an_object(client: Client, body: bytes) -> None:
    assert client.call("POST", IMPORT, body).status in {400, 422}


def test_cut_certificates_are_refused_without_a_server_error(client: Client) -> None:
    text = foreign.pem(foreign.certificate())
    for end in range(0, len(text), 7):
        assert client.post(IMPORT, {"certificatePem": text[:end]}).status in {400, 422}
    body = text.splitlines()
    for number in range(1, len(body) - 1):
        changed = [*body[:number], body[number][::-1], *body[number + 1 :]]
        assert client.post(IMPORT, {"certificatePem": "\n".join(changed)}).status in {200, 400}
