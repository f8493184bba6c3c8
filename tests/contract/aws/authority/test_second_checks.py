"""Checks that a call repeats read the current configuration, not what the call read before."""

from __future__ import annotations

from typing import Any

import pytest

from evercert.authority.acme.host_credentials import HostCredentials
from evercert.authority.api_errors import Refusal
from evercert.authority.configuration.identity import Identity
from evercert.authority.registration.approvals import ApprovalDecisions
from evercert.authority.registration.approvers import Approver
from evercert.aws.authority.call_reads import CallReads
from evercert.aws.authority.configuration import DynamoDBConfiguration
from evercert.aws.authority.configuration_writer import ConfigurationWriter
from evercert.errors import Misconfigured
from tests.doubles.authority.approving import Approving
from tests.doubles.world import World


class Configured:
    """A client with a request that waits for two approvals, and its configuration in a table."""

    def __init__(self, world: World) -> None:
        self.client = Approving(needed=2)
        self.request = self.client.asked()
        setting = self.client.setting
        profile = setting.configuration.profile(self.client.profile.id)
        assert profile is not None
        self.profile = profile
        table = world.authority_table("AuthorityConfigurationTable")
        self.writer = ConfigurationWriter(world.operator.dynamodb, table)
        self.writer.write(*setting.cas.values(), profile, self.client.identity)
        self.reads = CallReads(world.operator.dynamodb)
        self.configuration = DynamoDBConfiguration(world.operator.dynamodb, table, self.reads)

    @property
    def identity(self) -> Identity:
        return self.client.identity

    def narrow(self) -> None:
        policy = self.profile.policy.model_copy(update={"sans": (), "subject": ()})
        self.writer.write(self.profile.model_copy(update={"policy": policy}))


@pytest.fixture
def configured(world: World) -> Configured:
    return Configured(world)


def test_approval_after_a_lost_race_reads_the_policy_again(
    configured: Configured, monkeypatch: pytest.MonkeyPatch
) -> None:
    setting, request = configured.client.setting, configured.request
    decisions = ApprovalDecisions(
        configured.configuration, setting.certificates, setting.clock, setting.acme_requesters
    )
    decide = setting.certificates.decide

    def meanwhile(*arguments: Any) -> Any:
        monkeypatch.setattr(setting.certificates, "decide", decide)
        configured.client.decide("approve", request)
        configured.narrow()
        return decide(*arguments)

    monkeypatch.setattr(setting.certificates, "decide", meanwhile)
    with configured.reads.call("approve"), pytest.raises(Refusal, match="now violates the policy"):
        decisions.approve(Approver("another", "another"), request)
    assert setting.certificates.requests[request].status == "pending_approval"


def test_credential_of_a_deleted_identity_is_refused(configured: Configured) -> None:
    identity, profile, clock = configured.identity, configured.profile, configured.client.setting.clock
    credentials = HostCredentials(configured.configuration, configured.configuration, pytest.fail, clock)  # type: ignore[arg-type]
    with configured.reads.call("fetch"):
        assert configured.configuration.identity(identity.id) == identity
        assert configured.configuration.profile(profile.id) == profile
        configured.writer.remove(identity)
        with pytest.raises(Misconfigured, match="deleted meanwhile"):
            credentials.issue(identity, profile)
