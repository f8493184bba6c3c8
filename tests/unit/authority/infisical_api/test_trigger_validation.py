"""`trigger-validation`: the issuer function asks again for requests at which a person had to act."""

from __future__ import annotations

from datetime import timedelta

import pytest

from evercert.authority.contracts.external import Work
from evercert.errors import Unavailable
from tests.doubles.authority.client import REQUESTS, Client

WAITING = {"issuer_type": "external", "issuer": "outside", "cas": ()}
NOT_WAITING = "Certificate request is not waiting for validation"


@pytest.fixture
def client() -> Client:
    return Client()


def asked(client: Client, *, validating: bool) -> str:
    """Request a certificate of an external issuer, which waits."""
    client.setting.profile(**WAITING)
    request = str(client.issue().json["certificateRequestId"])
    work = client.setting.external
    work.save(Work(request, handle="handle", validating=validating), client.setting.clock() + timedelta(hours=1))
    client.setting.external.woken.clear()
    return request


def test_issuer_function_is_woken(client: Client) -> None:
    request = asked(client, validating=True)
    answer = client.post(f"{REQUESTS}/{request}/trigger-validation")
    assert (answer.status, answer.json) == (200, {"status": "pending_validation"})
    assert client.setting.external.woken == [request]
    assert client.setting.external.due(client.setting.clock(), 10) == [request]
    assert client.setting.external.stored[request].handle == "handle"  # the order at the issuer continues


def test_request_that_does_not_wait_is_refused(client: Client) -> None:
    request = asked(client, validating=False)
    answer = client.post(f"{REQUESTS}/{request}/trigger-validation")
    assert answer.status == 400 and NOT_WAITING in answer.message
    assert client.setting.external.woken == []


def test_request_of_a_ca_is_refused_and_not_signed(client: Client) -> None:
    client.setting.signer.trouble = [Unavailable("later")]
    request = client.issue().json["certificateRequestId"]
    answer = client.post(f"{REQUESTS}/{request}/trigger-validation")
    assert answer.status == 400 and NOT_WAITING in answer.message
    assert len(client.setting.ledger.intents) == 0 and client.setting.external.woken == []


def test_ended_request_is_refused(client: Client) -> None:
    request = asked(client, validating=True)
    client.setting.certificates.fail(client.setting.certificates.requests[request], "rejected by the issuer")
    answer = client.post(f"{REQUESTS}/{request}/trigger-validation")
    assert answer.status == 400 and client.setting.external.woken == []


def test_callers_without_permission_wake_nothing(client: Client) -> None:
    request = asked(client, validating=True)
    for permission, status in (("read-key", 403), ("approve", 403)):
        client.as_another(permission, name=permission)
        assert client.post(f"{REQUESTS}/{request}/trigger-validation").status == status
    client.as_another("request", profile="bank/other", name="stranger")
    assert client.post(f"{REQUESTS}/{request}/trigger-validation").status == 404
    assert client.setting.external.woken == []


def test_outage_of_the_queue_is_reported(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    request = asked(client, validating=True)

    def hasten(*_: object) -> None:
        raise Unavailable("the queue does not answer")

    monkeypatch.setattr(client.setting.external, "hasten", hasten)
    assert client.post(f"{REQUESTS}/{request}/trigger-validation").status == 503
