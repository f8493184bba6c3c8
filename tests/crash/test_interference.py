"""An edit, a delete or a request at any call of an issuance is not lost and not half done."""

from __future__ import annotations

from datetime import timedelta

import pytest

from evercert.contracts.record import Record
from evercert.documents.spec import Component, Spec
from tests.crash.sampling import sample
from tests.crash.test_crash_matrix import Scenario, Stage, assert_promises, stage
from tests.doubles.world import TEST_ISSUERS, assert_pair

__all__ = ["stage"]
ISSUANCE = Scenario("issuance", {"type": "self-signed"})
PENDING = Scenario("pending", {"type": "scripted"}, script=["pending"])


@pytest.mark.parametrize("scenario", [ISSUANCE, PENDING], ids=lambda scenario: scenario.name)
def test_edit_at_any_call_is_issued(stage: Stage, scenario: Scenario, every: int) -> None:
    calls = stage.run(scenario, at=None)

    def edit() -> None:
        wanted = stage.spec(scenario).model_dump(mode="json", by_alias=True)
        wanted["attributes"]["alt-names"] = ["dns:edited.example.com"]
        stage.world.edit(Spec.model_validate(wanted))

    for at in sample(range(1, calls + 1), max(every // 2, 1)):
        stage.run(scenario, at, act=edit)
        stage.world.settle(lambda: stage.world.settled() and stage.world.record().generation == 2)
        record = stage.world.record()
        assert record.facts is not None, at
        assert "dns:edited.example.com" in record.facts.names, at
        leaf = assert_pair(stage.world.versions()["AWSCURRENT"])
        assert f"{leaf.serial_number:X}" == record.facts.serial_number.lstrip("0"), at
        assert record.claim is None, at


@pytest.mark.parametrize("scenario", [ISSUANCE, PENDING], ids=lambda scenario: scenario.name)
def test_delete_at_any_call_leaves_no_record(stage: Stage, scenario: Scenario, every: int) -> None:
    calls = stage.run(scenario, at=None)
    for at in sample(range(1, calls + 1), max(every // 2, 1)):
        stage.run(scenario, at, act=lambda: stage.world.specs.remove(stage.world.record()))
        stage.world.settle(lambda: not stage.world.unpublished())
        assert stage.world.specs.record("web") is None, at
        assert {item["sk"]["S"].partition("#")[0] for item in stage.world.items()} <= {"outcome"}, at
        assert not [report for report in stage.world.reports if report.outcome == "certificate.failed"], at


@pytest.mark.parametrize("scenario", [ISSUANCE, PENDING], ids=lambda scenario: scenario.name)
def test_request_at_any_call_is_served(stage: Stage, scenario: Scenario, every: int) -> None:
    calls = stage.run(scenario, at=None)
    for at in sample(range(1, calls + 1), max(every // 2, 1)):
        stage.run(scenario, at, act=lambda: stage.world.specs.request("web", stage.world.clock()) or None)
        stage.world.settle(stage.world.settled)
        record = stage.world.record()
        assert record.requested_at is not None
        assert record.served == record.requested_at, at
        assert record.state == "ready", at


def test_issuer_edit_at_any_call_is_issued(stage: Stage, every: int) -> None:
    calls = stage.run(ISSUANCE, at=None)
    scripted = Component.model_validate({"type": "scripted", "address": stage.address})

    def edit() -> None:
        world = stage.world
        world.specs.write_issuer("main", scripted)
        world.specs.wake("web", world.clock() + timedelta(hours=1), world.clock())

    for at in sample(range(1, calls + 1), max(every // 2, 1)):
        stage.run(ISSUANCE, at, act=edit)
        wanted = TEST_ISSUERS.identity_hash(scripted)
        stage.world.settle(lambda wanted=wanted: stage.world.settled() and stage.world.record().issuer_hash == wanted)
        assert len(stage.ca.issued) == 1, at
        assert_pair(stage.world.versions()["AWSCURRENT"])


def test_recreated_name_is_another_certificate(stage: Stage, every: int) -> None:
    """Delete and recreate during an issuance: the old run does not write to the new record."""
    calls = stage.run(ISSUANCE, at=None)
    for at in sample(range(1, calls + 1), max(every // 2, 1)):
        made: list[Record] = []

        def remake(made=made) -> None:
            stage.world.specs.remove(stage.world.record())
            made.append(stage.world.want(stage.spec(ISSUANCE), {"type": "self-signed"}))

        stage.run(ISSUANCE, at, act=remake)
        stage.world.settle(lambda made=made: bool(made) and stage.world.settled())
        record = stage.world.record()
        assert record.uid == made[0].uid, at
        assert record.revision == 1, at
        assert_pair(stage.world.versions()["AWSCURRENT"])


def test_matrix_detects_broken_promise(stage: Stage) -> None:
    """Check that the assertions can fail: a secret changed manually is detected."""
    stage.run(ISSUANCE, at=None)
    assert_promises(stage, ISSUANCE)
    stage.world.operator.secretsmanager.put_secret_value(SecretId=stage.world.secret, SecretString="{}")
    with pytest.raises((AssertionError, KeyError)):
        assert_promises(stage, ISSUANCE)
