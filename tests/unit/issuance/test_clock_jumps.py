"""Clocks that are set during a run, in either direction, at every step of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest

from evercert.aws.dynamodb import sweep
from evercert.contracts.issuer import Issued, OpenIssuer, PendingAnswer, Request
from evercert.contracts.record import Facts
from evercert.documents.spec import Component, Spec
from evercert.errors import Misconfigured, Unavailable
from evercert.pki.certificate import Bundle
from evercert.scheduling.sweeper import is_lost
from tests.doubles.fakes import START, Bench, FakeDestination, HandClock, spec
from tests.unit.issuance.helpers import SELF_SIGNED, announced
from tests.unit.issuance.test_answer_check import OddCA

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
JUMPS = [sign * span for span in (HOUR, DAY, 400 * DAY) for sign in (1, -1)]
STEP = timedelta(seconds=10)  # limit of one call
CALLS = 40  # of the clock in one run, at most


@dataclass
class JumpingClock(HandClock):
    """A clock that is wrong by `jump` after it was read `after` times; `now` is the true time."""

    jump: timedelta = timedelta(0)
    after: int = CALLS
    reads: int = 0

    def __call__(self) -> datetime:
        self.reads += 1
        return self.now + self.jump if self.reads > self.after else self.now


class Scene(Bench):
    """A bench whose table and destinations check the deadline before each call, as the adapters do."""

    def __init__(self) -> None:
        super().__init__()
        self.clock.__class__ = JumpingClock
        self.clock.jump, self.clock.after, self.clock.reads = timedelta(0), CALLS, 0  # type: ignore[attr-defined]
        self.issuers.known["main"] = SELF_SIGNED
        for owner, name in (
            (self.table, "update"),
            (self.table, "conclude"),
            (self.table, "release"),
            (self.seal, "close"),
        ):
            setattr(owner, name, self.limited(getattr(owner, name)))
        original = self.destinations.open

        def opened(component: Component, certificate: str) -> FakeDestination:
            self.deadline.require(STEP, "deliver")
            return original(component, certificate)

        self.destinations.open = opened  # type: ignore[method-assign]

    def limited(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def checked(*arguments: Any, **more: Any) -> Any:
            self.deadline.require(STEP, "a call")
            return call(*arguments, **more)

        return checked

    def run_with(self, jump: timedelta, after: int) -> bool:
        """Run once with a clock that jumps; afterwards it is right again. Return whether it jumped."""
        self.clock.jump, self.clock.after, self.clock.reads = jump, after, 0
        self.run()
        jumped = self.clock.reads > after
        self.clock.jump, self.clock.after = timedelta(0), CALLS
        return jumped

    @property
    def bundle(self) -> Bundle | None:
        found = self.destinations.known.get("here")
        return None if found is None else found.bundle

    def works(self, bundle: Bundle | None) -> bool:
        """Return whether peers accept the bundle now."""
        return bundle is not None and bundle.chain.begins <= self.clock.now < bundle.chain.ends

    def live(self, span: timedelta) -> int:
        """Let checker and daily sweep work for a time; return the number of runs."""
        runs, end, next_sweep = 0, self.clock.now + span, self.clock.now
        while self.clock.now < end:
            if self.clock.now >= next_sweep:
                next_sweep += DAY
                for key, item in self.table.items.items():
                    if is_lost(sweep._entry({"pk": {"S": key[0]}, "sk": {"S": key[1]}, **item}), self.clock.now):
                        item["due_at"] = {"S": sweep.to_text(self.clock.now)}
            for _ in range(10):
                due = self.record().due_at
                if due is None or due > self.clock.now:
                    break
                runs += 1
                self.run()
            self.clock.advance(minutes=5)
        return runs


class SlowCA(OddCA):
    """A CA with a right clock, which issues at the second request."""

    def __init__(self, clock: HandClock) -> None:
        super().__init__()
        self.clock = clock

    def issue(self, request: Request) -> Issued | PendingAnswer:
        if request.handle is None:
            return PendingAnswer("handle", request.now + timedelta(seconds=30), request.now + DAY)
        self.leaf = {"begins": self.clock.now - START - timedelta(minutes=1)}
        return super().issue(request)


def first(ttl: str) -> Callable[[], Scene]:
    def set_up() -> Scene:
        scene = Scene()
        scene.want(_spec(ttl))
        return scene

    return set_up


def renewal(ttl: str) -> Callable[[], Scene]:
    def set_up() -> Scene:
        scene = first(ttl)()
        assert scene.run() == "certificate.issued"
        scene.clock.now = scene.record().renew_at
        return scene

    return set_up


def polled() -> Scene:
    scene = Scene()
    scene.issuers.known["main"] = OpenIssuer(SlowCA(scene.clock), "slow")
    scene.want(_spec("90d"))
    assert scene.run() == "pending"
    scene.clock.advance(seconds=30)
    return scene


def _spec(ttl: str) -> Spec:
    key = {"algorithm": "EC_prime256v1"}
    return spec(attributes={"common-name": "www.example.com", "ttl": ttl}, **{"private-key": key})


SCENES = {
    "first issue": first("90d"), "first issue, short-lived": first("1h"), "renewal": renewal("90d"),
    "renewal, short-lived": renewal("1h"), "poll": polled,
}  # fmt: skip


@pytest.mark.parametrize("jump", JUMPS, ids=str)
@pytest.mark.parametrize("name", SCENES)
def test_clock_that_jumps_during_a_run_harms_nothing(name: str, jump: timedelta) -> None:
    for after in range(1, CALLS):
        scene = SCENES[name]()
        before, events = scene.bundle, len(announced(scene))
        if not scene.run_with(jump, after):
            return
        if before is not None and scene.bundle != before and scene.works(before):
            assert scene.works(scene.bundle), after
        runs = scene.live(timedelta(minutes=20))
        assert scene.works(scene.bundle), after
        assert scene.record().state == "ready", after
        assert runs < 10
        assert 1 <= len(announced(scene)) - events <= 4, (after, announced(scene))
    raise AssertionError(f"more than {CALLS} steps")


@pytest.mark.parametrize("jump", JUMPS, ids=str)
@pytest.mark.parametrize("name", SCENES)
def test_run_with_a_wrong_clock_is_repaired_within_a_day(name: str, jump: timedelta) -> None:
    scene = SCENES[name]()
    scene.run_with(jump, 0)
    runs = scene.live(25 * HOUR)
    assert scene.works(scene.bundle)
    facts = scene.record().facts
    assert isinstance(facts, Facts)
    assert facts.fingerprint_sha256 == scene.bundle.chain.fingerprint_sha256
    assert scene.record().state == "ready"
    assert runs < (120 if "short" in name else 12)


@pytest.mark.parametrize("jump", [HOUR, DAY, 400 * DAY], ids=str)
def test_certificate_of_a_wrong_clock_is_not_delivered_later(jump: timedelta) -> None:
    scene = renewal("90d")()
    before = scene.bundle
    scene.destinations.known["here"].errors.append(Unavailable("away"))
    scene.run_with(jump, 0)
    assert scene.record().pending.chain is not None
    assert scene.bundle is before
    scene.live(timedelta(minutes=20))
    assert scene.bundle is not before
    assert scene.works(scene.bundle)
    assert scene.record().state == "ready"


def test_failed_reissue_of_an_early_certificate_is_critical() -> None:
    scene = first("90d")()
    scene.run_with(400 * DAY, 0)
    scene.issuers.known["main"] = OpenIssuer(OddCA(), "self-signed")
    scene.destinations.known["here"].refuses = Misconfigured("no right")
    assert scene.run() == "certificate.failed"
    assert scene.announcer.announced[-1].severity == "critical"
