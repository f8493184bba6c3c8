"""The issuer function with AWS Private CA: the real client, against the double over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any

import pytest

from tests.doubles.fakes import spec
from tests.doubles.private_ca_server import served
from tests.doubles.strict_private_ca import StrictPrivateCA
from tests.doubles.world import World, assert_pair
from tests.functions.conftest import event
from tests.tools.local_stack import ACCOUNT

Function = Callable[[str], ModuleType]


@pytest.fixture
def aws(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[StrictPrivateCA]:
    made = StrictPrivateCA(lambda: datetime.now(UTC))
    with served(made) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_ACM_PCA", url)
        yield made


def run(function: Function, world: World, aws: StrictPrivateCA, context: Any, **authority: Any) -> str:
    """Create a CA and a certificate that it issues, and process the message; return the ARN of the CA."""
    arn = aws.create_authority(account=ACCOUNT, **authority)
    world.judge_as({"PrivateCaArns": arn})
    world.clock.now = datetime.now(UTC) - timedelta(seconds=1)
    target = [{"type": "secrets-manager", "secret": world.secret}]
    world.want(spec(destinations=target), {"type": "aws-private-ca", "arn": arn})
    sent = {"Records": event("issue.json")["Records"][:1]}
    assert function("issuer").handler(sent, context) == {"batchItemFailures": []}
    return arn


def test_certificate_is_issued_in_one_run(world: World, function: Function, context: Any, aws: StrictPrivateCA) -> None:
    run(function, world, aws, context)
    leaf = assert_pair(world.versions()["AWSCURRENT"])
    assert aws.issued == [leaf]
    assert [name for name, _ in aws.asked] == [
        "DescribeCertificateAuthority", "IssueCertificate", "GetCertificate", "GetCertificate",
    ]  # fmt: skip
    facts = world.record().facts
    assert facts is not None and facts.reference in aws.certificates
    assert [one["type"] for one in world.events()] == ["certificate.issued"]


def test_slow_authority_is_asked_again_later(
    world: World, function: Function, context: Any, aws: StrictPrivateCA
) -> None:
    aws.polls = 1_000
    run(function, world, aws, context)
    pending = world.record().pending
    assert pending is not None and pending.handle is not None
    assert pending.retry_at is not None and pending.retry_at > datetime.now(UTC)
    assert aws.calls("IssueCertificate") == 1
    assert 3 <= aws.calls("GetCertificate") <= 10


def test_short_lived_authority_refuses_ninety_days(
    world: World, function: Function, context: Any, aws: StrictPrivateCA
) -> None:
    run(function, world, aws, context, usage_mode="SHORT_LIVED_CERTIFICATE")
    assert aws.calls("IssueCertificate") == 0
    (failed,) = world.events()
    assert failed["type"] == "certificate.failed"
    assert "issues certificates of at most 7 days" in failed["data"]["message"]


def test_diagnosis_describes_the_authority(
    world: World, function: Function, context: Any, aws: StrictPrivateCA
) -> None:
    arn = run(function, world, aws, context, status="DISABLED")
    answer = function("issuer").handler({"test": {"issuer": "main", "names": []}}, context)
    problem = f"CA {arn} cannot issue certificates: its status is DISABLED; enable it"
    assert answer["checks"][1] == {"check": "server", "found": "", "problem": problem}


def test_mismatch_is_revoked(world: World, function: Function, context: Any, aws: StrictPrivateCA) -> None:
    """A certificate without the names of its CSR, which another CA would not issue either."""
    aws.drops_names = True
    run(function, world, aws, context)
    assert aws.revoked == aws.issued != []
    (failed,) = world.events()
    assert failed["data"]["message"].endswith("; revoked")
