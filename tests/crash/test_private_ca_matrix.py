"""P1-P4 with AWS Private CA: the process dies before or after any call, and at most one certificate is lost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from evercert.timestamps import to_text
from tests.crash.sampling import sample
from tests.doubles.fakes import spec
from tests.doubles.private_ca_server import served
from tests.doubles.strict_private_ca import StrictPrivateCA
from tests.doubles.world import Killed, When, World, assert_pair
from tests.tools.local_stack import ACCOUNT


@dataclass(frozen=True)
class Scenario:
    """How often the CA answers that the request is in progress, and the expected revisions."""

    name: str
    polls: int = 1
    revisions: int = 1

    @property
    def types(self) -> list[str]:
        return ["certificate.issued", "certificate.renewed"][: self.revisions]


SCENARIOS = [Scenario("issuance"), Scenario("slow CA", polls=9), Scenario("renewal", revisions=2)]
ISSUE = "acm-pca.IssueCertificate"


@dataclass
class Stage:
    """One CA for all scenarios; `begin` forgets its certificates."""

    world: World
    aws: StrictPrivateCA
    arn: str

    def begin(self, scenario: Scenario) -> None:
        world = self.world
        world.fresh()
        world.judge_as({"PrivateCaArns": self.arn})
        world.look_only_for("web")
        self.aws.forget()
        self.aws.polls = scenario.polls
        target = [{"type": "secrets-manager", "secret": world.secret}]
        world.want(spec(destinations=target), {"type": "aws-private-ca", "arn": self.arn})
        if scenario.revisions == 2:
            world.settle(world.settled)
            renewal = world.record().renew_at
            assert renewal is not None
            world.clock.now = renewal

    def run(self, scenario: Scenario, at: int | None, when: When = "before") -> list[str]:
        """Run the whole scenario with one crash; return its calls."""
        self.begin(scenario)
        self.world.switch.arm(at, when)
        self.world.settle(lambda: self.world.settled() and self.world.record().revision >= scenario.revisions)
        self.world.switch.listening = False
        return list(self.world.switch.calls)


@pytest.fixture(scope="module")
def stage(shared_world: World) -> Iterator[Stage]:
    shared_world.fresh()  # its clock: tests before this one left it later than the CA may begin
    aws = StrictPrivateCA(shared_world.clock)
    with served(aws) as url:
        shared_world.use_private_ca(url)
        yield Stage(shared_world, aws, aws.create_authority(account=ACCOUNT))
        shared_world.use_private_ca(None)


def assert_promises(stage: Stage, scenario: Scenario, *, unused: int = 0) -> None:
    world, record = stage.world, stage.world.record()
    assert world.switch.after_death == []  # a killed process makes no calls
    # P1: one delivered, recorded, announced certificate, and no claim left
    assert (record.state, record.claim, record.pending) == ("ready", None, None)
    assert record.facts is not None and record.delivered(record.revision)
    versions = world.versions()
    assert versions["AWSCURRENT"]["serial_number"] == record.facts.serial_number
    assert record.facts.reference in stage.aws.certificates
    # P2: the CA issued what was delivered, and `unused` certificates; nothing was revoked
    assert record.revision == scenario.revisions
    assert len(stage.aws.issued) == scenario.revisions + unused
    assert stage.aws.revoked == []
    # P3: every version that a reader can see is whole
    for value in versions.values():
        assert assert_pair(value) in stage.aws.issued
    # P4: every outcome was announced, under one id even if repeated
    outcomes = world.specs.history("web")
    assert [outcome.type for outcome in outcomes] == scenario.types
    received = {event["id"]: event["time"] for event in world.events()}
    assert received == {outcome.event_id: to_text(outcome.at) for outcome in outcomes}


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
@pytest.mark.timeout(900)
def test_crash_at_any_call_issues_once(stage: Stage, scenario: Scenario, every: int) -> None:
    calls = stage.run(scenario, at=None)
    assert_promises(stage, scenario)
    (issued,) = [at for at, call in enumerate(calls, 1) if ISSUE in call]
    # The ARN is not stored, and the next run comes when the token has expired.
    lost = {(issued, "after"), (issued + 1, "before")}
    points = [(at, when) for at in range(1, len(calls) + 1) for when in ("before", "after")]
    for at, when in sample(points, every, lost.__contains__):
        stage.run(scenario, at, when)  # type: ignore[arg-type]
        try:
            assert_promises(stage, scenario, unused=1 if (at, when) in lost else 0)
        except AssertionError as error:
            raise AssertionError(f"killed {when} call {at}: {calls[at - 1]}") from error


@pytest.mark.parametrize(("seconds", "unused"), [(100, 0), (290, 0), (301, 1)])
def test_lost_request_is_found_while_its_token_lasts(stage: Stage, seconds: int, unused: int) -> None:
    """After five minutes AWS cannot find the certificate; nothing delivers it."""
    scenario, world = SCENARIOS[0], stage.world
    stage.begin(scenario)
    world.switch.arm(None)
    world.issuance.run("web")
    (at,) = [number for number, call in enumerate(world.switch.calls, 1) if ISSUE in call]
    stage.begin(scenario)
    world.switch.arm(at, "after")
    with pytest.raises(Killed):
        world.issuance.run("web")
    world.switch.dead = False
    assert (len(stage.aws.issued), stage.aws.calls("GetCertificate")) == (1, 0)
    world.clock.advance(seconds=seconds)
    world.issuance.run("web")
    world.settle(world.settled)
    assert_promises(stage, scenario, unused=unused)


def test_matrix_detects_extra_certificate(stage: Stage) -> None:
    """Check that the assertions can fail."""
    stage.run(SCENARIOS[0], at=None)
    with pytest.raises(AssertionError):
        assert_promises(stage, SCENARIOS[0], unused=1)


def test_changed_spec_revokes_a_pending_request(stage: Stage) -> None:
    stage.begin(Scenario("slow CA", polls=5))
    world = stage.world
    for _ in range(2):
        world.tick()
        world.deliver_messages()
    assert world.record().pending is not None
    stage.aws.polls = 0
    target = [{"type": "secrets-manager", "secret": world.secret}]
    world.edit(spec(destinations=target, attributes={"common-name": "new.example.com", "ttl": "30d"}))
    world.settle(world.settled)
    first, second = stage.aws.issued
    assert stage.aws.revoked == [first]
    assert world.versions()["AWSCURRENT"]["serial_number"] == f"{second.serial_number:X}".zfill(40)
