"""Clients of a CA that was replaced: renewals come from the new key, and the old CA still signs its CRL."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography import x509

from evercert.authority.api_errors import Refusal
from evercert.pki.keys import public_bytes
from tests.doubles.authority.acme_client import AcmeAuthority, AcmeClient
from tests.doubles.authority.ceremony import order
from tests.doubles.authority.client import CERTIFICATES, MANAGER, PROFILES, Client, csr
from tests.doubles.authority.manager import PROJECT, Manager
from tests.doubles.authority.replaced import replace_ca
from tests.unit.authority.infisical_api.test_approvals import Approving

EC = {"keyAlgorithm": "EC_prime256v1"}


@pytest.fixture
def client() -> Client:
    return Client()


def leaf_of(issued: dict[str, Any]) -> x509.Certificate:
    return x509.load_pem_x509_certificate(issued["certificate"].encode())


@pytest.mark.parametrize("source", ["new", "reuse", "csr"])
def test_renewal_moves_to_the_new_ca(client: Client, source: str) -> None:
    old = client.issued(EC) if source != "csr" else client.issue({}, csr=csr()[1]).json["certificate"]
    _, new_ca = replace_ca(client.setting)
    body = {"renewalKeySource": source} if source != "csr" else None
    response = client.post(f"{CERTIFICATES}/{old['certificateId']}/renew", body)
    assert response.status == 200, response.body
    leaf = leaf_of(response.json)
    assert leaf.issuer == new_ca.current.x509.subject
    leaf.verify_directly_issued_by(new_ca.current.x509)
    same = public_bytes(leaf.public_key()) == public_bytes(leaf_of(old).public_key())
    assert same == (source != "new")
    assert response.json["certificateChain"].strip().startswith(new_ca.current.certificate.strip())


def test_automatic_renewal_moves_to_the_new_ca(client: Client) -> None:
    old = client.issued(EC)
    record = client.setting.certificates.certificate(old["certificateId"])
    assert record is not None
    _, new_ca = replace_ca(client.setting)
    renewed = client.setting.front.renewals.renew_unattended(record)
    assert renewed.ca == new_ca.id


def test_both_cas_publish_their_files(client: Client) -> None:
    old = client.issued(EC)
    old_ca, new_ca = replace_ca(client.setting)
    new = client.issued(EC)
    for issued, ca in ((old, old_ca), (new, new_ca)):
        target = f"{CERTIFICATES}/{issued['certificateId']}"
        revoked = client.post(f"{target}/revoke", {"revocationReason": "SUPERSEDED"})
        assert revoked.json["crlPublished"]
        crl = x509.load_der_x509_crl(client.get(f"{MANAGER}/crl/{ca.id}/der").body)
        assert crl.issuer == ca.current.x509.subject
        assert crl.is_signature_valid(ca.current.x509.public_key())  # type: ignore[arg-type]
        assert [one.serial_number for one in crl] == [leaf_of(issued).serial_number]
        path = f"{MANAGER}/ca/internal/{ca.id}/certificates/{ca.current.id}/der"
        assert x509.load_der_x509_certificate(client.get(path).body) == ca.current.x509
    (left,) = [one.left for one in client.setting.front.crl_publisher.refresh() if one.ca == old_ca.id]
    assert left is None  # its expiry is no alarm
    assert client.get(f"{MANAGER}/ca/internal/{old_ca.id}").json["status"] == "disabled"


def test_issue_refuses_a_profile_of_a_retired_ca(client: Client) -> None:
    replace_ca(client.setting)
    client.setting.profile(cas=("EC-issuing",))
    response = client.issue(EC)
    assert response.status == 400
    assert "CA is not active: EC-issuing was replaced; an operator can move profile tls-server" in response.message


def test_request_before_the_replacement_is_completed(client: Client) -> None:
    """Its order names the old CA, which signs such orders for an hour."""
    old, _ = replace_ca(client.setting)
    asked = order(old, client.setting.clock())
    leaf = x509.load_der_x509_certificate(client.setting.signing.leaf(asked))
    assert leaf.issuer == old.current.x509.subject
    client.setting.clock.advance(hours=1)
    with pytest.raises(Refusal, match="is not active"):
        client.setting.signing.leaf(order(old, client.setting.clock()))


def test_request_that_waits_for_approval_is_requested_again() -> None:
    """It names the old CA, and may wait for days."""
    client = Approving()
    waiting = client.asked(**EC)
    replace_ca(client.setting)
    client.setting.clock.advance(hours=1)
    response = client.decide("approve", waiting)
    assert response.status == 400
    assert "The CA of the request was replaced or disabled: reject it" in response.message
    assert client.decide("reject", waiting).status == 200
    again = client.decide("approve", client.asked(**EC))
    assert again.status == 200, again.body


def test_acme_orders_move_to_the_new_ca() -> None:
    client = AcmeClient(AcmeAuthority())
    client.register()
    first, _ = client.issue("www.example.com")
    before = client.read(first["certificate"]).text
    _, new_ca = replace_ca(client.authority.setting)
    assert client.read(first["certificate"]).text == before
    second, _ = client.issue("www.example.com")
    leaf, *chain = x509.load_pem_x509_certificates(client.read(second["certificate"]).text.encode())
    assert chain == [new_ca.current.x509]
    leaf.verify_directly_issued_by(chain[0])


def test_administrators_cannot_name_a_retired_ca() -> None:
    manager = Manager()
    old, new = replace_ca(manager.setting)
    values = {"projectId": PROJECT, "certificatePolicyId": manager.policy()["id"], "slug": "api"}
    response = manager.post(PROFILES, {**values, "caId": old.id})
    assert response.status == 400
    assert "CA EC-issuing was replaced and issues no certificates" in response.message
    assert manager.post(PROFILES, {**values, "caId": new.id}).status == 200
