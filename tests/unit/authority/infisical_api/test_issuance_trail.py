"""The issuance trail: what the calls of the API and of ACME clients leave there."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from evercert.authority.api_errors import Refusal
from evercert.authority.contracts.issuance_trail import IssuanceEntry
from evercert.errors import Unavailable
from tests.doubles.authority.client import CERTIFICATES, REQUESTS, Client, csr

EC = {"keyAlgorithm": "EC_prime256v1"}
DENIED = {"sans": [{"type": "dns_name", "allowed": ["*.example.net"]}]}


@pytest.fixture
def client() -> Client:
    return Client()


def trail(client: Client) -> list[IssuanceEntry]:
    return [one for _, one in sorted(client.setting.certificates.trail.items(), key=lambda item: item[0][0])]


def deny(client: Client, **policy: Any) -> None:
    from evercert.authority.policy.policy import Policy

    found = client.profile.model_copy(update={"policy": Policy.model_validate({**DENIED, **policy})})
    client.setting.configuration.put(found)


def test_issued_certificate_is_recorded_once(client: Client) -> None:
    for _ in range(2):
        found = client.issue(EC, key="token", applicationId=client.application.id).json
    (entry,) = trail(client)
    assert (entry.identity, entry.profile, entry.application) == (
        client.identity.id, client.profile.id, client.application.id,
    )  # fmt: skip
    assert (entry.action, entry.result, entry.origin) == ("issue", "issued", "api")
    assert (entry.request, entry.serial_number) == (found["certificateRequestId"], found["certificate"]["serialNumber"])
    assert entry.names == ("www.example.com",)


def test_refused_request_is_recorded_with_its_reason(client: Client) -> None:
    deny(client)
    response = client.issue(EC)
    (entry,) = trail(client)
    assert (response.status, entry.result, entry.reason) == (400, "refused", response.json["message"])
    assert (entry.identity, entry.names, entry.request) == (client.identity.id, ("www.example.com",), None)


def test_refusal_of_a_csr_has_its_names(client: Client) -> None:
    deny(client)
    body = {"profileId": client.profile.id, "csr": csr("dns:csr.example.com")[1], "attributes": {"ttl": "1d"}}
    assert client.post(CERTIFICATES, body).status == 400
    assert client.post(CERTIFICATES, {**body, "csr": "-----BEGIN"}).status == 400
    assert [(one.names, one.result) for one in trail(client)] == [(("csr.example.com",), "refused"), ((), "refused")]


@pytest.mark.parametrize("path", ["issue-certificate", "order-certificate"])
def test_deprecated_calls_are_recorded(client: Client, path: str) -> None:
    body = {"profileId": client.profile.id, "commonName": "www.example.com", "ttl": "1d", **EC}
    body |= {"keyUsages": ["digital_signature"], "extendedKeyUsages": ["server_auth"]}
    assert client.post(f"{CERTIFICATES}/{path}", body).status == 200
    deny(client)
    assert client.post(f"{CERTIFICATES}/{path}", body).status == 400
    assert sorted(one.result for one in trail(client)) == ["issued", "refused"]


def test_callers_without_permission_write_nothing(client: Client) -> None:
    token = client.token
    client.token = None
    assert client.issue(EC).status == 401
    client.token = "unknown"
    assert client.issue(EC).status in {401, 403}
    client.token = token
    client.as_another("read-key")
    assert client.issue(EC).status == 403
    assert client.issue(EC, profileId="00000000-0000-4000-8000-000000000000").status == 404
    client.token = token
    assert client.post(CERTIFICATES, {"profileId": client.profile.id, "attributes": []}).status == 422
    assert trail(client) == []


def test_pending_request_is_recorded_once_and_then_issued(client: Client) -> None:
    client.setting.signer.trouble = [Unavailable("busy")] * 2
    for _ in range(2):
        assert client.issue(EC, key="token").json["status"] == "pending"
    assert [one.result for one in trail(client)] == ["pending"]
    request = trail(client)[0].request
    client.setting.clock.advance(minutes=5)
    assert client.get(f"{REQUESTS}/{request}").json["status"] == "issued"
    assert [(one.result, one.request) for one in trail(client)] == [("pending", request), ("issued", request)]


def approving(client: Client) -> None:
    client.setting.profile(approval={"needed": 2})


@pytest.mark.parametrize("what", ["approve", "reject"])
def test_decision_is_recorded_with_its_approver(client: Client, what: str) -> None:
    approving(client)
    request = client.issue(EC).json["certificateRequestId"]
    approver, _ = client.setting.identity("approve", name="approver")
    client.token = client.setting.token(approver)
    client.setting.clock.advance(minutes=5)
    for _ in range(2):
        client.post(f"{REQUESTS}/{request}/{what}", {"reason": "release 42"})
    waits, *decided = trail(client)
    assert (waits.result, waits.reason, waits.identity) == ("pending", "waits for 2 approvals", client.identity.id)
    (entry,) = (one for one in decided if one.action == what)
    assert (entry.identity, entry.origin, entry.reason) == (approver.id, "api", "release 42")
    assert (entry.request, entry.profile, entry.names) == (request, client.profile.id, ("www.example.com",))
    assert [one.result for one in decided if one is not entry] == ([] if what == "approve" else ["failed"])


def test_cancelled_request_is_recorded_with_who_cancelled_it(client: Client) -> None:
    approving(client)
    request = client.issue(EC).json["certificateRequestId"]
    administrator, _ = client.setting.identity("request", "administer", name="administrator")
    client.token = client.setting.token(administrator)
    client.setting.clock.advance(minutes=5)
    assert client.post(f"{REQUESTS}/{request}/cancel").json["cancelled"]
    waits, failed = trail(client)
    assert (waits.identity, failed.identity) == (client.identity.id, administrator.id)
    assert (failed.result, failed.request) == ("failed", request)


def test_request_to_an_external_issuer_is_recorded_at_once(client: Client) -> None:
    client.setting.profile(issuer_type="external", issuer="outside", cas=())
    for _ in range(2):
        request = client.issue(EC, key="token").json["certificateRequestId"]
    (entry,) = trail(client)
    assert (entry.result, entry.reason, entry.request) == ("pending", "waits for issuer outside", request)


@pytest.mark.parametrize(
    ("body", "change"),
    [
        ({"renewBeforeDays": 9}, "automatic renewal 9 days before the end"),
        ({"enableAutoRenewal": False}, "no automatic renewal"),
    ],
    ids=["on", "off"],
)
def test_changed_renewal_is_recorded(client: Client, body: dict[str, Any], change: str) -> None:
    name = client.issued(EC)["certificateId"]
    administrator, _ = client.setting.identity("request", "administer", name="administrator")
    client.token = client.setting.token(administrator)
    client.setting.clock.advance(minutes=5)
    assert client.call("PATCH", f"{CERTIFICATES}/{name}/config", body).status == 200
    _, entry = trail(client)
    assert (entry.action, entry.result, entry.reason) == ("configure", "changed", change)
    assert (entry.identity, entry.certificate) == (administrator.id, name)


def test_failed_request_is_recorded(client: Client) -> None:
    client.setting.signer.trouble = [Refusal(400, "BadRequest", "beyond the ceiling")]
    assert client.issue(EC, key="token").status == 400
    assert client.issue(EC, key="token").status == 400
    assert [(one.result, one.reason) for one in trail(client)] == [("failed", "beyond the ceiling")]


def test_renewal_and_revocation_are_recorded(client: Client) -> None:
    first = client.issued(EC)["certificateId"]
    client.setting.clock.advance(minutes=5)
    assert client.post(f"{CERTIFICATES}/{first}/renew").status == 200
    assert client.post(f"{CERTIFICATES}/{first}/renew", {"attributes": {"ttl": "1d"}}).status == 400
    client.setting.clock.advance(minutes=5)
    for status in (200, 400):
        assert client.post(f"{CERTIFICATES}/{first}/revoke", {"revocationReason": "SUPERSEDED"}).status == status
    found = [(one.action, one.result) for one in trail(client)]
    assert found == [("issue", "issued"), ("renew", "issued"), ("renew", "refused"), ("revoke", "revoked")]
    assert trail(client)[2].certificate == first and "already been renewed" in trail(client)[2].reason
    assert (trail(client)[3].identity, trail(client)[3].origin) == (client.identity.id, "api")


def test_automatic_renewal_is_recorded(client: Client) -> None:
    record = client.setting.certificates.certificate(client.issued(EC)["certificateId"])
    renewals = client.setting.front.renewals
    deny(client)
    with pytest.raises(Refusal):
        renewals.renew_unattended(record)
    client.setting.configuration.put(client.profile)
    client.setting.signer.trouble = [Unavailable("busy")]
    with pytest.raises(Unavailable):
        renewals.renew_unattended(record)
    client.setting.clock.advance(minutes=5)
    renewals.renew_unattended(record)
    found = [(one.action, one.result, one.origin) for one in trail(client)]
    assert sorted(found[1:]) == sorted(("renew", result, "automatic") for result in ("refused", "pending", "issued"))
    assert {one.identity for one in trail(client)} == {client.identity.id}


def test_refusal_is_not_answered_without_its_entry(client: Client) -> None:
    """An outage of the trail must not hide a refused request: the client tries again."""
    deny(client)
    written, client.setting.certificates.record = client.setting.certificates.record, unavailable
    assert client.issue(EC).status == 503
    client.setting.certificates.record = written
    assert client.issue(EC).status == 400


def test_pending_request_is_answered_without_its_entry(client: Client) -> None:
    """An error would make a client without a token request another certificate."""
    client.setting.certificates.record = unavailable
    client.setting.signer.trouble = [Unavailable("busy")]
    assert client.issue(EC).json["status"] == "pending"


def unavailable(_entry: IssuanceEntry) -> None:
    raise Unavailable("the table is throttled")


def test_entries_contain_no_secret(client: Client) -> None:
    found = client.issued(EC, metadata=[{"key": "password", "value": "hunter2"}])
    deny(client)
    client.issue(EC, csr=found["privateKey"])
    text = repr(trail(client))
    lines = [line for line in found["privateKey"].splitlines() if len(line) > 20 and "-----" not in line]
    assert len(trail(client)) == 2 and not any(line in text for line in lines)
    assert "hunter2" not in text and "PRIVATE" not in text and str(client.token) not in text


def test_long_request_has_a_bounded_entry(client: Client) -> None:
    deny(client)
    names = [{"type": "dns_name", "value": f"{'x' * 25}{number:02d}.example.com"} for number in range(100)]
    response = client.issue({**EC, "altNames": names})
    assert response.status == 400, response.body
    (entry,) = trail(client)
    assert sum(map(len, entry.names)) <= 4_000 and len(entry.names) + entry.names_left_out == 101
    assert len(entry.reason) <= 1_000 and timedelta(0) == entry.at - client.setting.now()
