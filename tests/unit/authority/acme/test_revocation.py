"""Revocation and renewal information of certificates of ACME clients."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from evercert.acme import base64url
from evercert.acme.jwk import to_jwk
from evercert.acme.renewal_info import certificate_id
from evercert.pki.keys import PrivateKey
from evercert.timestamps import from_text
from tests.doubles.authority.acme_client import AcmeAuthority, AcmeClient
from tests.samples.certificates import private_key

DNS = "http://{}/.well-known/acme-challenge/"


def der(certificate: x509.Certificate) -> str:

    return base64url.encode(certificate.public_bytes(Encoding.DER))


def test_account_revokes_its_certificate_once(client: AcmeClient) -> None:
    _, chain = client.issue("www.example.com")
    body = {"certificate": der(chain[0]), "reason": 4}
    assert client.post(client.directory["revokeCert"], body).status == 200
    assert client.post(client.directory["revokeCert"], body).problem == "alreadyRevoked"
    (record,) = client.authority.setting.certificates.certificates.values()
    assert record.reason == "SUPERSEDED"


def test_imported_certificate_is_refused(client: AcmeClient) -> None:
    _, chain = client.issue("www.example.com")
    certificates = client.authority.setting.certificates
    ((name, record),) = certificates.certificates.items()
    certificates.certificates[name] = replace(record, imported=True)
    refused = client.revoke(chain[0], reason=4)
    assert (refused.problem, refused.json["detail"]) == (
        "malformed",
        "the certificate was imported: revoke it at its issuer",
    )


def test_key_of_the_certificate_revokes_it(client: AcmeClient) -> None:
    placed, key = client.order("www.example.com"), PrivateKey.generate("EC_prime256v1")
    client.prove(placed.json)
    client.finalize(placed.json, key)
    order = client.read(placed.headers["Location"]).json
    leaf = x509.load_pem_x509_certificates(client.read(order["certificate"]).text.encode())[0]
    stranger = AcmeClient(client.authority)
    assert stranger.post(client.directory["revokeCert"], {"certificate": der(leaf)}).problem == "unauthorized"
    claimed = {"kid": None, "jwk": to_jwk(key.public_key)}
    forged = client.post(client.directory["revokeCert"], {"certificate": der(leaf)}, header=claimed)
    assert forged.problem == "malformed"  # signed by another key
    holder = AcmeClient(client.authority, key)
    assert holder.post(client.directory["revokeCert"], {"certificate": der(leaf), "reason": 1}).status == 200


@pytest.mark.parametrize("reason", [2, 6, 7, 8, 10, 99, "1", True])
def test_bad_reason_is_refused(client: AcmeClient, reason: object) -> None:
    _, chain = client.issue("www.example.com")
    body = {"certificate": der(chain[0]), "reason": reason}
    assert client.post(client.directory["revokeCert"], body).problem == "badRevocationReason"


def test_renewal_window_and_replacement(client: AcmeClient) -> None:
    _, chain = client.issue("www.example.com")
    renewal_id = certificate_id(chain[0])
    answer = client.authority.call("GET", f"{client.directory['renewalInfo']}/{renewal_id}")
    window = answer.json["suggestedWindow"]
    assert from_text(window["start"]) < from_text(window["end"]) < chain[0].not_valid_after_utc
    assert answer.headers["Retry-After"] == "21600"
    placed = client.order("www.example.com", replaces=renewal_id)
    assert placed.json["replaces"] == renewal_id
    assert client.read(placed.headers["Location"]).json["replaces"] == renewal_id
    again = client.order("www.example.com", replaces=renewal_id)
    assert (again.status, again.problem) == (409, "alreadyReplaced")
    client.authority.validate()
    client.post(placed.json["authorizations"][0], {"status": "deactivated"})
    assert client.order("www.example.com", replaces=renewal_id).status == 201  # the failed order freed it


def test_window_of_a_revoked_certificate_is_past(client: AcmeClient) -> None:
    _, chain = client.issue("www.example.com")
    client.revoke(chain[0])
    url = f"{client.directory['renewalInfo']}/{certificate_id(chain[0])}"
    assert (
        from_text(client.authority.call("GET", url).json["suggestedWindow"]["end"]) <= client.authority.setting.clock()
    )


def test_unknown_certificate_has_no_window(client: AcmeClient) -> None:
    assert client.authority.call("GET", f"{client.directory['renewalInfo']}/AAAA.AAAA").status == 404


def another(client: AcmeClient) -> AcmeClient:
    found = AcmeClient(client.authority)
    assert found.register().status == 201
    return found


def test_account_that_controls_all_names_revokes(client: AcmeClient) -> None:
    _, chain = client.issue("www.example.com", "api.example.com")
    other, request = another(client), {"certificate": der(chain[0])}
    assert other.post(client.directory["revokeCert"], request).problem == "unauthorized"
    other.issue("www.example.com")
    assert other.post(client.directory["revokeCert"], request).problem == "unauthorized"
    placed = other.order("api.example.com")
    other.prove(placed.json)
    assert other.post(client.directory["revokeCert"], request).status == 200


@pytest.mark.parametrize("change", ["expired", "deactivated", "unproven"])
def test_account_that_no_longer_controls_a_name_does_not_revoke(client: AcmeClient, change: str) -> None:
    _, chain = client.issue("www.example.com")
    other = another(client)
    placed = other.order("www.example.com").json
    if change != "unproven":
        other.prove(placed)
    if change == "expired":
        client.authority.setting.clock.advance(seconds=86_401)
    if change == "deactivated":
        assert other.post(placed["authorizations"][0], {"status": "deactivated"}).status == 200
    refused = other.post(client.directory["revokeCert"], {"certificate": der(chain[0])})
    assert (refused.status, refused.problem) == (403, "unauthorized")


def test_unchecked_names_prove_nothing_for_a_revocation() -> None:
    authority = AcmeAuthority(eab="required", ownership="unchecked")
    clients = [AcmeClient(authority) for _ in range(2)]
    for number, one in enumerate(clients):
        credential, mac_key = authority.credential(f"team-{number}")
        one.register((credential.id, mac_key))
    _, chain = clients[0].issue("www.example.com")
    clients[1].order("www.example.com")
    refused = clients[1].post(clients[1].directory["revokeCert"], {"certificate": der(chain[0])})
    assert refused.problem == "unauthorized"


def test_no_other_account_revokes_a_certificate_without_names(client: AcmeClient) -> None:
    """No account can prove that it controls a name that is not there."""
    setting = client.authority.setting
    identity, _ = setting.identity("request")
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Alice Doe")])
    request = x509.CertificateSigningRequestBuilder(subject).sign(private_key("EC_prime256v1"), hashes.SHA256())  # type: ignore[arg-type]
    csr = request.public_bytes(serialization.Encoding.PEM).decode()
    wanted = {"extendedKeyUsages": ["client_auth"], "ttl": "1d"}
    body = {"profileId": client.authority.profile.id, "csr": csr, "attributes": wanted}
    issued = setting.front.enrollment.issue(identity, body, None)
    record = setting.certificates.certificate(issued["certificate"]["certificateId"])
    assert record is not None
    assert record.leaf.names == ()
    assert client.revoke(record.signed).problem == "unauthorized"


def test_account_of_a_revoked_credential_revokes_no_others() -> None:
    authority = AcmeAuthority(eab="required")
    clients = []
    for name in ("one", "two"):
        credential, mac_key = authority.credential(name)
        clients.append(AcmeClient(authority))
        clients[-1].register((credential.id, mac_key))
    _, chain = clients[0].issue("www.example.com")
    clients[1].issue("www.example.com")
    stored = authority.setting.configuration.eab_credential("two")
    authority.setting.configuration.put(stored.model_copy(update={"revoked": True}))
    assert clients[1].revoke(chain[0]).problem == "unauthorized"
