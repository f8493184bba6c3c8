"""Chains of nudges that the issuer sends to itself, under Lambda's detection of recursive loops."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from evercert.contracts.issuer import Issued, OpenIssuer, PendingAnswer, Request
from tests.doubles.fakes import START, spec
from tests.doubles.loop import LONGEST_CHAIN, TICK, Loop
from tests.doubles.scripted_ca import ScriptedCA, ScriptedIssuer
from tests.doubles.world import load_template

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
FUNCTIONS = {
    name: resource["Properties"]
    for name, resource in load_template()["Resources"].items()
    if resource["Type"] == "AWS::Serverless::Function"
}
AS_DEPLOYED: Any = FUNCTIONS["IssuerFunction"].get("RecursiveLoop", "Terminate")


@dataclass
class Approval:
    """An issuer whose request is approved at a given time."""

    inner: ScriptedIssuer
    at: datetime
    poll: timedelta

    def issue(self, request: Request) -> Issued | PendingAnswer:
        if request.now < self.at:
            return PendingAnswer("request", request.now + self.poll, START + 8 * DAY)
        return self.inner.issue(replace(request, handle=None))


@pytest.fixture
def inner() -> Iterator[ScriptedIssuer]:
    ScriptedIssuer.transport = ScriptedCA().transport()
    yield ScriptedIssuer(ScriptedIssuer.Settings(address="https://ca.example"))
    ScriptedIssuer.transport = None


def waited(loop: Loop, inner: ScriptedIssuer, wait: timedelta, poll: timedelta) -> timedelta:
    """Return how long after the approval the certificate was delivered."""
    loop.bench.issuers.known["main"] = OpenIssuer(Approval(inner, START + wait, poll), "approval")
    loop.bench.want(spec())
    loop.run(wait + HOUR)
    facts = loop.bench.record().facts
    assert facts is not None, "never delivered"
    assert facts.obtained_at is not None
    return facts.obtained_at - (START + wait)


@pytest.mark.parametrize(
    ("wait", "poll"),
    [
        (timedelta(hours=3), timedelta(seconds=20)),
        (timedelta(hours=6), timedelta(minutes=5)),
        (timedelta(days=5), timedelta(hours=1)),
    ],
    ids=["busy-ca", "hours", "days"],
)
def test_no_nudge_of_a_long_chain_is_dropped(inner: ScriptedIssuer, wait: timedelta, poll: timedelta) -> None:
    loop = Loop(AS_DEPLOYED)
    late = waited(loop, inner, wait, poll)
    assert (loop.dropped, loop.raised) == ([], [])
    assert late <= poll + TICK


def test_dropped_nudges_lose_no_certificate(inner: ScriptedIssuer) -> None:
    """Without RecursiveLoop, the due time resumes the certificate, but dead letters trigger an alarm."""
    loop = Loop("Terminate")
    assert waited(loop, inner, timedelta(hours=3), timedelta(seconds=20)) <= 2 * TICK
    assert loop.dropped
    assert loop.longest_chain == LONGEST_CHAIN


def test_only_the_issuer_may_invoke_itself() -> None:
    """Every other function keeps Lambda's detection."""
    assert {name for name, function in FUNCTIONS.items() if "RecursiveLoop" in function} == {"IssuerFunction"}
    assert AS_DEPLOYED == "Allow"
