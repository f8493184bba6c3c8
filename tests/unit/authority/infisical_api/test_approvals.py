"""Approvals: a request waits until others approve it, and ends in one way only."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from evercert.authority.contracts.records import RequestRecord
from evercert.errors import Unavailable
from evercert.pki.csr_parser import public_key_of
from evercert.pki.keys import public_bytes
from tests.doubles.authority.approving import DAY, Approving
from tests.doubles.authority.client import CERTIFICATES, REQUESTS, csr


@pytest.fixture
def client() -> Approving:
    return Approving()


def test_request_waits_until_it_is_approved(client: Approving) -> None:
    request = client.asked()
    found = client.status(request)
    assert (found["status"], found["certificate"], client.signed) == ("pending_approval", None, 0)
    assert "Waiting for approval until" in found["pendingMessage"] and "0 of 1" in found["pendingMessage"]
    decided = client.decide("approve", request, reason="known")
    assert (decided.status, decided.json["status"]) == (200, "issued")
    found = client.status(request)
    assert found["status"] == "issued" and found["certificate"].startswith("-----BEGIN CERTIFICATE-----")
    assert found["privateKey"] is not None


def test_validity_begins_with_the_approval(client: Approving) -> None:
    request = client.asked()
    asked = client.setting.certificates.requests[request].leaf
    client.setting.clock.now += 3 * DAY
    client.decide("approve", request)
    (record,) = client.setting.certificates.certificates.values()
    assert (record.not_before, record.not_after) == (asked.not_before + 3 * DAY, asked.not_after + 3 * DAY)
    assert record.leaf.not_after == record.not_after


def test_dates_of_the_client_stay(client: Approving) -> None:
    end = (client.setting.clock() + 20 * DAY).isoformat()
    request = client.asked(ttl=None, notAfter=end)
    client.setting.clock.now += timedelta(minutes=3)
    client.decide("approve", request)
    (record,) = client.setting.certificates.certificates.values()
    assert record.not_after.isoformat() == end


def test_rejection_ends_the_request(client: Approving) -> None:
    request = client.asked()
    decided = client.decide("reject", request, reason="wrong name")
    assert decided.json["status"] == "rejected"
    assert client.status(request)["errorMessage"] == "rejected by approver-0: wrong name"
    for what in ("approve", "reject"):
        assert client.decide(what, request, approver=1).status == 400
    assert client.signed == 0


def test_several_approvals_are_counted_once_for_each_approver() -> None:
    client = Approving(needed=2)
    request = client.asked()
    for _ in range(3):
        assert client.decide("approve", request).json["status"] == "pending_approval"
    assert "1 of 2" in client.status(request)["pendingMessage"]
    assert client.decide("reject", request).status == 400  # it has approved before
    assert client.decide("approve", request, approver=1).json["status"] == "issued"
    assert client.signed == 1


def test_two_approvals_at_the_same_time_both_count(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Approving(needed=2)
    request = client.asked()
    decide = client.setting.certificates.decide

    def meanwhile(*arguments: Any) -> Any:
        monkeypatch.setattr(client.setting.certificates, "decide", decide)
        client.decide("approve", request, approver=1)
        return decide(*arguments)

    monkeypatch.setattr(client.setting.certificates, "decide", meanwhile)
    assert client.decide("approve", request).json["status"] == "issued"
    assert client.signed == 1


@pytest.mark.parametrize("what", ["approve", "reject"])
def test_requester_cannot_decide(client: Approving, what: str) -> None:
    request = client.asked()
    assert client.decide(what, request, approver=None).status == 403  # without the permission
    both, _ = client.setting.identity("request", "read-key", "approve", name="both")
    client.token = client.setting.token(both)
    own = client.asked()
    response = client.post(f"{REQUESTS}/{own}/{what}")
    assert response.status == 403 and "your own" in response.message
    assert client.signed == 0


def test_other_requesters_cannot_decide(client: Approving) -> None:
    request = client.asked()
    client.as_another("request", "read-key", "administer", name="other")
    for what in ("approve", "reject"):
        response = client.post(f"{REQUESTS}/{request}/{what}")
        assert response.status == 403 and "You are not allowed to approve" in response.message


def test_approvers_of_other_profiles_see_nothing(client: Approving) -> None:
    client.setting.profile("other", project="bank")
    other, _ = client.setting.identity("approve", profile="bank/other", name="other-approver")
    request = client.asked()
    client.token = client.setting.token(other)
    assert client.post(f"{REQUESTS}/{request}/approve").status == 404


def test_approver_reads_no_private_key(client: Approving) -> None:
    request = client.asked()
    client.decide("approve", request)
    client.token = client.setting.token(client.approvers[0])
    assert client.get(f"{REQUESTS}/{request}").json["privateKey"] is None


def test_late_request_fails(client: Approving) -> None:
    request = client.asked()
    client.setting.clock.now += 7 * DAY
    response = client.decide("approve", request)
    assert response.status == 400 and "The deadline for approvals has passed" in response.message
    found = client.status(request)
    assert found["status"] == "failed" and "not approved before the deadline" in found["errorMessage"]


@pytest.mark.parametrize("change", ["policy", "permission", "enrollment", "profile"])
def test_approval_checks_what_changed_meanwhile(client: Approving, change: str) -> None:
    request = client.asked()
    profile = client.setting.configuration.profile(client.profile.id)
    assert profile is not None
    match change:
        case "policy":
            policy = profile.policy.model_copy(update={"sans": (), "subject": ()})
            client.setting.configuration.put(profile.model_copy(update={"policy": policy}))
        case "permission":
            client.setting.configuration.put(client.identity.model_copy(update={"grants": ()}))
        case "enrollment":
            client.setting.configuration.put(profile.model_copy(update={"enrollment": "acme"}))
        case "profile":
            client.setting.configuration.remove(profile)
    response = client.decide("approve", request)
    assert response.status in {400, 403, 404}, response.body
    assert client.signed == 0
    if change != "profile":
        assert client.decide("reject", request).json["status"] == "rejected"


@pytest.mark.parametrize("with_csr", [False, True])
def test_policy_without_algorithms_is_checked_as_at_the_request(client: Approving, with_csr: bool) -> None:
    profile = client.setting.configuration.profile(client.profile.id)
    assert profile is not None
    policy = profile.policy.model_copy(update={"algorithms": None})
    client.setting.configuration.put(profile.model_copy(update={"policy": policy}))
    response = client.issue(**({"csr": csr("dns:www.example.com", "EC_prime256v1")[1]} if with_csr else {}))
    if response.status == 200:
        assert client.decide("approve", response.json["certificateRequestId"]).json["status"] == "issued"
    else:
        assert with_csr and "not allowed" in response.message


def test_waiting_request_is_cancelled(client: Approving) -> None:
    request = client.asked()
    answer = client.post(f"{REQUESTS}/{request}/cancel").json
    assert (answer["status"], answer["cancelled"]) == ("failed", True)
    assert client.decide("approve", request).status == 400


def test_others_cannot_cancel_a_request(client: Approving) -> None:
    request = client.asked()
    client.as_another("request", "read-key", name="other")
    assert client.post(f"{REQUESTS}/{request}/cancel").status == 403
    assert client.status(request)["status"] == "pending_approval"


def test_metadata_of_a_client_does_not_pass_for_an_acme_account(client: Approving) -> None:
    body = {"metadata": [{"key": "acme-account", "value": "one"}]}
    request = client.issue(**body).json["certificateRequestId"]
    client.setting.configuration.put(client.identity.model_copy(update={"grants": ()}))
    response = client.decide("approve", request)
    assert response.status == 400 and "may no longer request certificates of the profile" in response.message


def test_repeated_request_returns_the_same_one(client: Approving) -> None:
    first, second = (client.issue(key="one").json["certificateRequestId"] for _ in range(2))
    assert first == second
    client.decide("reject", first, reason="no")
    again = client.issue(key="one")
    assert (again.json["status"], again.json["message"]) == ("rejected", "rejected by approver-0: no")


def test_key_compromised_meanwhile_is_not_signed(client: Approving) -> None:
    _, text = csr("dns:www.example.com", "EC_prime256v1")
    request = client.issue(csr=text).json["certificateRequestId"]
    record = client.setting.certificates.requests[request]
    client.setting.clock.now += DAY
    client.setting.certificates.compromised_keys.add(_public_key(record))
    assert client.decide("approve", request).json["status"] == "failed"
    assert client.signed == 0


def _public_key(record: RequestRecord) -> bytes:

    return public_bytes(public_key_of(record.csr))


@pytest.mark.parametrize(("renewals", "status"), [(True, "pending_approval"), (False, "issued")])
def test_unchanged_renewal_needs_approval_if_the_profile_says_so(renewals: bool, status: str) -> None:
    client = Approving(renewals=renewals)
    request = client.asked()
    client.decide("approve", request)
    name = client.status(request)["certificateId"]
    renewed = client.post(f"{CERTIFICATES}/{name}/renew").json
    assert client.status(renewed["certificateRequestId"])["status"] == status


def test_changed_renewal_needs_approval() -> None:
    client = Approving(renewals=False)
    request = client.asked()
    client.decide("approve", request)
    name = client.status(request)["certificateId"]
    body = {"attributes": {"altNames": [{"type": "dns_name", "value": "other.example.com"}]}}
    renewed = client.post(f"{CERTIFICATES}/{name}/renew", body).json
    assert client.status(renewed["certificateRequestId"])["status"] == "pending_approval"


def test_rejected_renewal_can_be_requested_again(client: Approving) -> None:
    request = client.asked()
    client.decide("approve", request)
    name = client.status(request)["certificateId"]
    first = client.post(f"{CERTIFICATES}/{name}/renew").json["certificateRequestId"]
    client.decide("reject", first)
    second = client.post(f"{CERTIFICATES}/{name}/renew").json["certificateRequestId"]
    assert first != second and client.status(second)["status"] == "pending_approval"


def test_each_state_is_announced_once(client: Approving) -> None:
    request, rejected, late = client.asked(), client.asked(), client.asked()
    for _ in range(2):
        list(client.notices.run())
    assert sorted(client.announced.events) == sorted((one, "requested", "") for one in (request, rejected, late))
    client.announced.events.clear()
    client.decide("approve", request)
    client.decide("reject", rejected, reason="no")
    list(client.notices.run())
    name = client.status(request)["certificateId"]
    assert sorted(client.announced.events) == sorted(
        [(request, "approved", f"certificate {name} issued"), (rejected, "rejected", "rejected by approver-0: no")]
    )
    client.setting.clock.now += 7 * DAY
    client.announced.events.clear()
    for _ in range(2):
        list(client.notices.run())
    ((found, state, message),) = client.announced.events
    assert (found, state) == (late, "ended") and "not approved before the deadline" in message
    assert client.status(late)["status"] == "failed"
    assert client.setting.certificates.due_notices == {}


def test_approved_request_is_signed_without_another_call(client: Approving) -> None:
    """The signer does not answer when the approval arrives, and the requester does not poll."""
    request = client.asked()
    client.setting.signer.trouble.append(Unavailable("the signer does not answer"))
    assert client.decide("approve", request).json["status"] == "pending"
    assert [(one.request, one.state) for one in client.notices.run()] == [(request, "approved")]
    assert client.setting.certificates.requests[request].status == "issued"


def test_outage_of_the_topic_is_tried_again(client: Approving) -> None:
    request = client.asked()
    client.announced.trouble = Unavailable("the topic does not answer")
    (notice,) = client.notices.run()
    assert notice.problem == "the topic does not answer" and list(client.notices.run()) == []
    client.announced.trouble = None
    client.setting.clock.now += timedelta(minutes=16)
    list(client.notices.run())
    assert client.announced.events == [(request, "requested", "")]


def test_renewal_of_anothers_certificate_waits_for_nothing() -> None:
    """Its request would hold up the renewal of the owner, who could not have it cancelled."""
    client = Approving()
    request = client.asked()
    client.decide("approve", request)
    path = f"{CERTIFICATES}/{client.status(request)['certificateId']}/renew"
    owner = client.as_another("request", "read-key", name="other")
    response = client.post(path)
    assert (response.status, response.json["details"][0]["action"]) == (403, "edit")
    assert list(client.setting.certificates.requests) == [request]
    client.token = owner
    assert client.post(path).json["certificateRequestId"]


def test_administrator_needs_approval_to_renew_anothers() -> None:
    """A renewal without changes needs none only if it is the owner's."""
    client = Approving(renewals=False)
    request = client.asked()
    client.decide("approve", request)
    path = f"{CERTIFICATES}/{client.status(request)['certificateId']}/renew"
    client.as_another("request", "read-key", "administer", name="administrator")
    renewed = client.post(path).json
    stored = client.setting.certificates.requests[renewed["certificateRequestId"]]
    assert (stored.status, stored.origin) == ("pending_approval", "api")
    assert client.decide("approve", stored.id).json["status"] == "issued"


@pytest.mark.parametrize("how", ["approved", "issued", "rejected"])
def test_decided_request_is_not_cancelled(client: Approving, how: str) -> None:
    request = client.asked()
    client.setting.signer.trouble = [Unavailable("busy")] * (2 if how == "approved" else 0)
    client.decide("reject" if how == "rejected" else "approve", request)
    answer = client.post(f"{REQUESTS}/{request}/cancel").json
    status = {"approved": "pending", "issued": "issued", "rejected": "rejected"}[how]
    assert (answer["status"], answer["cancelled"]) == (status, False)
    if how == "approved":
        assert client.status(request)["status"] == "issued"


def test_approval_while_the_requester_cancels_is_kept(client: Approving, monkeypatch: pytest.MonkeyPatch) -> None:
    request = client.asked()
    fail = client.setting.certificates.fail

    def meanwhile(*arguments: Any) -> None:
        monkeypatch.setattr(client.setting.certificates, "fail", fail)
        client.setting.front.approvals.approve(client.approvers[0], request, None)
        fail(*arguments)

    monkeypatch.setattr(client.setting.certificates, "fail", meanwhile)
    answer = client.post(f"{REQUESTS}/{request}/cancel").json
    assert (answer["status"], answer["cancelled"]) == ("issued", False)
    assert client.signed == 1
