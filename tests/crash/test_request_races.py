"""Let another process run at every call of a first one: a request still has one end, one order and its events."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from evercert.authority.api_errors import Refusal
from tests.crash.request_stage import WEEK, RequestStage
from tests.crash.sampling import sample
from tests.crash.test_requests import ASKED, DUE, GRANTED, OUT, REFUSED, Scenario, checked, staged
from tests.doubles.world import World

ISSUED, FAILED, REJECTED = ("issued",), ("failed",), ("rejected",)
Ends = dict[tuple[str, ...], tuple[str, ...]]


@dataclass(frozen=True)
class Race:
    """`first` is interrupted by `second`; `ends` has the events of each permitted end by its statuses."""

    name: str
    scenario: Scenario
    first: Callable[[RequestStage], Any]
    second: Callable[[RequestStage], Any]
    ends: Ends
    perhaps: tuple[str, ...] = ()  # events that the second process may have made obsolete

    def __str__(self) -> str:
        return self.name


def unless_refused(call: Callable[[], Any]) -> None:
    with contextlib.suppress(Refusal):
        call()


def approve(stage: RequestStage) -> None:
    approvals, request = stage.front.approvals, stage.request
    unless_refused(lambda: approvals.approve(stage.approver, request, None))


def reject(stage: RequestStage) -> None:
    other, _ = stage.setting.identity("approve", name="other")
    approvals, request = stage.front.approvals, stage.request
    unless_refused(lambda: approvals.reject(other, request, None))


def cancel(stage: RequestStage) -> None:
    retrieval = stage.front.retrieval
    unless_refused(lambda: retrieval.cancel(stage.identity, stage.request))


def renew_by_hand(stage: RequestStage) -> None:
    front = stage.front
    first = front.ports.certificates.request(stage.request)
    assert first is not None
    unless_refused(lambda: front.renewals.renew(stage.identity, first.certificate_id, {}, "another token"))


def asked(stage: RequestStage) -> None:
    stage.ask()
    stage.run_renewal()


def asked_long_ago(stage: RequestStage) -> None:
    asked(stage)
    stage.later(WEEK)


def fulfill(stage: RequestStage) -> None:
    """Deliver the message of the request again."""
    stage.fulfill(stage.request)


def nothing(_: RequestStage) -> None:
    pass


WAITING = Scenario("waiting", asked, approval=True)
LATE = Scenario("late", asked_long_ago, approval=True)
BOUGHT = Scenario("external", RequestStage.ask, **OUT)
RENEWED = Scenario("due", nothing, **DUE)
DECIDED: Ends = {ISSUED: (ASKED, GRANTED), FAILED: (ASKED, REFUSED)}
ONCE: Ends = {("issued", "issued"): ()}
RACES = [
    Race("approval and cancellation", WAITING, approve, cancel, DECIDED),
    Race("cancellation and approval", WAITING, cancel, approve, DECIDED),
    Race("approval and rejection", WAITING, approve, reject,
         {ISSUED: (ASKED, GRANTED), REJECTED: (ASKED, REFUSED)}),
    Race("rejection and approval", WAITING, reject, approve,
         {ISSUED: (ASKED, GRANTED), REJECTED: (ASKED, REFUSED)}),
    Race("cancellation and rejection", WAITING, cancel, reject,
         {FAILED: (ASKED, REFUSED), REJECTED: (ASKED, REFUSED)}),
    Race("approval and schedule", WAITING, approve, RequestStage.run_renewal, DECIDED),
    Race("schedule and approval", replace(WAITING, live=RequestStage.ask), RequestStage.run_renewal, approve,
         {ISSUED: (ASKED, GRANTED)}, perhaps=(ASKED,)),
    Race("schedule and cancellation, late", LATE, RequestStage.run_renewal, cancel, {FAILED: (ASKED, REFUSED)}),
    Race("two schedules, late", LATE, RequestStage.run_renewal, RequestStage.run_renewal, {FAILED: (ASKED, REFUSED)}),
    Race("two issuer functions", BOUGHT, RequestStage.deliver, fulfill, {ISSUED: ()}),
    Race("issuer function and poll", BOUGHT, RequestStage.deliver, RequestStage.poll, {ISSUED: ()}),
    Race("two renewal functions", RENEWED, RequestStage.run_renewal, RequestStage.run_renewal, ONCE),
    Race("renewal function and client", RENEWED, RequestStage.run_renewal, renew_by_hand, ONCE),
    Race("client and renewal function", RENEWED, renew_by_hand, RequestStage.run_renewal, ONCE),
]  # fmt: skip


def at_the_same_time(stage: RequestStage, process: Callable[[RequestStage], Any]) -> None:
    """Run another process: on its own stack, from which the judge of permissions reads whose call it is.

    It begins a millisecond later, as stored times do: the same time again would look like the same notice.
    """
    stage.later(timedelta(milliseconds=1))
    with ThreadPoolExecutor(1) as pool:
        pool.submit(process, stage).result()


def run(world: World, race: Race, at: int | None) -> list[str]:
    """Run a race and check its end; None: without the second process. Return the calls of the first one."""
    stage = staged(world, race.scenario)
    race.scenario.live(stage)
    world.switch.arm(at, "before", None if at is None else lambda: at_the_same_time(stage, race.second))
    race.first(stage)
    calls = list(world.switch.calls)
    world.switch.listening = False
    if at is None:
        return calls
    stage.settle()
    end = tuple(stage.statuses())
    assert end in race.ends, end
    events = tuple(one for one in race.ends[end] if one not in race.perhaps or stage.announced()[one])
    checked(stage, replace(race.scenario, statuses=end, events=events))
    return calls


@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("race", RACES, ids=str)
def test_processes_at_the_same_time_agree(world: World, race: Race, every: int) -> None:
    calls = run(world, race, None)
    for at in sample(range(1, len(calls) + 1), every):
        try:
            run(world, race, at)
        except (AssertionError, Refusal) as error:
            raise AssertionError(f"interrupted before call {at}: {calls[at - 1]}") from error
