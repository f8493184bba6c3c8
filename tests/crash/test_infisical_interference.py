"""An edit, a delete or a request at any call to or about Infisical is not lost and leaves nothing valid behind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from evercert.contracts.record import Record
from evercert.documents.spec import Spec
from tests.crash.infisical_stage import InfisicalStage, Scenario, staged
from tests.crash.sampling import sample
from tests.doubles.world import World, assert_pair

ISSUANCE = Scenario("issuance", "issuer")
RENEWAL = Scenario("renewal", issued_before=True)
APPROVAL = Scenario("approval", outcome="approval")
ALL = pytest.mark.parametrize("scenario", [ISSUANCE, RENEWAL, APPROVAL], ids=str)


@pytest.fixture(scope="module")
def stage(shared_world: World) -> Iterator[InfisicalStage]:
    with staged(shared_world) as stage:
        yield stage


def points(stage: InfisicalStage, scenario: Scenario, every: int) -> list[int]:
    calls = stage.run(scenario, at=None)
    every_call = list(range(1, len(calls) + 1))
    return sample(every_call, every)


def settle(stage: InfisicalStage) -> Record:
    stage.world.settle(lambda: stage.done(1))
    return stage.world.record()


@ALL
@pytest.mark.timeout(900)
def test_edit_at_any_call_leaves_only_the_edited_certificate(stage, scenario: Scenario, every: int) -> None:
    def edit() -> None:
        wanted = stage.spec(scenario).model_dump(mode="json", by_alias=True)
        wanted["attributes"]["alt-names"] = ["dns:edited.example.com"]
        stage.world.edit(Spec.model_validate(wanted))

    for at in points(stage, scenario, every):
        stage.run(scenario, at, act=edit)
        record = settle(stage)
        assert record.generation == 2, at
        assert record.facts is not None and "dns:edited.example.com" in record.facts.names, at
        leaf = assert_pair(stage.world.versions()["AWSCURRENT"])
        assert f"{leaf.serial_number:X}" == record.facts.serial_number.lstrip("0"), at
        assert stage.server.store.open_requests() == [], at
        assert stage.wasted() == [], at


@ALL
@pytest.mark.timeout(900)
def test_request_at_any_call_is_served_without_waste(stage, scenario: Scenario, every: int) -> None:
    for at in points(stage, scenario, every):
        stage.run(scenario, at, act=lambda: stage.world.specs.request("web", stage.world.clock()) or None)
        record = settle(stage)
        assert record.requested_at is not None, at
        assert (record.served, record.state) == (record.requested_at, "ready"), at
        assert stage.server.store.open_requests() == [], at
        assert len(stage.server.issued) == record.revision, at


@ALL
@pytest.mark.timeout(900)
def test_delete_at_any_call_leaves_no_record(stage, scenario: Scenario, every: int) -> None:
    """A request that waits for approval remains: after the deletion no record can cancel it."""
    for at in points(stage, scenario, every):
        stage.run(scenario, at, act=lambda: stage.world.specs.remove(stage.world.record()))
        stage.world.settle(lambda: not stage.world.unpublished())
        assert stage.world.specs.record("web") is None, at
        assert {item["sk"]["S"].partition("#")[0] for item in stage.world.items()} <= {"outcome"}, at
        assert not [report for report in stage.world.reports if report.outcome == "certificate.failed"], at
        assert len(stage.server.issued) <= scenario.revisions, at
