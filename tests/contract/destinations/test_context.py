"""Clients of other accounts and regions: roles really assumed at the emulator, with the stack's id as external id."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

import boto3
import pytest

from evercert.aws.clients import CALL_LIMIT, Clients
from evercert.contracts.record import Delivery
from evercert.deadline import Deadline
from evercert.destinations.acm import ACM
from evercert.destinations.context import DestinationContext
from evercert.errors import Misconfigured, OutOfTime
from tests.contract.destinations.test_acm import bundle
from tests.doubles.fakes import HandClock
from tests.doubles.world import STACK_ID
from tests.tools.local_stack import ACCOUNT, REGION, Emulator, client_arguments

ELSEWHERE = "111122223333"
OTHER_REGION = "us-east-1"


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def iam(running: Emulator, account: str) -> Any:
    key = "test" if account == ACCOUNT else account  # twelve digits are the root of that account
    return boto3.client("iam", **{**client_arguments(running), "aws_access_key_id": key})


def role(running: Emulator, account: str, trust: dict[str, Any], *allowed: dict[str, Any]) -> str:
    name = f"role-{uuid.uuid4().hex[:8]}"
    client = iam(running, account)
    client.create_role(RoleName=name, AssumeRolePolicyDocument=document({"Effect": "Allow", **trust}))
    if allowed:
        client.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=document(*allowed))
    return f"arn:aws:iam::{account}:role/{name}"


def destination_role(running: Emulator, external_id: str = STACK_ID) -> str:
    """As an operator makes it in the other account."""
    trust = {
        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"sts:ExternalId": external_id}},
    }
    return role(running, ELSEWHERE, trust, {"Effect": "Allow", "Action": "acm:*", "Resource": "*"})


@dataclass
class RecordedSTS:
    """The real one, and what it was asked for; its credentials can be made to end sooner."""

    client: Any
    asked: list[dict[str, Any]] = field(default_factory=list)
    lasts: timedelta | None = None
    slow: Callable[[], object] = lambda: None

    def assume_role(self, **arguments: Any) -> Any:
        self.asked.append(arguments)
        answer = self.client.assume_role(**arguments)
        self.slow()
        if self.lasts is not None:
            answer["Credentials"]["Expiration"] = datetime.now(UTC) + self.lasts
        return answer


class Recorded(Clients):
    """Real clients of a role, which is not waved through as the emulator's root is."""

    def __init__(self, deadline: Deadline) -> None:
        super().__init__(deadline)
        self.deadline = deadline

    @cached_property
    def sts(self) -> Any:
        return RecordedSTS(self.client("sts"))


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def clients(running: Emulator, monkeypatch: pytest.MonkeyPatch, clock: HandClock) -> Recorded:
    """What the issuer's function has: credentials in its environment, of a role that may assume others."""
    issuer = role(
        running,
        ACCOUNT,
        {"Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "sts:AssumeRole"},
        {"Effect": "Allow", "Action": ["sts:AssumeRole", "acm:*"], "Resource": "*"},
    )
    sts = boto3.client("sts", **client_arguments(running))
    found = sts.assume_role(RoleArn=issuer, RoleSessionName="issuer")["Credentials"]
    monkeypatch.setenv("AWS_ENDPOINT_URL", running.url)
    monkeypatch.setenv("AWS_REGION", REGION)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", found["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", found["SecretAccessKey"])
    monkeypatch.setenv("AWS_SESSION_TOKEN", found["SessionToken"])
    return Recorded(Deadline(clock))


def context(clients: Clients, stack: str = "stack") -> DestinationContext:
    return DestinationContext(stack, STACK_ID, clients)


def whoami(clients: Clients) -> str:
    return clients.client("sts").get_caller_identity()["Arn"]


def test_at_home_the_issuers_own_clients_serve(clients: Recorded) -> None:
    around = context(clients)
    assert around.clients_of(None, None) is around.clients_of(None, REGION) is clients
    assert around.place(None, None) == f"{ACCOUNT} {REGION}"


def test_another_region_is_served_by_the_same_role(clients: Recorded) -> None:
    around = context(clients)
    there = around.clients_of(None, OTHER_REGION)
    assert there.acm.meta.region_name == OTHER_REGION
    assert whoami(there) == whoami(clients)
    assert clients.sts.asked == []
    assert around.place(None, OTHER_REGION) == f"{ACCOUNT} {OTHER_REGION}"


def test_a_role_elsewhere_is_assumed_once_and_with_the_stacks_id(running: Emulator, clients: Recorded) -> None:
    arn, around = destination_role(running), context(clients, "s" * 80)
    there = around.clients_of(arn, OTHER_REGION)
    assert clients.sts.asked == []  # asks nobody
    assert around.clients_of(arn, OTHER_REGION) is there
    session = f"evercert-{'s' * 55}"
    name = arn.partition("/")[2]
    assert [whoami(there) for _ in range(3)] == [f"arn:aws:sts::{ELSEWHERE}:assumed-role/{name}/{session}"] * 3
    assert clients.sts.asked == [
        {"RoleArn": arn, "RoleSessionName": session, "ExternalId": STACK_ID, "DurationSeconds": 3_600}
    ]
    assert around.place(arn, None) == f"{ELSEWHERE} {REGION}"


def test_roles_and_regions_are_kept_apart(running: Emulator, clients: Recorded) -> None:
    one, two, around = destination_role(running), destination_role(running), context(clients)
    found = [around.clients_of(arn, region) for arn in (one, two) for region in (None, OTHER_REGION)]
    assert len({id(there) for there in found}) == 4
    assert [there.acm.meta.region_name for there in found] == [REGION, OTHER_REGION] * 2
    assert len({whoami(there) for there in found}) == 2


def test_a_certificate_is_imported_into_the_other_account_and_region(running: Emulator, clients: Recorded) -> None:
    around = context(clients)
    arn = destination_role(running)
    there = ACM(ACM.Settings(role=arn, region=OTHER_REGION), "web", around)
    assert there.service == f"acm {ELSEWHERE} {OTHER_REGION}"
    made = bundle()
    delivered = there.deliver(made, Delivery())
    assert delivered.location.startswith(f"arn:aws:acm:{OTHER_REGION}:{ELSEWHERE}:certificate/")
    assert there.examine(Delivery(revision=1, **vars(delivered))) is None
    at_home = ACM(ACM.Settings(), "web", around)
    assert at_home.find(datetime(2020, 1, 1, tzinfo=UTC)) != delivered.location


def test_credentials_are_renewed_before_they_end(running: Emulator, clients: Recorded) -> None:
    clients.sts.lasts = timedelta(minutes=5)  # botocore asks for new ones ten minutes before the end
    there = context(clients).clients_of(destination_role(running), None)
    for _ in range(3):
        there.acm.list_certificates()
    assert len(clients.sts.asked) >= 3


@pytest.mark.parametrize("wrong", ["external id", "no such role", "no trust"])
def test_a_role_that_cannot_be_assumed_takes_a_person(running: Emulator, clients: Recorded, wrong: str) -> None:
    match wrong:
        case "external id":
            arn = destination_role(running, external_id="another stack")
        case "no such role":
            arn = f"arn:aws:iam::{ELSEWHERE}:role/nobody"
        case _:
            trust = {"Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
            arn = role(running, ELSEWHERE, trust)
    there = ACM(ACM.Settings(role=arn), "web", context(clients))
    mend = (
        r"\(parameter DestinationRoles must list it, and it must trust the issuer's role with the stack's id as "
        r"external id\): AccessDenied"
    )
    for _ in range(2):  # and again the next time: nothing of a failure is kept
        with pytest.raises(Misconfigured, match=f"^cannot assume role {arn} {mend}") as raised:
            there.inspect(Delivery())
        assert "\n" not in str(raised.value)


def test_no_call_elsewhere_leaves_that_could_outlive_the_claim(running: Emulator, clients: Recorded, clock) -> None:
    there = context(clients).clients_of(destination_role(running), OTHER_REGION)
    clients.deadline.begin(clock() + CALL_LIMIT - timedelta(milliseconds=1))
    with pytest.raises(OutOfTime, match="sts:AssumeRole could end after the claim ends"):
        there.acm.list_certificates()
    clients.deadline.begin(clock() + CALL_LIMIT)
    there.acm.list_certificates()
    clock.advance(milliseconds=1)
    with pytest.raises(OutOfTime, match="acm:ListCertificates could end after the claim ends"):
        there.acm.list_certificates()


def test_the_time_that_a_role_takes_is_not_lent_to_the_call_after_it(
    running: Emulator, clients: Recorded, clock
) -> None:
    """botocore asks for credentials when it signs, which is after the call was let go."""
    there = context(clients).clients_of(destination_role(running), None)
    clients.sts.slow = lambda: clock.advance(seconds=5)
    clients.deadline.begin(clock() + CALL_LIMIT)
    with pytest.raises(OutOfTime, match="acm:ListCertificates could end after the claim ends"):
        there.acm.list_certificates()
