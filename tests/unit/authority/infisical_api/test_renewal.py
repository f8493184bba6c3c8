"""Renewal: once per certificate, with the old fields unless overridden, and links in both directions."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509

from evercert.authority.api_errors import Refusal
from evercert.authority.policy.policy import Policy
from evercert.authority.requests.effective_request import BACKDATED
from evercert.errors import Unavailable
from evercert.pki.keys import PrivateKey, public_bytes
from tests.doubles.authority.authority import ANYTHING
from tests.doubles.authority.client import CERTIFICATES, REQUESTS, Client, Response, csr

EC = {"keyAlgorithm": "EC_prime256v1"}


@pytest.fixture
def client() -> Client:
    return Client()


def leaf_of(issued: dict[str, Any]) -> x509.Certificate:
    return x509.load_pem_x509_certificate(issued["certificate"].encode())


def key_of(issued: dict[str, Any]) -> bytes:
    return public_bytes(leaf_of(issued).public_key())


def renew(client: Client, issued: dict[str, Any], body: Any = None, **headers: str) -> Response:
    return client.post(f"{CERTIFICATES}/{issued['certificateId']}/renew", body, **headers)


def test_renew_keeps_fields_with_new_key_and_dates(client: Client) -> None:
    old = client.issued({**EC, "organization": "Muster AG"}, metadata=[{"key": "team", "value": "web"}])
    client.setting.clock.advance(minutes=50)
    client.setting.profile(defaults={"locality": "Kassel"})
    response = renew(client, old)
    new, now = response.json, client.setting.now()
    assert response.status == 200 and "privateKey" not in new and new["certificateRequestId"]
    assert leaf_of(new).subject == leaf_of(old).subject
    assert leaf_of(new).not_valid_after_utc == now + timedelta(days=90)
    assert key_of(new) != key_of(old)
    first, second = (client.get(f"{CERTIFICATES}/{one['certificateId']}").json["certificate"] for one in (old, new))
    assert first["latestRenewalCertificateId"] == new["certificateId"] and first["status"] == "active"
    assert "latestRenewalCertificateId" not in second
    for word in ("altNames", "keyUsages", "extendedKeyUsages", "metadata", "subject"):
        assert first[word] == second[word]
    bundle = client.get(f"{CERTIFICATES}/{new['certificateId']}/bundle").json
    assert PrivateKey.from_pem(bundle["privateKey"]).public_bytes() == key_of(new)
    assert client.get(f"{REQUESTS}/{new['certificateRequestId']}").json["privateKey"] == bundle["privateKey"]


def test_certificate_links_to_latest_renewal(client: Client) -> None:
    line = [client.issued(EC)]
    for _ in range(3):
        line.append(renew(client, line[-1]).json)
    described = client.get(f"{CERTIFICATES}/{line[0]['certificateId']}").json["certificate"]
    assert described["latestRenewalCertificateId"] == line[-1]["certificateId"]


def test_renew_refuses_second_renewal(client: Client) -> None:
    old = client.issued(EC)
    assert renew(client, old).status == 200
    response = renew(client, old)
    assert (response.status, "already been renewed" in response.message) == (400, True)
    assert client.written == (2, 2, 2)


def test_concurrent_renewals_renew_once(client: Client) -> None:
    old = client.issued(EC)

    def once(_: int) -> str | None:
        try:
            return str(client.setting.front.renewals.renew(client.identity, old["certificateId"], {})["certificateId"])
        except Refusal:
            return None

    with ThreadPoolExecutor(8) as threads:
        found = set(threads.map(once, range(16))) - {None}
    assert len(found) == 1
    assert client.written == (2, 2, 2)


def test_same_token_or_csr_returns_same_renewal(client: Client) -> None:
    old = client.issued(EC)
    first = renew(client, old, idempotency_key="token").json
    assert renew(client, old, idempotency_key="token").json == first
    assert renew(client, old, idempotency_key="other").status == 400
    other = client.issued(EC)
    assert "used before" in renew(client, other, idempotency_key="token").message
    body = {"renewalKeySource": "csr", "csr": csr()[1]}
    first = renew(client, other, body).json
    assert renew(client, other, body).json == first
    assert renew(client, other, {**body, "csr": csr()[1]}).status == 400
    assert client.written == (4, 4, 4)


def test_interrupted_renewal_is_completed_by_next_call(client: Client) -> None:
    old = client.issued(EC)
    client.setting.signer.trouble = [Unavailable("slow")]
    waiting = renew(client, old).json
    assert waiting["certificate"] == "" and waiting["certificateRequestId"]
    described = client.get(f"{CERTIFICATES}/{old['certificateId']}").json["certificate"]
    done = client.get(f"{REQUESTS}/{waiting['certificateRequestId']}").json
    assert described["latestRenewalCertificateId"] == done["certificateId"]
    assert client.written == (2, 2, 2)


def test_foreign_renewal_is_completed_but_not_returned(client: Client) -> None:
    old = client.issued(EC)
    client.setting.signer.trouble = [Unavailable("slow")]
    waiting = renew(client, old).json
    mine = client.as_another("request", "read-key")
    assert renew(client, old).status == 400
    client.token = mine
    assert client.get(f"{REQUESTS}/{waiting['certificateRequestId']}").json["status"] == "issued"


def test_failed_renewal_can_be_repeated(client: Client) -> None:
    old = client.issued(EC)
    client.setting.signer.trouble = [Refusal(400, "BadRequest", "no")]
    assert renew(client, old).json["message"] == "no"
    assert renew(client, old).status == 200


# -- keys ----------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("algorithm", ["EC_prime256v1", "RSA_2048"])
def test_renew_can_reuse_generated_key(client: Client, algorithm: str) -> None:
    old = client.issued({"keyAlgorithm": algorithm})
    new = renew(client, old, {"renewalKeySource": "reuse"}).json
    assert key_of(new) == key_of(old)
    assert client.get(f"{CERTIFICATES}/{new['certificateId']}/private-key").body.decode() == old["privateKey"]


def test_renew_of_csr_certificate_accepts_all_key_sources(client: Client) -> None:
    key, text = csr()
    plain = {"commonName": None, "altNames": None}
    reused = renew(client, client.issued(plain, csr=text)).json
    assert key_of(reused) == key.public_bytes()
    reused = renew(client, client.issued(plain, csr=text), {"renewalKeySource": "reuse"}).json
    assert key_of(reused) == key.public_bytes()
    other, another = csr()
    sent = renew(client, client.issued(plain, csr=text), {"renewalKeySource": "csr", "csr": another}).json
    assert key_of(sent) == other.public_bytes()
    made = renew(client, client.issued(plain, csr=text), {"renewalKeySource": "new"}).json
    assert key_of(made) not in {key.public_bytes(), other.public_bytes()}
    assert client.get(f"{CERTIFICATES}/{made['certificateId']}/private-key").status == 200
    assert client.get(f"{CERTIFICATES}/{sent['certificateId']}/private-key").status == 404


def test_renew_of_generated_key_accepts_csr(client: Client) -> None:
    key, text = csr()
    new = renew(client, client.issued(EC), {"csr": text}).json
    assert key_of(new) == key.public_bytes()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"renewalKeySource": "csr"}, "A CSR is required"),
        ({"renewalKeySource": "new", "csr": "x"}, "only be sent with"),
        ({"renewalKeySource": "reuse", "attributes": {"keyAlgorithm": "RSA_2048"}}, "keyAlgorithm"),
        ({"renewalKeySource": "copy"}, "renewalKeySource"),
        ({"attributes": {"ttl": "0d"}}, "ttl"),
        ({"attributes": {"altNames": [{"type": "dns_name", "value": "10.0.0.700"}]}}, "altNames"),
    ],
)
def test_renew_refuses_impossible_bodies(client: Client, body: dict, message: str) -> None:
    response = renew(client, client.issued(EC), body)
    assert response.status in {400, 422} and message in response.message, response.body
    assert client.written == (1, 1, 1)


def test_renew_refuses_attributes_that_csr_carries(client: Client) -> None:
    body = {"csr": csr()[1], "attributes": {"altNames": [{"type": "dns_name", "value": "other.example.com"}]}}
    response = renew(client, client.issued(EC), body)
    assert response.status == 400 and "altNames" in response.message


# -- attributes ----------------------------------------------------------------------------------------------------------
def test_renew_replaces_lists_and_null_removes(client: Client) -> None:
    old = client.issued({**EC, "organization": "Muster AG"})
    names = [{"type": "dns_name", "value": "other.example.com"}]
    new = renew(client, old, {"attributes": {"altNames": names, "organization": None, "ttl": "3d"}}).json
    described = client.get(f"{CERTIFICATES}/{new['certificateId']}").json["certificate"]
    assert described["altNames"] == "other.example.com,www.example.com" and "organization" not in described["subject"]
    assert described["subject"]["commonName"] == "www.example.com"
    assert leaf_of(new).not_valid_after_utc == client.setting.now() + timedelta(days=3)


@pytest.mark.parametrize(
    ("ttl", "span"),
    [("90d", timedelta(days=90)), ("36h", timedelta(hours=36)), ("12h", timedelta(hours=12)), ("30m", timedelta(minutes=30)), ("119s", timedelta(seconds=119))],
)  # fmt: skip
def test_repeated_renewals_keep_lifetime(client: Client, ttl: str, span: timedelta) -> None:
    issued = client.issued({**EC, "ttl": ttl})
    for _ in range(5):
        client.setting.clock.advance(seconds=7.3)
        issued = renew(client, issued).json
        assert leaf_of(issued).not_valid_after_utc == client.setting.now().replace(microsecond=0) + span


def test_renew_keeps_lifetime_given_by_end_date(client: Client) -> None:
    now = client.setting.now()
    issued = client.issue({**EC, "ttl": None, "notAfter": f"{now + timedelta(minutes=2):%Y-%m-%dT%H:%M:%S.999Z}"})
    for _ in range(3):
        issued = renew(client, issued.json.get("certificate") if "status" in issued.json else issued.json)
        client.setting.clock.advance(seconds=30)
        leaf = leaf_of(issued.json)
        assert leaf.not_valid_after_utc - leaf.not_valid_before_utc == timedelta(minutes=2) + BACKDATED


def test_renew_does_not_backdate_requested_start(client: Client) -> None:
    issued = client.issued({**EC, "ttl": "1h"})
    for _ in range(3):
        begin = client.setting.now() - BACKDATED
        issued = renew(client, issued, {"attributes": {"notBefore": begin.isoformat()}}).json
        assert leaf_of(issued).not_valid_after_utc == begin + timedelta(hours=1)


def test_renew_respects_maximum_validity(client: Client) -> None:
    policy = Policy.model_validate({**ANYTHING, "validity": {"max": "1h"}})
    client.setting.profile(policy=policy)
    issued = client.issued({**EC, "ttl": "1h"})
    for _ in range(3):
        client.setting.clock.advance(seconds=0.9)
        issued = renew(client, issued).json
    client.setting.profile(policy=Policy.model_validate({**ANYTHING, "validity": {"max": "1h"}}))
    longer = renew(client, issued, {"attributes": {"ttl": "3601s"}})
    assert longer.status == 400 and "exceeds maximum" in longer.message


def test_renew_works_without_listed_algorithms(client: Client) -> None:
    silent = {name: rule for name, rule in ANYTHING.items() if name != "algorithms"}
    client.setting.profile(policy=Policy.model_validate(silent))
    old = client.issued()
    asked = renew(client, old, {"attributes": {"keyAlgorithm": "RSA_2048"}})
    assert asked.status == 400 and "RSA_2048" in asked.message
    assert leaf_of(renew(client, old).json).public_key().key_size == leaf_of(old).public_key().key_size


# -- whose it is ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("with_csr", [False, True], ids=["key", "csr"])
def test_renew_at_an_external_issuer_reuses_no_key(client: Client, with_csr: bool) -> None:
    old = client.issued({"keyAlgorithm": "EC_prime256v1"}, **({"csr": csr()[1]} if with_csr else {}))
    client.setting.profile(issuer_type="external", issuer="outside", cas=())
    response = renew(client, old, {"renewalKeySource": "reuse"})
    assert response.status == 400 and "use new or csr" in response.message
    source, more = ("new", {}) if not with_csr else ("csr", {"csr": csr()[1]})
    assert renew(client, old, {"renewalKeySource": source, **more}).status == 200


def renewal_error(client: Client, old: dict[str, Any]) -> str | None:
    found: str | None = client.get(f"{CERTIFICATES}/{old['certificateId']}").json["certificate"]["renewalError"]
    return found


def test_refusal_of_the_policy_is_stored_until_the_renewal(client: Client) -> None:
    old = client.issued()
    client.setting.profile(policy={**ANYTHING, "sans": [{"type": "dns_name", "denied": ["*"]}]})
    response = renew(client, old)
    assert response.status == 400
    assert renewal_error(client, old) == f"renewal refused: {response.json['message']}"
    client.setting.profile()
    assert renew(client, old).status == 200
    assert renewal_error(client, old) is None


def test_other_refusals_are_not_stored(client: Client) -> None:
    old = client.issued()
    assert renew(client, old, {"renewalKeySource": "csr"}).status == 400
    client.as_another("request", name="other")
    client.setting.profile(policy={**ANYTHING, "sans": [{"type": "dns_name", "denied": ["*"]}]})
    body = {"attributes": {"altNames": [{"type": "dns_name", "value": "other.example.com"}]}}
    assert renew(client, old, body).status == 403  # a caller without permission to change it writes nothing
    client.token = client.setting.token(client.identity)
    assert renewal_error(client, old) is None


def test_renew_reuses_only_own_key(client: Client) -> None:
    old = client.issued(EC)
    before = client.as_another("request", "read-key")
    written = client.written
    response = renew(client, old, {"renewalKeySource": "reuse"})
    assert response.status == 403 and response.json["error"] == "PermissionDenied" and client.written == written
    client.as_another("request", "administer")
    assert key_of(renew(client, old, {"renewalKeySource": "reuse"}).json) == key_of(old)
    client.token = before
    mine = client.issued(EC)
    assert key_of(renew(client, mine, {"renewalKeySource": "reuse"}).json) == key_of(mine)


@pytest.mark.parametrize(
    "body",
    [
        {"attributes": {"ttl": "1d"}},
        {"attributes": {"altNames": [{"type": "dns_name", "value": "other.example.com"}]}},
        {"attributes": {"organization": None}},
        {"renewalKeySource": "csr", "csr": csr("dns:other.example.com")[1]},
    ],
)
def test_only_owner_or_admin_changes_fields_on_renewal(client: Client, body: dict[str, Any]) -> None:
    old = client.issued({**EC, "organization": "Muster AG"})
    before = client.as_another("request", "read-key")
    written = client.written
    response = renew(client, old, body)
    assert response.status == 403 and response.json["details"][0]["action"] == "edit" and client.written == written
    client.token = before
    assert renew(client, old, body).status == 200


def test_requester_renews_unchanged_certificate_of_others(client: Client) -> None:
    old = client.issued(EC)
    by_csr = client.issue(csr=csr()[1], attributes={"commonName": None}).json["certificate"]
    client.as_another("request", "read-key")
    assert renew(client, old).status == 200
    client.as_another("request")
    assert renew(client, by_csr, {"renewalKeySource": "csr", "csr": csr()[1]}).status == 200


@pytest.mark.parametrize("body", [None, {"renewalKeySource": "new"}, {"attributes": {"ttl": "3d"}}])
def test_renew_generates_no_key_that_the_identity_cannot_read(client: Client, body: dict[str, Any] | None) -> None:
    """The agent would write the new certificate beside the key of the old one."""
    old = client.issued(EC)
    before, written = client.as_another("request", "administer"), client.written
    response = renew(client, old, body)
    assert (response.status, client.written) == (403, written)
    assert response.json["details"][0]["action"] == "read-private-key" and "send a CSR" in response.message
    assert renew(client, old, {"renewalKeySource": "csr", "csr": csr()[1]}).status == 200
    client.token = before
    assert client.get(f"{CERTIFICATES}/{old['certificateId']}").json["certificate"]["renewedByCertificateId"]


def test_renew_with_other_algorithm_generates_key(client: Client) -> None:
    new = renew(client, client.issued(EC), {"attributes": {"keyAlgorithm": "RSA_2048"}}).json
    assert leaf_of(new).public_key().key_size == 2048
    assert "RSA" in leaf_of(new).issuer.rfc4514_string()


# -- eligibility -----------------------------------------------------------------------------------------------------------
def test_renew_checks_current_policy(client: Client) -> None:
    old = client.issued(EC)
    client.setting.profile(policy=Policy.model_validate({**ANYTHING, "validity": {"max": "10d"}}))
    response = renew(client, old)
    assert response.status == 400 and "Certificate request validation failed" in response.message
    assert renew(client, old, {"attributes": {"ttl": "5d"}}).status == 200


def test_renew_lists_all_reasons_for_refusal(client: Client) -> None:
    old = client.issued(EC)
    renew(client, old)
    client.post(f"{CERTIFICATES}/{old['certificateId']}/revoke", {"revocationReason": "SUPERSEDED"})
    ca = client.setting.cas["EC-issuing"]
    client.setting.configuration.put(ca.model_copy(update={"status": "disabled"}))
    client.setting.certificates.claims.clear()
    response = renew(client, old)
    for reason in ("already been renewed", "certificate is revoked", "CA is not active"):
        assert reason in response.message


def test_renew_refuses_expired_certificate(client: Client) -> None:
    old = client.issued({**EC, "ttl": "1d"})
    client.setting.clock.advance(days=2)
    client.token = client.setting.token(client.identity)
    assert "certificate is expired" in renew(client, old).message


def test_administer_permission_does_not_allow_renewal(client: Client) -> None:
    old = client.issued(EC)
    client.as_another("administer")
    assert renew(client, old).status == 403
