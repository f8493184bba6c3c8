"""P1-P4: kill the process before or after any outbound call; one certificate is delivered and announced."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from evercert.contracts.events import Outcome
from evercert.contracts.revisions import RollbackRequest
from evercert.destinations.acm_rules import KEY_TYPES
from evercert.documents.spec import Spec
from evercert.pki.certificate import Chain
from evercert.timestamps import to_text
from tests.crash.sampling import OFFSET, sample
from tests.doubles.flaky_destination import Flaky
from tests.doubles.scripted_ca import ScriptedCA, ScriptedIssuer
from tests.doubles.world import When, World, assert_pair

FAILED = "certificate.failed"


@dataclass
class Scenario:
    """The request, what happens before the kill, and the expected end."""

    name: str
    issuer: dict[str, Any]
    destinations: tuple[str, ...] = ("secrets-manager",)
    script: list[str] = field(default_factory=list)
    sticks: int = 0
    issued_before: bool = False
    rolled_back: bool = False
    revisions: int = 1
    shards: bool = False  # whether to crash at the queries of empty shards too; once is enough
    types: tuple[str, ...] = ("certificate.issued",)


SCENARIOS = [
    Scenario("issuance", {"type": "self-signed"}, shards=True),
    Scenario(
        "renewal", {"type": "self-signed"}, issued_before=True, revisions=2, types=("certificate.issued", "certificate.renewed")
    ),
    Scenario("pending", {"type": "scripted"}, script=["pending", "pending"]),
    Scenario(
        "destination", {"type": "self-signed"}, destinations=("flaky",), sticks=2,
        types=("certificate.failed", "certificate.failed", "certificate.issued"),
    ),
    Scenario("acm", {"type": "self-signed"}, destinations=("secrets-manager", "acm")),
    Scenario(
        "acm renewal", {"type": "self-signed"}, destinations=("secrets-manager", "acm"), issued_before=True, revisions=2,
        types=("certificate.issued", "certificate.renewed"),
    ),
    Scenario(
        "rollback", {"type": "self-signed"}, destinations=("secrets-manager", "acm"), rolled_back=True, revisions=3,
        types=("certificate.issued", "certificate.renewed", "certificate.rolled-back"),
    ),
]  # fmt: skip


@dataclass
class Stage:
    """One scenario on one world, repeatable."""

    world: World
    ca: ScriptedCA
    address: str

    def spec(self, scenario: Scenario) -> Spec:
        return Spec.model_validate(
            {
                "name": "web",
                "issuer": "main",
                "attributes": {"common-name": "www.example.com", "ttl": "90d"},
                "destinations": [self.destination(kind) for kind in scenario.destinations],
            }
        )

    def destination(self, kind: str) -> dict[str, str]:
        return {"type": kind} if kind == "acm" else {"type": kind, "secret": self.world.secret}

    def begin(self, scenario: Scenario) -> None:
        self.world.fresh()
        if not scenario.shards:
            self.world.look_only_for("web")
        for arn in self.imported():
            self.world.operator.acm.delete_certificate(CertificateArn=arn)
        self.ca.script, self.ca.issued, self.ca.asked = list(scenario.script), {}, []
        Flaky.left = 0
        issuer = (
            scenario.issuer if scenario.issuer["type"] != "scripted" else {**scenario.issuer, "address": self.address}
        )
        self.world.want(self.spec(scenario), issuer)
        if scenario.issued_before:
            self.world.settle(self.world.settled)
            renewal = self.world.record().renew_at
            assert renewal is not None
            self.world.clock.now = renewal
        if scenario.rolled_back:
            self.begin_rollback()
        Flaky.left = scenario.sticks

    def begin_rollback(self) -> None:
        """Renew the certificate, and request the first one again."""
        self.world.settle(self.world.settled)
        self.world.specs.request("web", self.world.clock())
        self.world.settle(self.world.settled)
        self.world.clock.advance(minutes=1)
        self.world.specs.request_rollback(self.world.record(), RollbackRequest(to=1, requested_at=self.world.clock()))

    def run(
        self, scenario: Scenario, at: int | None, when: When = "before", act: Callable[[], None] | None = None
    ) -> int:
        """Run the whole scenario with one crash; return the number of calls."""
        self.begin(scenario)
        self.world.switch.arm(at, when, act)
        self.world.settle(lambda: self.world.settled() and self.reached(scenario))
        self.world.switch.listening = False
        return self.world.switch.count

    def imported(self) -> list[str]:
        found = self.world.operator.acm.list_certificates(Includes={"keyTypes": [*KEY_TYPES]})
        return [summary["CertificateArn"] for summary in found["CertificateSummaryList"]]

    def reached(self, scenario: Scenario) -> bool:
        record = self.world.specs.record("web")
        return record is None or getattr(record, "revision", 0) >= scenario.revisions


@pytest.fixture
def stage(shared_world: World) -> Iterator[Stage]:
    ca = ScriptedCA()
    with ca.served() as address:
        ScriptedIssuer.transport = shared_world.switch.transport()
        yield Stage(shared_world, ca, address)
        ScriptedIssuer.transport = None


def assert_promises(stage: Stage, scenario: Scenario) -> None:
    world = stage.world
    record = world.record()
    assert world.switch.after_death == []  # a killed process makes no calls
    # P1: one delivered, recorded, announced certificate, and no claim left
    assert (record.state, record.claim, record.pending) == ("ready", None, None)
    assert record.facts is not None and record.delivered(record.revision)
    assert record.due_at == record.check_at
    versions = world.versions()
    assert versions["AWSCURRENT"]["serial_number"] == record.facts.serial_number
    # P2: nothing was issued twice if the issuer is idempotent; no revision was used twice
    assert record.revision == record.facts.revision == scenario.revisions
    assert len(stage.ca.issued) == (1 if scenario.issuer["type"] == "scripted" else 0)
    # P3: every version that a reader can see is whole
    for value in versions.values():
        assert_pair(value)
    if scenario.issued_before or scenario.rolled_back:
        assert versions["AWSPREVIOUS"]["serial_number"] != versions["AWSCURRENT"]["serial_number"]
        assert versions["AWSPREVIOUS"]["private_key"] != versions["AWSCURRENT"]["private_key"]
    if scenario.rolled_back:  # the first certificate again, each of them kept once
        assert record.rollback is None
        chains = {kept.revision: Chain.from_pem(kept.chain) for kept in world.specs.kept(record).revisions}
        assert list(chains) == [3, 2]
        assert chains[3].serial_number == record.facts.serial_number
        assert chains[2].serial_number == versions["AWSPREVIOUS"]["serial_number"]
    if "acm" in scenario.destinations:  # one ARN, wherever the first import was interrupted
        (arn,) = stage.imported()
        assert arn in {delivery.location for delivery in record.deliveries.values()}
        pem = world.operator.acm.get_certificate(CertificateArn=arn)["Certificate"]
        assert pem == versions["AWSCURRENT"]["certificate"]
    # P4: every outcome was announced, under one id even if repeated
    outcomes: list[Outcome] = world.specs.history("web")
    types = [outcome.type for outcome in outcomes]
    assert [kind for kind in types if kind != FAILED] == [kind for kind in scenario.types if kind != FAILED]
    assert types.count(FAILED) <= scenario.types.count(FAILED)  # a killed run may lose its failure
    received = {event["id"]: event for event in world.events()}
    assert set(received) == {outcome.event_id for outcome in outcomes}
    for outcome in outcomes:
        assert received[outcome.event_id]["type"] == outcome.type
        assert received[outcome.event_id]["time"] == to_text(outcome.at)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
@pytest.mark.timeout(600)
def test_crash_at_any_call_changes_no_result(stage: Stage, scenario: Scenario, every: int, capsys) -> None:
    calls = stage.run(scenario, at=None)
    assert_promises(stage, scenario)
    points = [(at, when) for at in range(1, calls + 1) for when in ("before", "after")]
    chosen = sample(points, max(every // 2, 1))
    for at, when in chosen:
        stage.run(scenario, at, when)
        what = f"killed {when} call {at}: {stage.world.switch.calls[at - 1]}"
        try:
            assert_promises(stage, scenario)
        except AssertionError as error:
            raise AssertionError(what) from error
    with capsys.disabled():
        print(f"\ncrash matrix, {scenario.name}: {len(chosen)} of {len(points)} kill points (from {OFFSET}), kept")
