"""The steps of random schedules, chosen and shrunk by hypothesis."""

from __future__ import annotations

import random

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.random.invariants import Watch
from tests.random.steps import begin, draw, perform
from tests.random.verdict import heal, judge


class Loop(RuleBasedStateMachine):
    """A world of certificates; checks the promises after every step, and recovery at the end."""

    @initialize(seed=st.integers(0, 10**6))
    def begins(self, seed: int) -> None:
        self.world = begin(seed)
        self.watch = Watch(self.world)

    @rule(rng=st.randoms(use_true_random=False))
    def step(self, rng: random.Random) -> None:
        perform(self.world, draw(rng))

    @invariant()
    def promises_are_kept(self) -> None:
        if hasattr(self, "watch"):
            self.watch.look()

    def teardown(self) -> None:
        if hasattr(self, "watch"):
            heal(self.world, self.watch)
            judge(self.world, self.watch)


TestLoop = Loop.TestCase
TestLoop.settings = settings(
    max_examples=60,
    stateful_step_count=30,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
