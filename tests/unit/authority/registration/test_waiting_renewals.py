"""Automatic renewals that wait for an approval or an external issuer: their end is announced once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from evercert.authority.configuration.approval_options import ApprovalOptions
from evercert.authority.registration.approvers import Approver
from evercert.errors import Unavailable
from tests.unit.authority.registration.test_auto_renewal import Renewed

OPERATOR = Approver("arn:aws:iam::1:role/operator", "operator")
ENDS = ["rejected", "cancelled", "failed at its issuer"]


class Waiting(Renewed):
    """A certificate whose renewal waits for an approval; `request` is the id of the renewal's request."""

    def __init__(self) -> None:
        super().__init__()
        self.name = self.new(ttl="30d")
        self.setting.configuration.put(self.profile.model_copy(update={"approval": ApprovalOptions()}))
        self.later(days=23)
        assert self.run() == [(self.name, "waiting")]
        self.request = (self.record(self.name).renewal_error or "").rpartition(" ")[2]
        self.decisions = self.setting.decisions()

    def end(self, how: str) -> str:
        """End the request of the renewal; return the reason that is announced."""
        certificates = self.setting.certificates
        if how == "rejected":
            self.decisions.reject(OPERATOR, self.request, "no")
            return "rejected by operator: no"
        if how == "cancelled":
            self.setting.front.retrieval.cancel(self.identity, self.request)
            return "cancelled before its approval"
        approved = self.decisions.approve(OPERATOR, self.request)
        certificates.requests[self.request] = replace(approved, external="outside")
        certificates.fail(certificates.requests[self.request], "the issuer said no")
        return "the issuer said no"

    @property
    def announced(self) -> list[str]:
        return [error for _, error, _ in self.announcer.said]


@pytest.fixture
def client() -> Waiting:
    return Waiting()


@pytest.mark.parametrize("how", ENDS)
def test_end_of_a_wait_is_announced_once(client: Waiting, how: str) -> None:
    reason = client.end(how)
    client.later(hours=1)
    assert client.run() == [(client.name, "failed")]
    for _ in range(3):
        client.later(hours=1)
        assert client.run() == []
    assert client.announced == [reason] == [client.record(client.name).renewal_error]


@pytest.mark.parametrize("how", ENDS)
def test_ended_wait_is_announced_before_the_next_request(client: Waiting, how: str) -> None:
    """Otherwise the next request, which waits again, would hide the end of the first one."""
    client.end(how)
    client.later(hours=1)
    client.run()
    assert list(client.setting.certificates.requests)[-1] == client.request
    client.later(days=1)
    assert client.run() == [(client.name, "waiting")]
    assert client.record(client.name).renewal_error != f"waits for an approval: request {client.request}"
    assert len(client.announced) == 1


def test_end_of_a_wait_is_announced_after_an_outage_of_the_topic(client: Waiting) -> None:
    reason = client.end("rejected")
    client.announcer.trouble = [Unavailable("no topic")]
    client.later(hours=1)
    for _ in range(2):
        assert client.run() == [(client.name, "failed")]
        client.later(minutes=15)
    assert client.run() == []
    assert client.announced == [reason]


def test_open_wait_is_not_announced(client: Waiting) -> None:
    for _ in range(3):
        client.later(hours=1)
        assert client.run() == [(client.name, "waiting")]
    assert client.announced == []


def test_wait_without_an_approval_ends_with_its_deadline(client: Waiting) -> None:
    """The request is late before the certificate is; its end is the reason, and another request follows."""
    late = ApprovalOptions.model_validate({"within": "2h"})
    client.setting.configuration.put(client.profile.model_copy(update={"approval": late}))
    client.end("rejected")
    client.later(hours=1)
    client.run()
    client.later(days=1)
    assert client.run() == [(client.name, "waiting")]
    client.later(hours=2)
    assert client.run() == [(client.name, "failed")]
    assert client.announced[0] == "rejected by operator: no"
    assert len(client.announced) == 2
    assert client.announced[1].startswith("not approved before the deadline ")


def test_approved_renewal_is_not_announced(client: Waiting) -> None:
    client.decisions.approve(OPERATOR, client.request)
    client.later(hours=1)
    assert client.run() == [(client.name, "renewed")]
    assert (client.announced, client.record(client.name).renewal_error) == ([], None)
    client.later(days=1)
    assert client.run() == []
