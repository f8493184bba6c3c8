"""Runs whose calls AWS refuses for a while: wrong clock, throttle, unusable key. Nothing is lost or issued twice."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from evercert.errors import ClockWrong, EvercertError, Misconfigured, Throttled
from tests.doubles.fakes import Bench, spec
from tests.doubles.scripted_ca import ScriptedCA

CAUSES = {
    "wrong clock": lambda: ClockWrong("cannot do it: the clock of this machine is 12 minutes ahead of that of AWS"),
    "throttle": lambda: Throttled("cannot do it: Throttling: Rate exceeded; too many requests"),
    "disabled key": lambda: Misconfigured("cannot do it: DisabledException; the seal key cannot be used: enable it"),
}
KINDS = {"wrong clock": "unavailable", "throttle": "unavailable", "disabled key": "misconfigured"}
ROUNDS = 8  # runs until the cause is over
causes = pytest.mark.parametrize("cause", CAUSES)


def run_until_issued(bench: Bench, cause: str, refuse: Callable[[EvercertError | None], None]) -> None:
    """Run while the cause lasts, at each due time; then let it pass."""
    bench.want(spec())
    refuse(CAUSES[cause]())
    for _ in range(ROUNDS):
        bench.run()
        record = bench.record()
        assert record.claim is None and record.state != "stopped"
        assert record.due_at is not None and record.due_at > bench.clock()
        if record.last_error is not None:
            assert record.last_error.kind == KINDS[cause]
            assert record.last_error.message.isprintable()
        bench.clock.now = record.due_at
    refuse(None)
    for _ in range(ROUNDS):
        if bench.record().state == "ready":
            return
        bench.run()
        bench.clock.now = max(bench.clock(), bench.record().due_at or bench.clock())
    pytest.fail(f"not issued: {bench.record().last_error}")


def require_one(bench: Bench, ca: ScriptedCA) -> None:
    assert bench.destinations.known["here"].deliveries == 1
    assert bench.record().revision == 1
    assert len(ca.issued) == 1
    assert bench.record().last_error is None


@causes
def test_refused_seal_loses_nothing(bench: Bench, ca: ScriptedCA, cause: str) -> None:
    run_until_issued(bench, cause, lambda error: setattr(bench.seal, "error", error))
    require_one(bench, ca)


@causes
def test_refused_delivery_loses_nothing(bench: Bench, ca: ScriptedCA, cause: str) -> None:
    here = bench.destinations.open(spec().destinations[0], "web")

    def refuse(error: EvercertError | None) -> None:
        here.errors = [] if error is None else [error] * 100

    run_until_issued(bench, cause, refuse)
    require_one(bench, ca)
