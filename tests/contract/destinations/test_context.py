"""Clients for other accounts and regions: the emulator checks role trust and the stack's id as external id."""

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


def policy_document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def iam(running: Emulator, account: str) -> Any:
    key = "test" if account == ACCOUNT else account  # the emulator treats twelve digits as root of that account
    return boto3.client("iam", **{**client_arguments(running), "aws_access_key_id": key})


def role(running: Emulator, account: str, trust: dict[str, Any], *allowed: dict[str, Any]) -> str:
    name = f"role-{uuid.uuid4().hex[:8]}"
    client = iam(running, account)
    client.create_role(RoleName=name, AssumeRolePolicyDocument=policy_document({"Effect": "Allow", **trust}))
    if allowed:
        client.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=policy_document(*allowed))
    return f"arn:aws:iam::{account}:role/{name}"


def destination_role(running: Emulator, external_id: str = STACK_ID, actions: str = "acm:*") -> str:
    """Create the role that an operator creates in the other account; return its ARN."""
    trust = {
        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"sts:ExternalId": external_id}},
    }
    return role(running, ELSEWHERE, trust, {"Effect": "Allow", "Action": actions, "Resource": "*"})


@dataclass
class RecordedSTS:
    """STS client that records calls; it can delay the response and shorten the lifetime of credentials."""

    client: Any
    calls: list[dict[str, Any]] = field(default_factory=list)
    lifetime: timedelta | None = None
    delay: Callable[[], object] = lambda: None

    def assume_role(self, **arguments: Any) -> Any:
        self.calls.append(arguments)
        answer = self.client.assume_role(**arguments)
        self.delay()
        if self.lifetime is not None:
            answer["Credentials"]["Expiration"] = datetime.now(UTC) + self.lifetime
        return answer


class RecordingClients(Clients):
    """Clients with a role's credentials; the emulator checks permissions for roles, but not for root."""

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
def clients(running: Emulator, monkeypatch: pytest.MonkeyPatch, clock: HandClock) -> RecordingClients:
    """Set the environment of the issuer's function: credentials of a role that may assume other roles."""
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
    return RecordingClients(Deadline(clock))


def build_context(clients: Clients, stack_id: str = STACK_ID) -> DestinationContext:
    return DestinationContext(stack_id, clients)


def whoami(clients: Clients) -> str:
    return clients.client("sts").get_caller_identity()["Arn"]


def test_clients_for_home_are_the_issuers_own(clients: RecordingClients) -> None:
    context = build_context(clients)
    assert context.clients_of(None, None) is context.clients_of(None, REGION) is clients
    assert context.place(None, None) == f"{ACCOUNT} {REGION}"


def test_clients_for_another_region_keep_the_role(clients: RecordingClients) -> None:
    context = build_context(clients)
    there = context.clients_of(None, OTHER_REGION)
    assert there.acm.meta.region_name == OTHER_REGION
    assert whoami(there) == whoami(clients)
    assert clients.sts.calls == []
    assert context.place(None, OTHER_REGION) == f"{ACCOUNT} {OTHER_REGION}"


def test_role_is_assumed_once_with_the_stack_id(running: Emulator, clients: RecordingClients) -> None:
    stack_id = STACK_ID.replace("stack/world", f"stack/{'s' * 80}")
    arn, context = destination_role(running, stack_id), build_context(clients, stack_id)
    there = context.clients_of(arn, OTHER_REGION)
    assert clients.sts.calls == []  # no request before the first use
    assert context.clients_of(arn, OTHER_REGION) is there
    session = f"evercert-{'s' * 55}"
    name = arn.partition("/")[2]
    assert [whoami(there) for _ in range(3)] == [f"arn:aws:sts::{ELSEWHERE}:assumed-role/{name}/{session}"] * 3
    assert clients.sts.calls == [
        {"RoleArn": arn, "RoleSessionName": session, "ExternalId": stack_id, "DurationSeconds": 3_600}
    ]
    assert context.place(arn, None) == f"{ELSEWHERE} {REGION}"


def test_clients_differ_by_role_and_region(running: Emulator, clients: RecordingClients) -> None:
    one, two, context = destination_role(running), destination_role(running), build_context(clients)
    found = [context.clients_of(arn, region) for arn in (one, two) for region in (None, OTHER_REGION)]
    assert len({id(there) for there in found}) == 4
    assert [there.acm.meta.region_name for there in found] == [REGION, OTHER_REGION] * 2
    assert len({whoami(there) for there in found}) == 2


def test_acm_imports_into_another_account_and_region(running: Emulator, clients: RecordingClients) -> None:
    context = build_context(clients)
    arn = destination_role(running)
    there = ACM(ACM.Settings(role=arn, region=OTHER_REGION), "web", context)
    assert there.service == f"acm {ELSEWHERE} {OTHER_REGION}"
    made = bundle()
    delivered = there.deliver(made, Delivery())
    assert delivered.location.startswith(f"arn:aws:acm:{OTHER_REGION}:{ELSEWHERE}:certificate/")
    assert there.examine(Delivery(revision=1, **vars(delivered))) is None
    at_home = ACM(ACM.Settings(), "web", context)
    assert at_home.find(datetime(2020, 1, 1, tzinfo=UTC)) != delivered.location


def test_credentials_are_refreshed_before_expiry(running: Emulator, clients: RecordingClients) -> None:
    clients.sts.lifetime = timedelta(minutes=5)  # botocore requests new ones ten minutes before expiry
    there = build_context(clients).clients_of(destination_role(running), None)
    for _ in range(3):
        there.acm.list_certificates()
    assert len(clients.sts.calls) >= 3


@pytest.mark.parametrize("wrong", ["external id", "no such role", "no trust"])
def test_failed_role_assumption_is_misconfigured(running: Emulator, clients: RecordingClients, wrong: str) -> None:
    match wrong:
        case "external id":
            arn = destination_role(running, external_id="another stack")
        case "no such role":
            arn = f"arn:aws:iam::{ELSEWHERE}:role/missing"
        case _:
            trust = {"Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
            arn = role(running, ELSEWHERE, trust)
    there = ACM(ACM.Settings(role=arn), "web", build_context(clients))
    fix = (
        r"\(parameter DestinationRoles must list it, and it must trust the issuer function's role with the stack's id as "
        r"external id\): AccessDenied"
    )
    for _ in range(2):  # repeated, because failures are not cached
        with pytest.raises(Misconfigured, match=f"^cannot assume role {arn} {fix}") as raised:
            there.inspect(Delivery())
        assert "\n" not in str(raised.value)


def test_calls_elsewhere_end_within_the_claim(running: Emulator, clients: RecordingClients, clock) -> None:
    there = build_context(clients).clients_of(destination_role(running), OTHER_REGION)
    clients.deadline.begin(clock() + CALL_LIMIT - timedelta(milliseconds=1))
    with pytest.raises(OutOfTime, match="sts:AssumeRole could end after the claim ends"):
        there.acm.list_certificates()
    clients.deadline.begin(clock() + CALL_LIMIT)
    there.acm.list_certificates()
    clock.advance(milliseconds=1)
    with pytest.raises(OutOfTime, match="acm:ListCertificates could end after the claim ends"):
        there.acm.list_certificates()


def test_deadline_includes_time_to_assume_the_role(running: Emulator, clients: RecordingClients, clock) -> None:
    """botocore requests credentials while it signs, which is after the deadline check."""
    there = build_context(clients).clients_of(destination_role(running), None)
    clients.sts.delay = lambda: clock.advance(seconds=5)
    clients.deadline.begin(clock() + CALL_LIMIT)
    with pytest.raises(OutOfTime, match="acm:ListCertificates could end after the claim ends"):
        there.acm.list_certificates()
