"""Revocation and CRLs: published at once and daily, downloadable without login."""

from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from evercert.authority.ca.builder import Issuer, IssuerURLs
from evercert.authority.ca.crl import sign_crl, signed_at
from evercert.authority.ca.kms_key import kms_private_key
from evercert.authority.ca.revocation_reasons import LEAF_REASONS, REASONS
from evercert.authority.ca.signing_orders import CrlOrder
from evercert.authority.contracts.issuance_trail import OPERATOR
from evercert.authority.registration import blocked_keys
from evercert.aws.authority.kms_keys import KMSKeys
from evercert.errors import Misconfigured, Unavailable
from tests.doubles.authority.client import CERTIFICATES, MANAGER, REQUESTS, Client, csr
from tests.doubles.authority.server import CONTEXT

EC = {"keyAlgorithm": "EC_prime256v1"}


@pytest.fixture
def client(monkeypatch) -> Client:
    monkeypatch.setenv("STACK_NAME", "world")
    return Client()


def revoke(client: Client, issued: dict, reason: str = "SUPERSEDED"):
    return client.post(f"{CERTIFICATES}/{issued['certificateId']}/revoke", {"revocationReason": reason})


def crl(client: Client, name: str = "EC-issuing") -> x509.CertificateRevocationList:
    ca = client.setting.cas[name]
    client.token, token = None, client.token
    response = client.get(f"{MANAGER}/crl/{ca.id}/der")
    client.token = token
    assert response.status == 200, response.body
    assert response.headers["content-type"] == "application/pkix-crl" and "max-age" in response.headers["cache-control"]
    found = x509.load_der_x509_crl(response.body)
    assert found.is_signature_valid(ca.current.x509.public_key())
    return found


def numbers(found: x509.CertificateRevocationList) -> set[str]:
    return {f"{one.serial_number:040x}" for one in found}


def test_revoke_publishes_crl_with_reason(client: Client) -> None:
    made = {reason: client.issued(EC) for reason in LEAF_REASONS}
    for reason, issued in made.items():
        client.setting.clock.advance(seconds=1)
        response = revoke(client, issued, reason).json
        assert (response["serialNumber"], response["crlPublished"]) == (issued["serialNumber"], True)
        found = crl(client)
        entry = found.get_revoked_certificate_by_serial_number(int(issued["serialNumber"], 16))
        assert entry.revocation_date_utc == found.last_update_utc  # not later than the list
        reasons = [one.value.reason.value for one in entry.extensions]
        assert reasons == ([REASONS[reason]] if REASONS[reason] else [])
    assert numbers(found) == {issued["serialNumber"] for issued in made.values()}
    assert found.last_update_utc == client.setting.now() - timedelta(minutes=10)  # for verifiers with slow clocks
    assert found.next_update_utc == client.setting.now() + timedelta(days=7)
    number = found.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    assert number == int(client.setting.now().timestamp())
    described = client.get(f"{CERTIFICATES}/{issued['certificateId']}").json["certificate"]
    assert (described["status"], described["revocationReason"]) == ("revoked", "PRIVILEGE_WITHDRAWN")


@pytest.mark.parametrize(
    ("reason", "why"),
    [
        ("CERTIFICATE_HOLD", "CERTIFICATE_HOLD: a hold cannot be lifted here"),
        ("A_A_COMPROMISE", "A_A_COMPROMISE: it is for certificates of attribute authorities"),
        ("CA_COMPROMISE", "CA_COMPROMISE: it is for certificates of CAs"),
        ("REMOVE_FROM_CRL", "REMOVE_FROM_CRL: it is for delta CRLs"),
        ("boredom", ""),
    ],
)
def test_revoke_refuses_reasons_that_fit_no_leaf(client: Client, reason: str, why: str) -> None:
    issued = client.issued(EC)
    response = revoke(client, issued, reason)
    assert (response.status, "Expected one of UNSPECIFIED, KEY_COMPROMISE, AFFILIATION" in response.message) == (
        422,
        True,
    )
    assert why in response.message
    assert client.setting.certificates.certificates[issued["certificateId"]].revoked_at is None


def test_crl_expresses_reasons_of_older_records(client: Client) -> None:
    issued = client.issued(EC)
    client.setting.certificates.revoke(issued["certificateId"], client.setting.now(), "CERTIFICATE_HOLD", OPERATOR)
    client.module.handler({"task": "crl"}, CONTEXT)
    (entry,) = crl(client)
    assert [one.value.reason.value for one in entry.extensions] == ["certificateHold"]


def test_revoke_refuses_second_call(client: Client) -> None:
    issued = client.issued(EC)
    assert revoke(client, issued).status == 200
    response = revoke(client, issued, "KEY_COMPROMISE")
    assert (response.status, response.json["message"]) == (400, "Certificate is already revoked")
    assert client.setting.certificates.certificates[issued["certificateId"]].reason == "SUPERSEDED"


def test_revoke_again_publishes_missing_crl(client: Client, monkeypatch) -> None:
    issued = client.issued(EC)
    client.setting.signer.trouble = [Unavailable("the signer was ended")]
    assert revoke(client, issued).json["crlPublished"] is False
    assert revoke(client, issued).status == 400
    assert numbers(crl(client)) == {issued["serialNumber"]}
    orders = len(client.setting.signer.orders)
    monkeypatch.setattr(client.setting.certificates, "lease_crl", lambda *_: pytest.fail("a write"))
    assert revoke(client, issued).status == 400
    assert len(client.setting.signer.orders) == orders  # repeated calls cause no signatures and no writes


def test_issue_refuses_compromised_key(client: Client) -> None:
    _, request = csr()
    first, sibling = client.issued(csr=request), client.issued(csr=request)
    made = client.issued(EC)
    same_key = client.post(f"{CERTIFICATES}/{made['certificateId']}/renew", {"renewalKeySource": "reuse"}).json
    assert revoke(client, first).status == 200
    assert client.issue(csr=request).status == 200  # the key is not blocked, because it was not compromised
    for name in (sibling, made):
        assert revoke(client, name, "KEY_COMPROMISE").status == 200
    before = client.written
    target = f"{CERTIFICATES}/{same_key['certificateId']}/renew"
    for response in (client.issue(csr=request), client.post(target, {"renewalKeySource": "reuse"})):
        assert (response.status, "the key was revoked as compromised" in response.message) == (400, True)
    assert client.written == before
    assert client.post(target, {"renewalKeySource": "new"}).status == 200


def test_pending_request_refuses_key_compromised_meanwhile(client: Client) -> None:
    _, request = csr()
    first, renewed = client.issued(csr=request), client.issued(csr=request)
    client.setting.signer.trouble = [Unavailable("the signer was ended")] * 2
    waiting = client.issue(csr=request, key="token").json["certificateRequestId"]
    client.post(f"{CERTIFICATES}/{renewed['certificateId']}/renew", {})
    assert revoke(client, first, "KEY_COMPROMISE").status == 200
    before = client.written
    client.setting.clock.advance(seconds=31)
    response = client.issue(csr=request, key="token")
    assert (response.status, "the key was revoked as compromised" in response.message) == (400, True)
    response = client.post(f"{CERTIFICATES}/{renewed['certificateId']}/renew", {})
    assert (response.status, "the key was revoked as compromised" in response.message) == (400, True)
    assert client.get(f"{REQUESTS}/{waiting}").json["status"] == "failed"
    assert client.written == before


def test_pending_request_resumes_with_other_key(client: Client) -> None:
    client.setting.signer.trouble = [Unavailable("the signer was ended")] * 2
    waiting = [client.issue(body, key=body["keyAlgorithm"]).json for body in (EC, {"keyAlgorithm": "RSA_2048"})]
    waiting.append(client.issue(csr=csr()[1], key="csr").json)
    client.setting.clock.advance(seconds=31)
    for one in waiting:
        assert client.get(f"{REQUESTS}/{one['certificateRequestId']}").json["status"] == "issued"


@pytest.mark.parametrize("source", [{}, {"renewalKeySource": "reuse"}])
def test_revoke_refuses_compromise_of_foreign_key(client: Client, source: dict) -> None:
    _, request = csr()
    old = client.issued(csr=request)
    owner = client.as_another("request")
    for _ in range(2):  # the second one renews the identity's own certificate
        old = client.post(f"{CERTIFICATES}/{old['certificateId']}/renew", source).json
    response = revoke(client, old, "KEY_COMPROMISE")
    assert (response.status, "The key belongs to another identity's certificate" in response.message) == (403, True)
    mine, client.token = client.token, owner
    assert client.issue(csr=request).status == 200
    client.token = mine
    assert revoke(client, old).status == 200
    client.as_another("request", "administer")
    assert revoke(client, old, "KEY_COMPROMISE").status == 400  # already revoked; the key is blocked from now on
    client.token = owner
    assert client.issue(csr=request).status == 400


def test_long_renewal_chain_counts_as_foreign_key(client: Client, monkeypatch) -> None:
    monkeypatch.setattr(blocked_keys, "MAX_RENEWAL_CHAIN", 2)
    _, request = csr()
    line = [client.issued(csr=request)]
    for _ in range(2):
        line.append(client.post(f"{CERTIFICATES}/{line[-1]['certificateId']}/renew").json)
    assert revoke(client, line[2], "KEY_COMPROMISE").status == 403
    assert revoke(client, line[1], "KEY_COMPROMISE").status == 200


def test_new_key_in_renewal_belongs_to_requester(client: Client) -> None:
    old = client.issued(csr=csr()[1])
    client.as_another("request", "read-key")
    new = client.post(f"{CERTIFICATES}/{old['certificateId']}/renew", {"renewalKeySource": "new"}).json
    assert revoke(client, new, "KEY_COMPROMISE").status == 200


def test_revoke_by_fingerprint(client: Client) -> None:
    described = client.get(f"{CERTIFICATES}/{client.issued(EC)['certificateId']}").json["certificate"]
    name = described["fingerprints"]["sha256"].upper()
    assert client.post(f"{CERTIFICATES}/{name}/revoke", {"revocationReason": "SUPERSEDED"}).status == 200
    assert client.get(f"{CERTIFICATES}/{name}").json["certificate"]["status"] == "revoked"


def test_each_ca_has_its_own_crl(client: Client) -> None:
    revoke(client, client.issued(EC))
    rsa = client.issued({"keyAlgorithm": "RSA_2048"})
    revoke(client, rsa)
    assert numbers(crl(client, "RSA-issuing")) == {rsa["serialNumber"]}
    assert len(numbers(crl(client))) == 1


def test_crl_keeps_entries_missing_in_the_index(client: Client, monkeypatch) -> None:
    monkeypatch.setattr(client.setting.certificates, "revoked", lambda *_: iter(()))
    first, second = client.issued(EC), client.issued(EC)
    revoke(client, first)
    client.setting.clock.advance(minutes=5)
    revoke(client, second)
    assert numbers(crl(client)) == {first["serialNumber"], second["serialNumber"]}


def test_publish_retries_after_concurrent_crl(client: Client, monkeypatch) -> None:
    """A concurrent publisher takes the next number and publishes first, without this revocation."""
    store, issued = client.setting.certificates, client.issued(EC)
    other, published = client.issued(EC), []
    publish = store.publish

    def overtaken(ca_id: str, number: int, der: bytes) -> None:
        if not published:
            published.append(number)
            assert revoke(client, other).json["crlPublished"] is True
            assert numbers(crl(client)) == {other["serialNumber"]}
        publish(ca_id, number, der)

    monkeypatch.setattr(store, "publish", overtaken)
    monkeypatch.setattr(store, "revoked", lambda *_: iter(()))
    assert revoke(client, issued).json["crlPublished"] is True
    assert numbers(crl(client)) == {issued["serialNumber"], other["serialNumber"]}


def test_publish_replaces_unreadable_crl(client: Client, monkeypatch) -> None:
    issued = client.issued(EC)
    store, publish = client.setting.certificates, client.setting.certificates.publish

    def broken(_: str) -> bytes:
        raise Misconfigured("not whole")

    def fixed(*args) -> None:
        publish(*args)
        monkeypatch.undo()

    monkeypatch.setattr(store, "published", broken)
    monkeypatch.setattr(store, "publish", fixed)
    assert revoke(client, issued).json["crlPublished"] is True
    assert numbers(crl(client)) == {issued["serialNumber"]}


def test_revocation_survives_failed_crl(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    issued = client.issued(EC)
    client.setting.signer.trouble = [Unavailable("slow")]
    assert revoke(client, issued).json["crlPublished"] is False
    assert "'crl_published': 'false'" in caplog.text
    client.module.handler({"task": "crl"}, CONTEXT)
    assert numbers(crl(client)) == {issued["serialNumber"]}


def test_crl_lists_expired_certificates_for_a_while(client: Client) -> None:
    issued = client.issued({**EC, "ttl": "1d"})
    revoke(client, issued)
    for days, listed in ((2, True), (5, True), (3, False)):
        client.setting.clock.advance(days=days)
        client.module.handler({"task": "crl"}, CONTEXT)
        assert bool(numbers(crl(client))) == listed


# -- the schedule --------------------------------------------------------------------------------------------------------
def test_schedule_publishes_all_crls_and_metrics(client: Client, capsys) -> None:
    assert client.module.handler({"task": "crl"}, CONTEXT) == {"published": ["EC-issuing", "RSA-issuing"]}
    assert numbers(crl(client)) == set()
    response = capsys.readouterr().out
    assert '"CrlAgeSeconds":[0.0]' in response and '"CaEndsDays"' in response and '"stack":"world"' in response
    before = crl(client)
    client.setting.clock.advance(days=1)
    client.module.handler({"task": "crl"}, CONTEXT)
    assert crl(client).last_update_utc == before.last_update_utc + timedelta(days=1)


def test_schedule_measures_the_list_of_the_root(client: Client, capsys) -> None:
    """Functions cannot sign it; the metric warns the operator. Without a list it is zero."""
    root, certificates = client.setting.cas["EC-root"], client.setting.certificates
    client.module.handler({"task": "crl"}, CONTEXT)
    assert capsys.readouterr().out.count('"RootCrlEndsDays":[0.0]') == 2
    key = kms_private_key(KMSKeys(client.setting.kms), root.key, root.current.x509.public_key())
    now = client.setting.now().replace(microsecond=0)
    order = CrlOrder(root.id, 1, now, now + timedelta(days=100), ())
    certificates.publish(
        root.id, 1, sign_crl(order, Issuer(root.current.x509, IssuerURLs(), key)).public_bytes(Encoding.DER)
    )
    client.module.handler({"task": "crl"}, CONTEXT)
    assert '"RootCrlEndsDays":[100.0]' in capsys.readouterr().out
    client.setting.clock.advance(days=101)
    client.module.handler({"task": "crl"}, CONTEXT)
    assert capsys.readouterr().out.count('"RootCrlEndsDays":[0.0]') == 2  # never negative


def test_schedule_continues_after_failing_ca(client: Client, capsys) -> None:
    client.module.handler({"task": "crl"}, CONTEXT)
    client.setting.clock.advance(days=3)
    client.setting.signer.trouble = [Unavailable("slow")]
    with pytest.raises(Unavailable, match="no new CRL for EC-issuing"):
        client.module.handler({"task": "crl"}, CONTEXT)
    now = client.setting.now()
    assert signed_at(crl(client, "RSA-issuing")) == now
    assert signed_at(crl(client)) == now - timedelta(days=3)
    assert f'"CrlAgeSeconds":[{timedelta(days=3).total_seconds()}]' in capsys.readouterr().out


def test_schedule_continues_after_unreadable_ca(client: Client, capsys) -> None:
    """The metric shows the age of its CRL; the expiry of its CA is unknown."""
    client.setting.configuration.unreadable["broken"] = Misconfigured("ca broken does not parse")
    with pytest.raises(Unavailable, match="no new CRL for broken"):
        client.module.handler({"task": "crl"}, CONTEXT)
    response = capsys.readouterr().out
    assert signed_at(crl(client)) == signed_at(crl(client, "RSA-issuing")) == client.setting.now()
    assert (
        f'"CrlAgeSeconds":[{timedelta(days=7).total_seconds()}]' in response and response.count('"CaEndsDays":[') == 2
    )
    assert client.issued(EC)["certificate"]


def test_disabled_ca_publishes_crl_but_pending_does_not(client: Client) -> None:
    issued = client.issued(EC)
    ca = client.setting.cas["EC-issuing"]
    client.setting.configuration.put(
        ca.model_copy(update={"status": "disabled"}),
        client.setting.cas["RSA-issuing"].model_copy(update={"status": "pending", "installed": ()}),
    )
    revoke(client, issued)
    assert numbers(crl(client)) == {issued["serialNumber"]}
    assert client.module.handler({"task": "crl"}, CONTEXT) == {"published": ["EC-issuing"]}


# -- certificates of CAs ---------------------------------------------------------------------------------------------------
def test_urls_in_certificate_serve_issuer_and_crl(client: Client) -> None:
    leaf = x509.load_pem_x509_certificate(client.issued(EC)["certificate"].encode())
    client.module.handler({"task": "crl"}, CONTEXT)
    client.token = None
    (access,) = leaf.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    response = client.get(access.access_location.value.removeprefix(client.setting.address))
    assert (response.status, response.headers["content-type"]) == (200, "application/pkix-cert")
    leaf.verify_directly_issued_by(x509.load_der_x509_certificate(response.body))
    (point,) = leaf.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    response = client.get(point.full_name[0].value.removeprefix(client.setting.address))
    assert x509.load_der_x509_crl(response.body).issuer == leaf.issuer


def test_missing_downloads_are_not_found(client: Client) -> None:
    ca = client.setting.cas["EC-issuing"]
    for target in (f"crl/{ca.id}/der", f"ca/internal/{ca.id}/certificates/{ca.id}/der", "crl/x/der"):
        assert client.get(f"{MANAGER}/{target}").status == 404


def test_restored_table_reuses_no_crl_number(client: Client) -> None:
    """The signer returns the old CRL for a known number, so numbers must not be reused after data loss."""
    certificates = client.setting.certificates
    first = client.issued(EC)
    revoke(client, first)
    restored = dict(certificates.numbers), dict(certificates.lists)
    for _ in range(5):
        client.setting.clock.advance(hours=24)
        client.setting.front.crl_publisher.refresh()
    certificates.numbers, certificates.lists = restored
    client.setting.clock.advance(hours=24)
    client.token = client.setting.token(client.identity)
    second = client.issued(EC)
    assert revoke(client, second).json["crlPublished"] is True
    found = crl(client)
    assert signed_at(found) == client.setting.now()
    assert numbers(found) == {first["serialNumber"], second["serialNumber"]}
