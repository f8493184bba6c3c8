"""The plan of a storm depends on the seed only."""

from __future__ import annotations

from tests.storm import plan

NAMES, ISSUERS = ["a-00", "b-00"], ["a", "b"]


def test_strikes_repeat_with_the_seed() -> None:
    first = plan.strikes(7, 600, 2)
    assert first == plan.strikes(7, 600, 2)
    assert first != plan.strikes(8, 600, 2)
    assert 200 < len(first) < 400
    assert {strike.kind for strike in first} == {plan.KILL, plan.FREEZE}
    assert {strike.function for strike in first} == set(plan.FUNCTIONS)
    assert all(0 < strike.at < 600 for strike in first)


def test_steps_end_every_pause() -> None:
    steps = plan.steps(7, 600, 3, NAMES, ISSUERS)
    assert steps == plan.steps(7, 600, 3, NAMES, ISSUERS)
    assert {step.kind for step in steps} == {*plan.COMMANDS, "resume"}
    for issuer in ISSUERS:
        kinds = [step.kind for step in steps if step.target == issuer and step.kind in {"pause", "resume"}]
        assert kinds.count("pause") == kinds.count("resume")
