"""Operators as approvers: each counts once, and not for requests of identities that they may log in as."""

from __future__ import annotations

import pytest

from evercert.authority.api_errors import Refusal
from evercert.authority.configuration.identity import AWSLogin
from evercert.authority.registration.approvals import ApprovalDecisions
from evercert.authority.registration.approvers import Approver
from tests.doubles.authority.approving import Approving

ACCOUNT = "123456789012"
ROLE = f"arn:aws:sts::{ACCOUNT}:assumed-role/Ops"
PERSON = f"arn:aws:sts::{ACCOUNT}:assumed-role/AWSReservedSSO_Admins_0123456789abcdef"


@pytest.mark.parametrize(
    ("arn", "expected"),
    [
        (f"{ROLE}/ann", ROLE),
        (f"{ROLE}/AWSReservedSSO_Admins_0123456789abcdef", ROLE),
        (f"arn:aws-us-gov:sts::{ACCOUNT}:assumed-role/Ops/ann", f"arn:aws-us-gov:sts::{ACCOUNT}:assumed-role/Ops"),
        (f"{PERSON}/ann@example.com", f"{PERSON}/ann@example.com"),
        (f"{ROLE}AWSReservedSSO_Admins_0123456789abcdef/ann", f"{ROLE}AWSReservedSSO_Admins_0123456789abcdef"),
        (f"arn:aws:sts::{ACCOUNT}:assumed-role/AWSReservedSSO_/ann", f"arn:aws:sts::{ACCOUNT}:assumed-role/AWSReservedSSO_"),
        (f"arn:aws:iam::{ACCOUNT}:user/people/ann", f"arn:aws:iam::{ACCOUNT}:user/people/ann"),
        (f"arn:aws:iam::{ACCOUNT}:root", f"arn:aws:iam::{ACCOUNT}:root"),
    ],
    ids=["role", "name-like-a-reserved-role", "gov", "identity-center", "suffix", "own-prefix", "user", "root"],
)  # fmt: skip
def test_operator_counts_without_a_chosen_name(arn: str, expected: str) -> None:
    found = Approver.operator(arn)
    assert (found.id, found.name, found.origin) == (expected, arn, "command")


def test_federated_user_is_refused() -> None:
    with pytest.raises(Refusal, match="assume a role"):
        Approver.operator(f"arn:aws:sts::{ACCOUNT}:federated-user/ann")


def opened(*principals: str, needed: int = 1) -> tuple[ApprovalDecisions, str]:
    """Return the decisions, and a request of an identity as which these principals may log in."""
    client = Approving(needed=needed)
    login = AWSLogin(principals=principals) if principals else None
    client.setting.configuration.put(client.identity.model_copy(update={"aws": login}))
    return client.setting.front.approvals.decisions, client.asked()


def test_sessions_of_one_role_count_once() -> None:
    decisions, request = opened(needed=2)
    for session in ("a", "b", "c"):
        found = decisions.approve(Approver.operator(f"{ROLE}/{session}"), request)
        assert (found.status, len(found.decisions)) == ("pending_approval", 1)
    with pytest.raises(Refusal, match="already decided about this certificate request"):
        decisions.reject(Approver.operator(f"{ROLE}/d"), request)
    assert found.decisions[0].by_name == f"{ROLE}/a"
    assert decisions.approve(Approver.operator(f"arn:aws:iam::{ACCOUNT}:user/ann"), request).status == "pending"


def test_people_of_identity_center_count_each() -> None:
    decisions, request = opened(needed=2)
    for _ in range(2):
        assert decisions.approve(Approver.operator(f"{PERSON}/ann"), request).status == "pending_approval"
    assert decisions.approve(Approver.operator(f"{PERSON}/bob"), request).status == "pending"


@pytest.mark.parametrize("what", ["approve", "reject"])
@pytest.mark.parametrize(
    "principal", [f"arn:aws:iam::{ACCOUNT}:role/Ops", f"arn:aws:iam::{ACCOUNT}:role/path/Ops", f"{ROLE}/*", f"{ROLE}/ann"]
)  # fmt: skip
def test_operator_cannot_decide_for_an_own_identity(what: str, principal: str) -> None:
    decisions, request = opened(f"arn:aws:iam::{ACCOUNT}:role/Web", principal)
    with pytest.raises(Refusal, match="your own certificate request") as raised:
        getattr(decisions, what)(Approver.operator(f"{ROLE}/ann"), request)
    assert raised.value.status == 403
    found = decisions.certificates.request(request)
    assert found is not None and (found.status, found.decisions) == ("pending_approval", ())


def test_operator_decides_for_identities_of_others() -> None:
    decisions, request = opened(f"arn:aws:iam::{ACCOUNT}:role/Web")
    assert decisions.approve(Approver.operator(f"{ROLE}/ann"), request).status == "pending"
