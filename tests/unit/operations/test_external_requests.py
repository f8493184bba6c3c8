"""Requests of the authority at an external issuer: from the call of a client to the certificate."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509

from evercert.authority.ca.definition import Ceiling
from evercert.authority.contracts.records import RequestRecord
from evercert.contracts.issuer import Issued, OpenIssuer, PendingAnswer, Request
from evercert.errors import Unavailable
from evercert.operations.external_requests import LONGEST
from evercert.pki.attributes import Attributes
from evercert.pki.csr_parser import public_key_of
from evercert.pki.keys import PrivateKey, public_bytes
from tests.doubles.authority.client import CERTIFICATES, REQUESTS, Client, csr
from tests.doubles.authority.outside import NARROW, Outside
from tests.doubles.scripted_ca import ScriptedIssuer


class Waiting(ScriptedIssuer):
    """The issuer; `step` changes what one call does."""

    step: str = ""

    def issue(self, request: Request) -> Issued | PendingAnswer:
        self.requests.append(request)
        step, self.step = self.step, ""
        if step == "person":
            return PendingAnswer("h", request.now + timedelta(minutes=5), request.now + timedelta(days=1), "a payment")
        if step == "soon":
            later = request.now + timedelta(seconds=1)
            return PendingAnswer("h", later, request.now + timedelta(days=1), pause=timedelta(seconds=1))
        found = super().issue(request)
        if step == "die after":
            raise SystemExit
        return found

    @property
    def requests(self) -> list[Request]:
        found: list[Request] = self.__dict__.setdefault("asked", [])
        return found


class External(Client):
    """A client with a profile of an external issuer."""

    def __init__(self, *script: str, ceiling: Ceiling | None = NARROW, **setting: Any) -> None:
        super().__init__("request", "read-key", **setting)
        changes = {"issuer_type": "external", "issuer": "outside", "cas": ()}
        self.profile = self.profile.model_copy(update=changes)
        self.setting.configuration.put(self.profile)
        self.outside = Outside(self.setting, *script, ceiling=ceiling, kind=Waiting)
        self.ca, self.issuers, self.ceilings = self.outside.ca, self.outside.issuers, self.outside.ceilings
        assert isinstance(self.outside.issuer, Waiting)
        self.issuer = self.outside.issuer
        self.external = self.setting.external
        self.fulfillment = self.outside.fulfillment

    def asked(self, attributes: dict[str, Any] | None = None, **body: Any) -> str:
        response = self.issue(attributes, **body)
        assert response.status == 200 and response.json["certificate"] is None, response.body
        assert response.json["status"] == "pending"
        return str(response.json["certificateRequestId"])

    def run(self, request: str) -> str:
        return self.fulfillment.run(request).outcome

    def status(self, request: str) -> dict[str, Any]:
        self.token = self.setting.token(self.identity)
        return dict(self.get(f"{REQUESTS}/{request}").json)

    def record(self, request: str) -> RequestRecord:
        return self.setting.certificates.requests[request]


def test_issuer_outside_fulfills_a_request() -> None:
    client = External()
    request = client.asked()
    assert client.external.woken == [request]
    assert client.status(request)["pendingMessage"] == "Waiting for issuer outside"
    assert client.run(request) == "issued"
    found = client.status(request)
    leaf = x509.load_pem_x509_certificate(found["certificate"].encode())
    key = PrivateKey.from_pem(found["privateKey"])
    assert leaf.public_key() == key.public_key and found["status"] == "issued"
    shown = client.get(f"{CERTIFICATES}/{found['certificateId']}").json["certificate"]
    assert (shown["caType"], shown["caName"], shown["altNames"]) == ("external", "outside", "www.example.com")
    bundle = client.get(f"{CERTIFICATES}/{found['certificateId']}/bundle").json
    assert bundle["certificateChain"].count("BEGIN CERTIFICATE") == 1
    assert client.setting.ledger.intents == {} and client.external.stored == {}


def test_csr_of_the_client_is_passed_on() -> None:
    client = External()
    key = PrivateKey.generate("EC_prime256v1")
    wanted = {"alt-names": ["www.example.com"], "common-name": "www.example.com", "key-usages": ["digital_signature"]}
    text = key.sign_csr(Attributes.model_validate({**wanted, "extended-key-usages": ["server_auth"]}))
    request = client.asked(csr=text)
    assert client.run(request) == "issued"
    leaf = x509.load_pem_x509_certificate(client.status(request)["certificate"].encode())
    assert leaf.public_key() == key.public_key


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"key-usages": ["digital_signature", "data_encipherment"]}, "it has the usages data_encipherment"),
        ({"extended-key-usages": ["code_signing"]}, "it has the usages code_signing"),
        ({"organization": "Another"}, "its organization is not that of the request"),
    ],
)
def test_csr_that_asks_for_more_than_the_request_is_not_sent(more: dict[str, Any], message: str) -> None:
    client = External()
    request = client.asked()
    wanted = {"alt-names": ["www.example.com"], "common-name": "www.example.com", **more}
    text = PrivateKey.generate("EC_prime256v1").sign_csr(Attributes.model_validate(wanted))
    stored = client.record(request)
    client.setting.certificates.requests[request] = stored.__class__(**{**stored.__dict__, "csr": text})
    assert client.run(request) == "failed"
    assert message in client.status(request)["errorMessage"] and client.ca.asked == []


def test_request_that_was_approved_late_has_its_week() -> None:
    client = External()
    request = client.asked()
    stored, now = client.record(request), client.setting.clock()
    old = {"created_at": now - timedelta(days=8), "approved_at": now - timedelta(days=1)}
    client.setting.certificates.requests[request] = stored.__class__(**{**stored.__dict__, **old})
    assert client.run(request) == "issued"


def test_csr_with_other_names_is_refused() -> None:
    client = External()
    _, text = csr("dns:other.example.com", "EC_prime256v1")
    response = client.issue(csr=text)
    assert response.status == 400 and "altNames: the CSR has another value" in response.message


def test_certificate_renews_and_is_not_revoked_here() -> None:
    client = External()
    request = client.asked()
    client.run(request)
    name = client.status(request)["certificateId"]
    renewed = client.post(f"{CERTIFICATES}/{name}/renew").json
    assert renewed["certificate"] == ""
    assert client.run(renewed["certificateRequestId"]) == "issued"
    assert client.get(f"{CERTIFICATES}/{name}").json["certificate"]["latestRenewalCertificateId"]
    response = client.post(f"{CERTIFICATES}/{name}/revoke", {"revocationReason": "SUPERSEDED"})
    assert response.status == 400 and "revoke it there" in response.message


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dns": ("*.example.org",)}, "dns"),
        ({"longest": timedelta(days=1)}, "validity of"),
        ({"key_algorithms": ("RSA_4096",)}, "key algorithm"),
        ({"extended_key_usages": ("client_auth",)}, "server_auth"),
    ],
)
def test_request_beyond_the_ceiling_is_never_sent(changes: dict[str, Any], message: str) -> None:
    client = External(ceiling=NARROW.model_copy(update=changes))
    request = client.asked()
    assert client.run(request) == "failed"
    found = client.status(request)
    assert found["status"] == "failed" and message in found["errorMessage"], found
    assert client.ca.asked == []


def test_issuer_without_a_ceiling_is_closed() -> None:
    client = External(ceiling=None)
    request = client.asked()
    assert client.run(request) == "failed"
    assert "closed to profiles" in client.status(request)["errorMessage"]
    assert client.ca.asked == []


def test_csr_that_the_front_exchanged_is_not_sent() -> None:
    """A compromised front stores a leaf within the ceiling, and a CSR for another name."""
    client = External()
    request = client.asked()
    evil = PrivateKey.generate("EC_prime256v1").sign_csr(Attributes.model_validate({"alt-names": ["evil.example.org"]}))
    stored = client.record(request)
    client.setting.certificates.requests[request] = stored.__class__(**{**stored.__dict__, "csr": evil})
    assert client.run(request) == "failed"
    assert "the CSR: it must have exactly the names" in client.status(request)["errorMessage"] and client.ca.asked == []


@pytest.mark.parametrize("again", [False, True], ids=["first run", "after an outage"])
def test_key_that_was_revoked_as_compromised_is_not_sent(again: bool) -> None:
    """The request was stored before; the key leaked while it waited for the issuer."""
    client = External(*["unavailable"] * again)
    request = client.asked(csr=csr("dns:www.example.com", "EC_prime256v1")[1])
    if again:
        assert client.run(request) == "unavailable"
        client.setting.clock.advance(minutes=2)
    asked = len(client.ca.asked)
    key = public_bytes(public_key_of(client.record(request).csr))
    client.setting.certificates.compromised_keys.add(key)
    assert client.run(request) == "failed"
    found = client.status(request)
    assert (found["status"], len(client.ca.asked)) == ("failed", asked)
    assert "the key was revoked as compromised" in found["errorMessage"]
    assert client.setting.certificates.certificates == {} == client.external.stored


@pytest.mark.parametrize("step", ["wrong-key", "wrong-name", "expired"])
def test_another_certificate_than_requested_is_not_stored(step: str) -> None:
    client = External(step)
    request = client.asked()
    assert client.run(request) == "failed"
    assert "issued another certificate" in client.status(request)["errorMessage"]
    assert client.setting.certificates.certificates == {}


@pytest.mark.parametrize(("step", "outcome"), [("reject", "failed"), ("unavailable", "unavailable")])
def test_answers_of_the_issuer(step: str, outcome: str) -> None:
    client = External(step)
    request = client.asked()
    assert client.run(request) == outcome
    found = client.status(request)
    if outcome == "failed":
        assert found["status"] == "failed" and "policy says no" in found["errorMessage"]
    else:
        assert found["status"] == "pending" and "busy" in found["pendingMessage"]
        assert client.external.due(client.setting.clock(), 10) == []
        client.setting.clock.advance(seconds=61)
        assert client.external.due(client.setting.clock(), 10) == [request]
        assert client.run(request) == "issued"


def test_order_in_progress_is_polled() -> None:
    client = External("pending")
    request = client.asked()
    assert client.run(request) == "pending"
    client.setting.clock.advance(minutes=3)
    assert client.run(request) == "issued"
    first, second = client.issuer.requests
    assert (first.handle, second.handle, first.token == second.token) == (None, f"handle-{first.token}", True)


def test_short_pauses_stay_within_a_run() -> None:
    client = External()
    client.issuer.step = "soon"
    assert client.run(client.asked()) == "issued"
    assert len(client.issuer.requests) == 2


def test_step_of_a_person_is_shown() -> None:
    client = External()
    client.issuer.step = "person"
    request = client.asked()
    assert client.run(request) == "pending"
    found = client.status(request)
    assert (found["status"], found["pendingMessage"]) == ("pending_validation", "waiting for a payment")
    client.setting.clock.advance(minutes=6)
    assert client.run(request) == "issued"


def test_crash_after_the_issuer_answered_asks_for_the_same() -> None:
    client = External()
    client.issuer.step = "die after"
    request = client.asked()
    with pytest.raises(SystemExit):
        client.run(request)
    assert client.run(request) == "ended"  # reserved by the run that died
    client.setting.clock.advance(minutes=6)
    assert client.external.due(client.setting.clock(), 10) == [request]
    assert client.run(request) == "issued"
    first, second = client.issuer.requests
    assert (first.asked_before, second.asked_before, first.token) == (False, True, second.token)
    assert len(client.ca.issued) == 1


@pytest.mark.parametrize("method", ["finish", "fail"])
def test_crash_at_the_end_is_completed(monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    client = External() if method == "finish" else External("reject", "reject")
    request = client.asked()
    done = getattr(client.setting.certificates, method)

    def die(*arguments: Any) -> None:
        monkeypatch.setattr(client.setting.certificates, method, done)
        done(*arguments)
        raise SystemExit

    monkeypatch.setattr(client.setting.certificates, method, die)
    with pytest.raises(SystemExit):
        client.run(request)
    client.setting.clock.advance(minutes=6)
    assert client.run(request) == "ended"
    assert client.status(request)["status"] == ("issued" if method == "finish" else "failed")
    assert client.external.stored == {}
    assert len(client.setting.certificates.certificates) == (method == "finish")


def test_late_message_begins_nothing() -> None:
    client = External()
    request = client.asked()
    client.run(request)
    asked = len(client.ca.asked)
    assert client.run(request) == "ended"
    client.status(request)
    assert client.run("unknown") == "ended" and len(client.ca.asked) == asked


def test_request_ends_after_a_week() -> None:
    client = External(*["unavailable"] * 3)
    request = client.asked()
    client.run(request)
    client.setting.clock.now += LONGEST
    assert client.run(request) == "failed"
    assert "within 7 days" in client.status(request)["errorMessage"]


def test_paused_issuer_is_not_asked() -> None:
    client = External()
    client.issuers.known["outside"] = OpenIssuer(client.issuer, "hash", paused=True)  # type: ignore[arg-type]
    request = client.asked()
    assert client.run(request) == "unavailable" and client.ca.asked == []


def test_private_key_stays_with_the_authority() -> None:
    client = External()
    request = client.asked()
    client.run(request)
    assert "PRIVATE" not in json.dumps([one.csr for one in client.issuer.requests])


def test_unavailable_definition_is_tried_again() -> None:
    client = External()
    client.issuers.error = Unavailable("the table does not answer")
    request = client.asked()
    assert client.run(request) == "unavailable"
    client.issuers.error = None
    client.setting.clock.advance(minutes=2)
    assert client.run(request) == "issued"
