"""Automatic renewal: what is due, what fails, and what a crash leaves."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from evercert.authority.configuration.approval_options import ApprovalOptions
from evercert.authority.configuration.profiles import Application
from evercert.authority.contracts.records import CertificateRecord
from evercert.authority.registration.approvers import Approver
from evercert.authority.registration.auto_renewal import AutoRenewal
from evercert.authority.registration.renewal_schedule import next_attempt, renewal_time
from evercert.errors import Misconfigured, OutOfTime, Unavailable
from tests.doubles.authority.client import CERTIFICATES, Client, csr

DAY = timedelta(days=1)
EC = {"keyAlgorithm": "EC_prime256v1"}


@dataclass
class FakeAnnouncer:
    said: list[tuple[str, str, datetime | None]] = field(default_factory=list)
    trouble: list[Exception] = field(default_factory=list)

    def failed(self, record: CertificateRecord, error: str, next_attempt: datetime | None) -> None:
        if self.trouble:
            raise self.trouble.pop(0)
        self.said.append((record.id, error, next_attempt))


class Renewed(Client):
    """A client whose profile renews by itself, and the renewal function."""

    def __init__(self, days: int = 7, **setting: Any) -> None:
        super().__init__("request", "read-key", **setting)
        self.profile = self.setting.profile(api={"auto-renew": True, "renew-before-days": days})
        self.announcer = FakeAnnouncer()
        front = self.setting.front
        self.renewal = AutoRenewal(self.setting.certificates, front.renewals, self.announcer, self.setting.clock)

    def later(self, **span: int) -> None:
        """Let time pass, and log in again."""
        self.setting.clock.advance(**span)
        self.token = self.setting.token(self.identity)

    def run(self) -> list[tuple[str, str]]:
        return [(one.certificate, one.outcome) for one in self.renewal.run()]

    def record(self, name: str) -> CertificateRecord:
        found = self.setting.certificates.certificate(name)
        assert found is not None
        return found

    def new(self, **attributes: Any) -> str:
        return str(self.issued({**EC, **attributes})["certificateId"])


@pytest.fixture
def client() -> Renewed:
    return Renewed()


def test_due_certificate_is_renewed_with_a_new_key(client: Renewed) -> None:
    name = client.new(ttl="30d")
    client.later(days=22)
    assert client.run() == []
    client.later(days=1)
    assert client.run() == [(name, "renewed")]
    old = client.record(name)
    assert old.renewed_by is not None and old.due_at is None
    new = client.record(old.renewed_by)
    assert new.signed.public_key() != old.signed.public_key()
    assert (new.leaf.names, new.lifetime, new.renew_before_days) == (old.leaf.names, old.lifetime, 7)
    found = client.get(f"{CERTIFICATES}/{name}").json["certificate"]
    assert found["latestRenewalCertificateId"] == new.id
    assert client.get(f"{CERTIFICATES}/{new.id}/bundle").json["privateKey"].startswith("-----BEGIN")
    assert client.run() == []


def test_renewed_certificate_is_renewed_again(client: Renewed) -> None:
    name = client.new(ttl="30d")
    for _ in range(3):
        client.later(days=24)
        assert client.run() == [(name, "renewed")]
        name = client.record(name).renewed_by or ""


def test_certificate_of_an_hour_is_renewed() -> None:
    client = Renewed()
    name = client.new(ttl="1h")
    client.later(minutes=35)
    assert client.run() == []
    client.later(minutes=10)
    assert client.run() == [(name, "renewed")]


@pytest.mark.parametrize(
    ("lifetime", "days", "before"),
    [
        (30 * DAY, 7, 7 * DAY),
        (30 * DAY, 20, 20 * DAY),
        (30 * DAY, 21, 10 * DAY),
        (8 * DAY, 7, 8 * DAY / 3),
        (timedelta(hours=1), 1, timedelta(minutes=20)),
        (DAY, 1, timedelta(hours=8)),
    ],
)
def test_renewal_time_leaves_a_third(client: Renewed, lifetime: timedelta, days: int, before: timedelta) -> None:
    now = client.setting.now()
    assert now + lifetime - renewal_time(now, now + lifetime, days) == before


@pytest.mark.parametrize(
    ("left", "pause"),
    [(7 * DAY, 7 * DAY / 8), (30 * DAY, DAY), (timedelta(minutes=20), timedelta(minutes=5)), (timedelta(0), None)],
)
def test_pause_leaves_attempts(client: Renewed, left: timedelta, pause: timedelta | None) -> None:
    now = client.setting.now()
    found = next_attempt(now, now + left)
    assert (None if found is None else found - now) == pause


def test_csr_and_other_profiles_are_not_renewed(client: Renewed) -> None:
    _, text = csr("dns:www.example.com", "EC_prime256v1")
    client.issued(csr=text)
    client.setting.profile()
    client.new()
    client.later(days=89)
    assert client.run() == []


def test_revoked_certificate_is_not_renewed(client: Renewed) -> None:
    name = client.new(ttl="30d")
    client.post(f"{CERTIFICATES}/{name}/revoke", {"revocationReason": "SUPERSEDED"})
    client.later(days=25)
    assert client.run() == []


def test_certificate_that_its_client_renewed_is_not_renewed(client: Renewed) -> None:
    name = client.new(ttl="30d")
    client.later(days=25)
    assert client.post(f"{CERTIFICATES}/{name}/renew").status == 200
    assert client.run() == []


def test_soonest_expiry_comes_first(client: Renewed) -> None:
    names = [client.new(ttl=ttl) for ttl in ("32d", "30d", "31d")]
    client.later(days=27)
    assert [name for name, _ in client.run()] == [names[1], names[2], names[0]]


def test_refused_renewal_is_announced_once_and_tried_again(client: Renewed) -> None:
    name = client.new(ttl="30d")
    client.setting.profile(api={"auto-renew": True, "renew-before-days": 7}, policy={"validity": {"max": "1d"}})
    client.later(days=23)
    assert client.run() == [(name, "failed")]
    found = client.get(f"{CERTIFICATES}/{name}").json["certificate"]
    assert "Requested validity period exceeds" in found["renewalError"] and found["renewBeforeDays"] == 7
    assert client.run() == []
    client.later(days=1)
    assert client.run() == [(name, "failed")]
    assert [said[0] for said in client.announcer.said] == [name]
    client.setting.profile(api={"auto-renew": True, "renew-before-days": 7})
    client.later(days=1)
    assert client.run() == [(name, "renewed")]
    assert client.record(name).renewal_error is None


def test_expired_certificate_ends_with_a_last_announcement(client: Renewed) -> None:
    name = client.new(ttl="30d")
    client.later(days=31)
    assert client.run() == [(name, "failed")]
    assert client.announcer.said == [(name, "the certificate expired before it was renewed: request a new one", None)]
    client.later(days=31)
    assert client.run() == []


@pytest.mark.parametrize("change", ["deleted", "without permission", "without read-key", "without request"])
def test_identity_without_permission_gets_no_renewal(client: Renewed, change: str) -> None:
    name = client.new(ttl="30d")
    if change == "deleted":
        client.setting.configuration.remove(client.identity)
    else:
        kept = {"without read-key": ["request"], "without request": ["read-key"]}.get(change)
        grants = () if kept is None else ({"profile": "*", "permissions": kept},)
        client.setting.configuration.put(
            type(client.identity).model_validate(
                {"id": client.identity.id, "name": client.identity.name, "grants": grants}
            )
        )
    client.later(days=25)
    assert client.run() == [(name, "failed")]
    assert client.record(name).renewed_by is None


def test_outage_of_the_signer_leaves_the_certificate_due(client: Renewed) -> None:
    names = [client.new(ttl="30d") for _ in range(5)]
    client.later(days=25)
    client.setting.signer.trouble = [Unavailable("later")] * 3
    assert [outcome for _, outcome in client.run()] == ["unavailable"] * 3
    assert client.announcer.said == []
    first = client.run()
    assert [outcome for _, outcome in first] == ["renewed"] * 2  # the others get their turn
    client.later(minutes=15)
    assert sorted(first + client.run()) == sorted((name, "renewed") for name in names)


def test_outage_does_not_cost_a_short_certificate_its_renewal() -> None:
    client = Renewed()
    name = client.new(ttl="40m")
    client.later(minutes=30)
    client.setting.signer.trouble = [Unavailable("later")]
    assert client.run() == [(name, "unavailable")]
    client.later(minutes=5)
    assert client.run() == [(name, "renewed")]


@pytest.mark.parametrize("days", [25, 31], ids=["due", "expired"])
def test_failure_is_announced_after_an_outage_of_the_topic(client: Renewed, days: int) -> None:
    name = client.new(ttl="30d")
    client.setting.configuration.remove(client.identity)
    client.later(days=days)
    client.announcer.trouble = [Unavailable("no topic")]
    for _ in range(2):
        assert client.run() == [(name, "failed")]
        client.later(minutes=15)
    assert len(client.announcer.said) == 1


def test_outage_of_the_topic_does_not_stop_the_others(client: Renewed) -> None:
    names = [client.new(ttl="30d") for _ in range(5)]
    client.setting.configuration.remove(client.identity)
    client.later(days=25)
    client.announcer.trouble = [Unavailable("no topic")] * 9
    assert len(client.run()) == len(names)


def test_index_that_is_behind_renews_nothing(client: Renewed, monkeypatch: pytest.MonkeyPatch) -> None:
    name = client.new(ttl="30d")
    client.later(days=25)
    stale = client.setting.certificates.due(client.setting.now(), 10)
    client.setting.signer.trouble = [Unavailable("later")]
    assert client.run() == [(name, "unavailable")]
    monkeypatch.setattr(client.setting.certificates, "due", lambda *_: stale)
    assert client.run() == [(name, "ended")]


@pytest.mark.parametrize("off", ["acme", "application", "detached"])
def test_renewal_respects_the_enrollment(client: Renewed, off: str) -> None:
    issued = client.issued({**EC, "ttl": "30d"}, applicationId=client.application.id)["certificateId"]
    if off == "acme":
        client.setting.profile(enrollment="acme")
    else:
        change = {"enrollment": {"tls-server": {}}} if off == "application" else {"profiles": []}
        values = {**client.application.model_dump(by_alias=True), **change}
        client.setting.configuration.put(Application.model_validate(values))
    client.later(days=25)
    assert client.run() == [(issued, "failed")]
    assert client.post(f"{CERTIFICATES}/{issued}/renew").status in {400, 403}


def test_certificate_of_a_deleted_application_is_renewed(client: Renewed) -> None:
    issued = client.issued({**EC, "ttl": "30d"}, applicationId=client.application.id)["certificateId"]
    client.setting.configuration.remove(client.application)
    client.later(days=25)
    assert client.run() == [(issued, "renewed")]


@pytest.mark.parametrize("error", [Misconfigured("cannot be read"), ValueError("a bug")], ids=["spoiled", "bug"])
def test_one_certificate_does_not_stop_the_others(
    client: Renewed, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    spoiled, other = client.new(ttl="30d"), client.new(ttl="31d")
    client.later(days=25)
    read = client.setting.certificates.certificate

    def certificate(name: str) -> CertificateRecord | None:
        if name == spoiled:
            raise error
        return read(name)

    monkeypatch.setattr(client.setting.certificates, "certificate", certificate)
    assert client.run() == [(spoiled, "failed"), (other, "renewed")]


def test_run_ends_with_the_time_of_the_invocation(client: Renewed) -> None:
    for _ in range(3):
        client.new(ttl="30d")
    client.later(days=25)
    client.setting.signer.trouble = [OutOfTime("no time left")]
    assert client.run() == []
    assert [outcome for _, outcome in client.run()] == ["renewed"] * 3


def test_auto_renewal_resumes_after_crash(client: Renewed, monkeypatch: pytest.MonkeyPatch) -> None:
    name = client.new(ttl="30d")
    client.later(days=25)
    finish = client.setting.certificates.finish
    monkeypatch.setattr(client.setting.certificates, "finish", lambda *_: (_ for _ in ()).throw(SystemExit))
    with pytest.raises(SystemExit):
        client.run()
    monkeypatch.setattr(client.setting.certificates, "finish", finish)
    signed = len(client.setting.ledger.intents)
    assert client.run() == [(name, "renewed")]
    assert len(client.setting.ledger.intents) == signed


def test_application_settings_take_precedence(client: Renewed) -> None:
    settings = {"tls-server": {"api": {"auto-renew": True, "renew-before-days": 3}}}
    application = Application.model_validate({**client.application.model_dump(by_alias=True), "enrollment": settings})
    client.setting.configuration.put(application)
    issued = client.issued({**EC, "ttl": "30d"}, applicationId=application.id)
    assert client.record(issued["certificateId"]).renew_before_days == 3


@pytest.mark.parametrize(
    ("body", "days"),
    [({"renewBeforeDays": 3}, 3), ({"enableAutoRenewal": True}, 7), ({"enableAutoRenewal": False}, None)],
)
def test_config_changes_one_certificate(client: Renewed, body: dict[str, Any], days: int | None) -> None:
    name = client.new(ttl="30d")
    answer = client.call("PATCH", f"{CERTIFICATES}/{name}/config", body)
    assert answer.status == 200 and answer.json.get("renewBeforeDays") == days
    record = client.record(name)
    assert record.renew_before_days == days
    assert record.due_at == (None if days is None else record.not_after - days * DAY)


def test_config_starts_the_renewal_of_a_certificate(client: Renewed) -> None:
    client.setting.profile()
    name = client.new(ttl="30d")
    assert client.call("PATCH", f"{CERTIFICATES}/{name}/config", {"renewBeforeDays": 5}).status == 200
    client.later(days=26)
    assert client.run() == [(name, "renewed")]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ({"renewBeforeDays": 31}, 422),
        ({"renewBeforeDays": 3, "enableAutoRenewal": False}, 422),
        ({"renewBeforeDays": "3"}, 422),
    ],
)
def test_invalid_config_is_refused(client: Renewed, body: dict[str, Any], status: int) -> None:
    assert client.call("PATCH", f"{CERTIFICATES}/{client.new()}/config", body).status == status


def test_config_needs_a_key_of_the_authority(client: Renewed) -> None:
    _, text = csr("dns:www.example.com", "EC_prime256v1")
    name = client.issued(csr=text)["certificateId"]
    response = client.call("PATCH", f"{CERTIFICATES}/{name}/config", {"renewBeforeDays": 3})
    assert response.status == 400 and "does not have its private key" in response.message


def test_self_signed_certificate_is_renewed_by_request_only(client: Renewed) -> None:
    client.setting.profile(**{"issuer-type": "self-signed", "cas": [], "api": client.profile.api})
    name = client.new(ttl="30d")
    assert client.record(name).renew_before_days is None
    response = client.call("PATCH", f"{CERTIFICATES}/{name}/config", {"renewBeforeDays": 3})
    assert response.status == 400 and "self-signed certificates are renewed by request only" in response.message


def test_config_of_a_renewed_certificate_is_refused(client: Renewed) -> None:
    name = client.new()
    client.post(f"{CERTIFICATES}/{name}/renew")
    for body in ({"renewBeforeDays": 3}, {"enableAutoRenewal": True}):
        assert client.call("PATCH", f"{CERTIFICATES}/{name}/config", body).status == 400
    assert client.call("PATCH", f"{CERTIFICATES}/{name}/config", {"enableAutoRenewal": False}).status == 200


def test_config_of_another_identity_is_refused(client: Renewed) -> None:
    name = client.new()
    client.as_another("request", "read-key")
    assert client.call("PATCH", f"{CERTIFICATES}/{name}/config", {"renewBeforeDays": 3}).status == 403
    client.as_another("request", "administer")
    assert client.call("PATCH", f"{CERTIFICATES}/{name}/config", {"renewBeforeDays": 3}).status == 200


def test_rejected_renewal_is_announced_and_requested_again(client: Renewed) -> None:
    name, setting = client.new(ttl="30d"), client.setting
    setting.configuration.put(client.profile.model_copy(update={"approval": ApprovalOptions()}))
    client.later(days=23)
    assert client.run() == [(name, "waiting")]
    first = (client.record(name).renewal_error or "").rpartition(" ")[2]
    decisions = setting.decisions()
    decisions.reject(Approver("operator", "operator"), first, "no")
    client.later(days=1)
    assert client.run() == [(name, "failed")]
    ((_, told, _),) = client.announcer.said
    assert told == client.record(name).renewal_error == "rejected by operator: no"
    client.later(days=1)
    assert client.run() == [(name, "waiting")]
    assert client.record(name).renewal_error != f"waits for an approval: request {first}"


def test_automatic_renewal_is_announced_after_a_refused_call() -> None:
    client = Renewed()
    name = client.new(ttl="30d")
    client.setting.profile(policy={"validity": {"max": "1d"}}, api={"auto-renew": True, "renew-before-days": 7})
    assert client.post(f"{CERTIFICATES}/{name}/renew").status == 400
    client.later(days=24)
    assert client.run() == [(name, "failed")] and len(client.announcer.said) == 1
