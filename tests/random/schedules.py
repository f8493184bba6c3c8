"""Run random schedules, each determined by a seed, and shrink a failing one.

python -m tests.random.schedules --schedules 10000
python -m tests.random.schedules --only 4711
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

from tests.random.invariants import Watch
from tests.random.operator_steps import Step
from tests.random.steps import begin, perform, schedule
from tests.random.verdict import Figures, heal, judge
from tests.tools.local_stack import ROOT

COUNTED = ROOT / ".local" / "random.json"  # for `make bench`, which quotes it

SHORTEST, LONGEST = 30, 45  # steps
MOST_TOLD = 3


@dataclass(frozen=True)
class Failure:
    """A schedule that broke a promise, shrunk."""

    seed: int
    steps: Sequence[Step]
    problem: str

    def __str__(self) -> str:
        lines = [f"seed {self.seed}: {self.problem}", *(f"    {step}" for step in self.steps)]
        return "\n".join(lines)


def steps_of(seed: int) -> list[Step]:
    return schedule(seed, SHORTEST + seed % (LONGEST - SHORTEST + 1))


def play(seed: int, steps: Sequence[Step]) -> Figures:
    """Run one schedule to its end; raise AssertionError, or an exception that evercert should have caught."""
    world = begin(seed)
    watch = Watch(world)
    watch.look()
    for step in steps:
        perform(world, step)
        watch.look()
    heal(world, watch)
    figures = judge(world, watch)
    figures.steps = len(steps)
    return figures


def problem_of(seed: int, steps: Sequence[Step]) -> str | None:
    try:
        play(seed, steps)
    except Exception as error:  # noqa: BLE001 (any exception is a finding)
        return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
    return None


def shortened(seed: int, steps: Sequence[Step]) -> Failure:
    """Remove every step without which the schedule fails in the same way."""
    problem = problem_of(seed, steps)
    kind = (problem or "").split(":")[0]
    size = len(steps) // 2
    while size:
        start = 0
        while start < len(steps):
            fewer = [*steps[:start], *steps[start + size :]]
            found = problem_of(seed, fewer)
            if found is not None and found.split(":")[0] == kind:
                steps, problem = fewer, found
            else:
                start += size
        size //= 2
    return Failure(seed, steps, problem or "it does not fail again")


def batch(seeds: Sequence[int]) -> tuple[Figures, list[Failure]]:
    """Run the seeds one by one; return the first failures."""
    total, failures = Figures(), []
    for seed in seeds:
        steps = steps_of(seed)
        try:
            total.add(play(seed, steps))
        except Exception:  # noqa: BLE001 (reported below)
            failures.append(shortened(seed, steps))
        if len(failures) == MOST_TOLD:
            break
    return total, failures


def run(first: int, count: int, workers: int | None = None) -> tuple[Figures, list[Failure]]:
    """Run seeds `first` to `first + count - 1` on all processors."""
    workers = workers or os.cpu_count() or 1
    size = max(1, min(50, count // workers))
    batches = [range(start, min(start + size, first + count)) for start in range(first, first + count, size)]
    total, failures = Figures(), []
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:  # a forked child shares the parent's locks
        for figures, failed in pool.map(batch, batches):
            total.add(figures)
            failures += failed
    return total, failures


def format_figures(figures: Figures) -> str:
    """Return the figures quoted in docs/maintainers/benchmarks.md."""
    useful = figures.signed_by_ca - figures.given_up
    ratio = useful / figures.delivered_of_ca if figures.delivered_of_ca else 1.0
    per_strike = figures.self_signed_twice / figures.strikes if figures.strikes else 0.0
    return (
        f"{figures.schedules} schedules, {figures.steps} steps, {figures.runs} runs, {figures.outcomes} outcomes, "
        f"{figures.strikes} deaths, lost answers and stalls\n"
        f"CA that remembers tokens: {figures.signed_by_ca} issued, {figures.given_up} of them given up by an edit, "
        f"request, delete or their own end, {figures.delivered_of_ca} revisions delivered: "
        f"issued / delivered = {ratio:.2f}\n"
        f"self-signed: {figures.self_signed} issued, {figures.self_signed_twice} of them again: "
        f"{per_strike:.4f} for each strike"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description="random schedules")
    parser.add_argument("--schedules", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**9))
    parser.add_argument("--only", type=int, help="run one schedule again, with output, and shrink it")
    asked = parser.parse_args()
    if asked.only is not None:
        print(shortened(asked.only, steps_of(asked.only)))
        return 0
    print(f"seeds {asked.seed} to {asked.seed + asked.schedules - 1}", flush=True)
    began = time.monotonic()
    figures, failures = run(asked.seed, asked.schedules)
    print(format_figures(figures))
    COUNTED.parent.mkdir(exist_ok=True)
    COUNTED.write_text(json.dumps(vars(figures)))
    print(f"{time.monotonic() - began:.0f} s")
    print("\n".join(map(str, failures)))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
