"""P1-P4 with an Infisical server: crashes and network errors at any call, with either key source."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.crash.infisical_stage import (
    OLDER,
    SCENARIOS,
    SLOW,
    InfisicalStage,
    Scenario,
    Tally,
    assert_promises,
    creating,
    staged,
)
from tests.crash.sampling import sample
from tests.doubles.world import World

FAULTS = ("drop-before", "drop-after", "500", "503", "slow", "token", "redirect", "not-json")


@pytest.fixture(scope="module")
def stage(shared_world: World) -> Iterator[InfisicalStage]:
    with staged(shared_world) as stage:
        yield stage


@contextmanager
def context_on_failure(what: str) -> Iterator[None]:
    try:
        yield
    except AssertionError as error:
        raise AssertionError(what) from error


def trouble(stage: InfisicalStage, fault: str) -> Callable[[], None]:
    """Return the switch that triggers the fault at the next call."""
    switches = stage.server.switches
    match fault:
        case "500":
            return lambda: switches.fault("status", status=500) and None
        case "503":
            return lambda: switches.fault("status", status=503, retry_after="120") and None
        case "slow":

            def slow() -> None:
                switches.fault("slow", seconds=SLOW)
                stage.late = True

            return slow
        case "token":
            return stage.server.tokens.expire_all
    return lambda: switches.fault(fault) and None


@pytest.mark.parametrize("scenario", [*SCENARIOS, *OLDER], ids=str)
@pytest.mark.timeout(900)
def test_crash_at_any_call_wastes_no_certificate(stage, scenario: Scenario, every: int, capsys) -> None:
    calls = stage.run(scenario, at=None)
    assert_promises(stage, scenario)
    assert [outcome.type for outcome in stage.world.specs.history("web")] == scenario.types
    worst = {(at, "after") for at in creating(calls)}
    points = [(at, when) for at in range(1, len(calls) + 1) for when in ("before", "after")]
    tally = Tally()
    for at, when in sample(points, every, worst.__contains__):
        with context_on_failure(f"killed {when} call {at}: {calls[at - 1]}"):
            stage.run(scenario, at, when)
            assert_promises(stage, scenario, extra=scenario.extra)
        tally.add(stage, scenario)
    with capsys.disabled():
        print(f"\nInfisical, {scenario}: killed at {len(calls)} calls, {len(points)} points: {tally}")


@pytest.mark.parametrize("scenario", [*SCENARIOS, *OLDER], ids=str)
@pytest.mark.timeout(900)
def test_network_error_wastes_no_certificate(stage, scenario: Scenario, every: int, capsys) -> None:
    calls = stage.run(scenario, at=None)
    asked = [at for at, call in enumerate(calls, 1) if call.startswith("http ")]
    worst = {(at, "drop-after") for at in creating(calls)}
    points = [(at, fault) for at in asked for fault in FAULTS]
    tally = Tally()
    for at, fault in sample(points, every, worst.__contains__):
        with context_on_failure(f"{fault} at call {at}: {calls[at - 1]}"):
            stage.run(scenario, at, act=trouble(stage, fault))
            assert_promises(stage, scenario, extra=scenario.extra, failures=1)
        tally.add(stage, scenario)
    with capsys.disabled():
        print(f"\nInfisical, {scenario}: {len(points)} troubles at {len(asked)} calls: {tally}")


def test_matrix_detects_extra_certificate(stage: InfisicalStage) -> None:
    """Check that the assertions can fail."""
    scenario = SCENARIOS[0]
    stage.run(scenario, at=None)
    (first,) = stage.server.issued
    stage.server.renew_elsewhere(first.id)
    with pytest.raises(AssertionError):
        assert_promises(stage, scenario)
