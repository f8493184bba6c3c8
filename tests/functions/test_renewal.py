"""The renewal function with its tables, topic and seal: a due certificate, and one that cannot be renewed."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any

import pytest

from evercert.authority.configuration.approval_options import ApprovalOptions
from evercert.authority.contracts.records import CertificateRecord
from evercert.authority.infisical_api.services import Services
from evercert.authority.registration.approvals import ApprovalDecisions
from evercert.authority.registration.approvers import Approver
from evercert.aws.authority import certificate_items, signer_client
from evercert.aws.authority.certificates import DynamoDBCertificates
from evercert.aws.authority.configuration_writer import ConfigurationWriter
from evercert.aws.authority.private_key_seal import KMSKeySeal
from evercert.errors import Unavailable
from evercert.timestamps import to_text
from tests.doubles.authority.authority import Setting
from tests.doubles.authority.client import NAMES, USAGES
from tests.doubles.read_meter import ReadMeter
from tests.doubles.world import World


class Renewal:
    """The function, and certificates that the front issued into its tables."""

    def __init__(self, world: World, function: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch) -> None:
        self.world = world
        self.setting = setting = Setting(lambda: datetime.now(UTC))
        configuration = world.authority_table("AuthorityConfigurationTable")
        table, audit = (world.authority_table(name) for name in ("AuthorityTable", "AuthorityAuditTable"))
        values = {
            "AUTHORITY_CONFIGURATION": configuration,
            "AUTHORITY_TABLE": table,
            "AUDIT_TABLE": audit,
            "AUTHORITY_SEAL_KEY": world.authority_seal_key,
            "SIGNER_FUNCTION": "signer",
            "DATA_STACK_NAME": "world",
        }
        for name, value in values.items():
            monkeypatch.setenv(name, value)
        self.identity, _ = setting.identity("request", "read-key")
        self.profile = setting.profile(api={"auto-renew": True, "renew-before-days": 7})
        self.writer = ConfigurationWriter(world.operator.dynamodb, configuration)
        self.writer.write(*setting.cas.values(), self.profile, self.identity)
        self.certificates = DynamoDBCertificates(world.operator.dynamodb, table, audit)
        seal = KMSKeySeal(world.operator.kms, world.authority_seal_key, "world")
        self.front = Services(setting.ports(certificates=self.certificates, seal=seal))
        monkeypatch.setattr(signer_client, "SignerFunction", lambda *_: setting.signer)
        self.module = function("renewal")

    def due(self) -> CertificateRecord:
        """Issue a certificate whose renewal is due."""
        attributes = {**NAMES, **USAGES, "ttl": "30d", "keyAlgorithm": "EC_prime256v1"}
        body = {"profileId": self.profile.id, "attributes": attributes}
        name = self.front.enrollment.issue(self.identity, body)["certificate"]["certificateId"]
        self.front.renewal_settings.change(self.identity, name, {"renewBeforeDays": 7})
        self.world.operator.dynamodb.update_item(
            TableName=self.certificates._table,
            Key=certificate_items.key("certificate", name),
            UpdateExpression="SET due_at = :past",
            ExpressionAttributeValues={":past": {"S": to_text(datetime.now(UTC) - timedelta(minutes=1))}},
        )
        found = self.certificates.certificate(name)
        assert found is not None
        return found

    def now(self, record: CertificateRecord) -> CertificateRecord:
        found = self.certificates.certificate(record.id)
        assert found is not None
        return found


@pytest.fixture
def renewal(
    world: World,
    environment: dict[str, str],
    function: Callable[[str], ModuleType],
    monkeypatch: pytest.MonkeyPatch,
) -> Renewal:
    return Renewal(world, function, monkeypatch)


def test_renewal_renews_due_certificates(renewal: Renewal, context: Any) -> None:
    record = renewal.due()
    assert renewal.module.handler({}, context) == {"renewed": 1}
    old = renewal.now(record)
    new = renewal.certificates.certificate(old.renewed_by or "")
    assert new is not None and new.due_at is not None and new.due_at > datetime.now(UTC) + timedelta(days=20)
    assert renewal.module.handler({}, context) == {}


def test_renewals_read_the_cas_of_a_profile_in_one_batch(renewal: Renewal, context: Any) -> None:
    assert len(renewal.profile.cas) == 2
    for _ in range(2):  # the first lists all CAs
        renewal.due()
    with ReadMeter(renewal.module._wired()[2]._client) as meter:
        assert renewal.module.handler({}, context) == {"renewed": 2}
    assert meter.calls["BatchGetItem"] == 1


def test_renewal_announces_failed_certificates(renewal: Renewal, context: Any) -> None:
    record = renewal.due()
    renewal.writer.identity(renewal.identity.id)
    renewal.writer.remove(renewal.identity)
    assert renewal.module.handler({}, context) == {"failed": 1}
    (event,) = [one for one in renewal.world.events() if one["type"] == "authority.renewal-failed"]
    assert (event["subject"], event["data"]["certificate_id"]) == ("www.example.com", record.id)
    assert (
        event["data"]["message"]
        == "the identity that requested the certificate was deleted: renew it with another identity"
    )
    assert renewal.now(record).renewal_error == event["data"]["message"]
    assert json.dumps(event).count("PRIVATE") == 0


def test_function_fails_as_a_whole_during_an_outage(renewal: Renewal, context: Any) -> None:
    record = renewal.due()
    renewal.setting.signer.trouble = [Unavailable("later")]
    with pytest.raises(Unavailable):
        renewal.module.handler({}, context)
    assert renewal.now(record).renewal_error is None
    assert renewal.now(record).due_at > record.due_at


def test_outage_of_the_queue_stops_no_renewal(renewal: Renewal, context: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    record = renewal.due()

    def busy(*_: Any) -> None:
        raise Unavailable("the queue does not answer")

    monkeypatch.setattr(renewal.module.DynamoDBExternalRequests, "wake", busy)  # type: ignore[attr-defined]
    assert renewal.module.handler({}, context) == {"unavailable": 1, "renewed": 1}
    assert renewal.now(record).renewed_by is not None


def test_function_announces_requests_that_wait_for_approval(renewal: Renewal, context: Any) -> None:
    record = renewal.due()
    profile = renewal.writer.profile(record.profile)
    assert profile is not None
    renewal.writer.write(profile.model_copy(update={"approval": ApprovalOptions()}))
    assert renewal.module.handler({}, context) == {"waiting": 1}
    assert renewal.module.handler({}, context) == {"approval requested": 1}
    assert renewal.module.handler({}, context) == {}
    (event,) = [one for one in renewal.world.events() if one["type"] == "authority.approval-requested"]
    (waiting,) = renewal.certificates.waiting(10)
    assert (event["data"]["request"], event["data"]["identity"]) == (waiting.request, renewal.identity.id)
    assert (event["subject"], event["data"]["names"]) == ("www.example.com", ["dns:www.example.com"])
    requesters = renewal.setting.acme_requesters
    decisions = ApprovalDecisions(renewal.writer, renewal.certificates, lambda: datetime.now(UTC), requesters)
    decisions.approve(Approver("arn:aws:iam::123456789012:user/ops", "ops"), waiting.request, "planned")
    assert renewal.module.handler({}, context) == {"approval approved": 1}
    (event,) = [one for one in renewal.world.events() if one["type"] == "authority.approval-granted"]
    assert event["data"]["decisions"] == [{"by": "ops", "approved": True, "reason": "planned"}]
    old = renewal.now(record)
    assert old.renewed_by == event["data"]["certificate_id"] and old.due_at is None
