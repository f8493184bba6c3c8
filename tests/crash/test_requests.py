"""Crash front, renewal function and issuer function at every call while requests wait for approvals or issuers.

Each scenario is one life of requests; whichever process dies, its caller repeats it, and the promises are checked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from evercert.authority.configuration.approval_options import ApprovalOptions
from evercert.authority.policy.policy import Policy
from tests.crash.request_stage import HOUR, WEEK, RequestStage
from tests.crash.sampling import sample
from tests.doubles.world import When, World

ASKED, GRANTED, REFUSED = (f"authority.approval-{word}" for word in ("requested", "granted", "refused"))
FAILED = "authority.renewal-failed"
NARROW = Policy.model_validate({"validity": {"max": "1d"}})


@dataclass(frozen=True)
class Scenario:
    """`live` is what is interrupted; `statuses` of all requests and `events` are what must remain."""

    name: str
    live: Callable[[RequestStage], None]
    statuses: tuple[str, ...] = ("issued",)
    events: tuple[str, ...] = ()
    external: bool = False
    approval: bool = False
    automatic: bool = False  # a certificate exists, and is due
    script: tuple[str, ...] = ()
    orders: int = 0  # tokens that the external CA saw

    def __str__(self) -> str:
        return self.name


def approved(stage: RequestStage) -> None:
    stage.ask()
    stage.run_renewal()
    stage.approve()
    stage.deliver()
    stage.poll()


def approved_and_forgotten(stage: RequestStage) -> None:
    """The requester never polls."""
    stage.ask()
    stage.approve()


def rejected(stage: RequestStage) -> None:
    stage.ask()
    stage.run_renewal()
    stage.approve("reject")
    assert stage.poll()["status"] == "rejected"


def late(stage: RequestStage) -> None:
    stage.ask()
    stage.run_renewal()
    stage.later(WEEK)
    stage.run_renewal()
    assert stage.poll()["status"] == "failed"


def cancelled(stage: RequestStage) -> None:
    stage.ask()
    stage.run_renewal()
    stage.cancel()


def outside(stage: RequestStage) -> None:
    stage.ask()
    stage.deliver()
    stage.later(HOUR)
    stage.run_renewal()
    stage.deliver()
    stage.poll()


def renewed(stage: RequestStage) -> None:
    stage.run_renewal()


def renewed_outside(stage: RequestStage) -> None:
    stage.run_renewal()
    stage.deliver()
    stage.later(HOUR)


def renewed_after_approval(stage: RequestStage) -> None:
    stage.run_renewal()
    stage.run_renewal()  # the first one opens the request, the second one announces it
    stage.approve()
    stage.deliver()


def renewal_rejected(stage: RequestStage) -> None:
    stage.run_renewal()
    stage.run_renewal()
    stage.approve("reject")
    stage.later(HOUR)
    stage.run_renewal()


def renewal_forbidden(stage: RequestStage) -> None:
    stage.change(policy=NARROW)
    stage.run_renewal()


OUT: dict[str, Any] = {"external": True, "orders": 1}
DUE: dict[str, Any] = {"automatic": True}
SCENARIOS = [
    Scenario("approved", approved, events=(ASKED, GRANTED), approval=True),
    Scenario("approved and forgotten", approved_and_forgotten, events=(GRANTED,), approval=True),
    Scenario("rejected", rejected, ("rejected",), (ASKED, REFUSED), approval=True),
    Scenario("late", late, ("failed",), (ASKED, REFUSED), approval=True),
    Scenario("cancelled", cancelled, ("failed",), (ASKED, REFUSED), approval=True),
    Scenario("external", outside, **OUT),
    Scenario("external in progress", outside, script=("pending",), **OUT),
    Scenario("external failed", outside, ("failed",), script=("reject", "reject"), **OUT),
    Scenario("external approved", approved, events=(ASKED, GRANTED), approval=True, **OUT),
    Scenario("renewed", renewed, ("issued", "issued"), **DUE),
    Scenario("renewed after approval", renewed_after_approval, ("issued", "issued"), (ASKED, GRANTED), approval=True,
             **DUE),
    Scenario("renewal rejected", renewal_rejected, ("issued", "rejected"), (ASKED, REFUSED, FAILED), approval=True,
             **DUE),
    Scenario("renewal forbidden", renewal_forbidden, ("issued",), (FAILED,), **DUE),
    Scenario("renewed outside", renewed_outside, ("issued", "issued"), external=True, orders=2, **DUE),
    Scenario("renewed outside after approval", renewed_after_approval, ("issued", "issued"), (ASKED, GRANTED),
             external=True, orders=2, approval=True, **DUE),
]  # fmt: skip


def staged(world: World, scenario: Scenario) -> RequestStage:
    """Return a stage; if the scenario is automatic, with a certificate that is due."""
    world.fresh()
    approval = ApprovalOptions() if scenario.approval else None
    stage = RequestStage(world, scenario.script, external=scenario.external, automatic=scenario.automatic)
    if scenario.automatic:
        stage.ask()
        stage.deliver()
        stage.later(timedelta(days=24))
        assert len(stage.certificates) == 1
    stage.change(approval=approval)
    return stage


def checked(stage: RequestStage, scenario: Scenario) -> None:
    """Check the promises: one certificate for each issued request, no open request, no event lost, one order each."""
    assert tuple(stage.statuses()) == scenario.statuses
    certificates, requests = stage.certificates, {one.id: one for one in stage.requests}
    issued = sorted(one.certificate_id for one in requests.values() if one.status == "issued")
    assert sorted(one.id for one in certificates) == issued
    trail = Counter((one.request, one.result) for one in stage.trail if one.result in {"issued", "failed"})
    assert trail == {(one.id, "issued" if one.status == "issued" else "failed"): 1 for one in requests.values()}, (
        "the trail has one end for each request"
    )
    assert stage.announced() == Counter(scenario.events)
    assert stage.front.ports.certificates.waiting(10) == []
    assert stage.external.due(stage.world.clock() + WEEK, 10) == []
    ledger = stage.setting.ledger
    assert len(ledger.results) == len(ledger.intents) == (0 if scenario.external else len(certificates))
    tokens = {request.certificate: set[str]() for request in stage.issuer.requests}
    for request in stage.issuer.requests:
        tokens[request.certificate].add(request.token)
    assert [len(found) for found in tokens.values()] == [1] * scenario.orders, "one order for each request"
    assert len(stage.ca.issued) == (len(certificates) if scenario.external else 0)
    if scenario.automatic and "issued" in scenario.statuses[1:]:
        old, new = sorted(certificates, key=lambda one: one.created_at)
        assert (old.renewed_by, new.renews, old.due_at) == (new.id, old.id, None)


def count_calls(world: World, scenario: Scenario) -> int:
    """Return the number of calls of a life without a death."""
    stage = staged(world, scenario)
    world.switch.arm(None)
    scenario.live(stage)
    calls = len(world.switch.calls)
    stage.settle()
    checked(stage, scenario)
    assert len(stage.events) == len(scenario.events), "without a death, each event comes once"
    return calls


@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_request_survives_death_at_any_call(world: World, scenario: Scenario, every: int, capsys: Any) -> None:
    total = count_calls(world, scenario)
    places: list[tuple[int, When]] = [(at, when) for at in range(1, total + 1) for when in ("before", "after")]
    chosen = sample(places, every * 2 if every > 1 else 1)
    for at, when in chosen:
        stage = staged(world, scenario)
        world.switch.arm(at, when)
        scenario.live(stage)
        assert stage.deaths == 1, (at, when)
        stage.settle()
        checked(stage, scenario)
    with capsys.disabled():
        print(f"\nrequests, {scenario}: {len(chosen)} deaths of {len(places)}")
