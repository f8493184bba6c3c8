"""P1 to P8 under random schedules: lost and repeated messages, crashes, concurrent runs, edits and outages."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from typing import Any

import pytest

from evercert.aws.dynamodb.attribute_values import compressed, read, text_of, written
from tests.random.invariants import Watch
from tests.random.schedules import format_figures, problem_of, run, shortened, steps_of
from tests.random.steps import begin, perform
from tests.random.universe import Universe
from tests.random.verdict import heal, judge

SCHEDULES = int(os.environ.get("SCHEDULES", "500"))


@pytest.mark.timeout(1_800)
def test_promises_hold_under_random_schedules(capsys: pytest.CaptureFixture[str]) -> None:
    seed = random.SystemRandom().randrange(10**9)
    with capsys.disabled():
        print(f"\nrandom schedules: seeds {seed} to {seed + SCHEDULES - 1}")
        figures, failures = run(seed, SCHEDULES)
        print(format_figures(figures))
    assert not failures, "\n".join(map(str, failures))
    assert figures.schedules == SCHEDULES
    assert figures.steps >= 30 * SCHEDULES
    assert figures.wasted == 0


def test_schedule_is_determined_by_seed() -> None:
    assert steps_of(7) == steps_of(7) != steps_of(8)
    assert all(len(steps_of(seed)) >= 30 for seed in range(50))


def test_revision_of_a_clock_ahead_is_named_by_its_successor() -> None:
    """Delivered by a run that was killed before it announced it, and not valid yet once the clock was right."""
    killed, back, again = ("struck", ("run", "api"), 13, "after", ("kill",)), ("clock", -7_200), ("run", "api")
    assert problem_of(880993550, [killed, back, again]) is None


def test_same_seed_gives_same_run() -> None:
    stories = [[report.outcome for report in _played(11)] for _ in range(2)]
    assert stories[0] == stories[1]


def _played(seed: int) -> list[Any]:
    world = begin(seed)
    for step in steps_of(seed):
        perform(world, step)
    return world.reports


# -- the checks can fail: each promise broken on purpose ---------------------------------------------------------------
def _item(world: Universe) -> dict[str, Any]:
    return world.table.items["certificate#web", "record"]


def _outcome(world: Universe) -> dict[str, Any]:
    return next(item for (_, sort), item in world.table.items.items() if sort.startswith("outcome#"))


def _value(world: Universe, name: str) -> dict[str, str]:
    (text,) = world.secrets.secrets[f"evercert/certificates/{name}"]["values"].values()
    return json.loads(text)


def foreign_key(world: Universe) -> None:
    mixed = {**_value(world, "web"), "private_key": _value(world, "api")["private_key"]}
    held = world.secrets.secrets["evercert/certificates/web"]["values"]
    held[next(iter(held))] = json.dumps(mixed)


def stale_secret(world: Universe) -> None:
    secret, value = world.secrets.secrets["evercert/certificates/web"], '{"serial_number": "00"}'
    world.hand_made.add(value)
    secret["values"]["old"], secret["stages"] = value, {"old": {"AWSCURRENT"}}


def never_due_again(world: Universe) -> None:
    del _item(world)["due_at"], _item(world)["due_shard"]


def revision_taken_back(world: Universe) -> None:
    _item(world)["revision"] = {"N": "0"}


def claim_without_end(world: Universe) -> None:
    _item(world)["claim"] = {"M": {"id": {"S": "x"}, "until": {"S": "2027-01-15T13:00:00.000Z"}}}


def forgotten_request(world: Universe) -> None:
    _item(world)["requested_at"] = {"S": "2026-01-15T13:00:00.000Z"}


def key_in_the_table(world: Universe) -> None:
    body = "".join(_value(world, "web")["private_key"].split("\n")[1:-2])
    _item(world)["request_reason"] = {"S": body}


def key_in_a_kept_revision(world: Universe) -> None:
    body = "".join(_value(world, "web")["private_key"].split("\n")[1:-2])
    world.table.items["certificate#web", "revisions"]["revisions"] = written(compressed(json.dumps([body])))


def outcome_kept_back(world: Universe) -> None:
    del _outcome(world)["published_at"]


def outcome_changed(world: Universe) -> None:
    item = _outcome(world)
    item["outcome"] = {"S": text_of(read(item["outcome"])).replace("info", "critical")}


def outcome_unheard(world: Universe) -> None:
    world.announcer.announced.clear()


BROKEN = [
    (foreign_key, "not its own"), (stale_secret, "stale"), (never_due_again, "never be due"),
    (revision_taken_back, "taken back"), (claim_without_end, "without end"), (forgotten_request, "a request was forgotten"),
    (key_in_the_table, "where it must not be"), (key_in_a_kept_revision, "where it must not be"), (outcome_kept_back, "never be announced"),
    (outcome_changed, "was changed"), (outcome_unheard, "never was"),
]  # fmt: skip


@pytest.mark.parametrize(("breaks", "says"), BROKEN, ids=[b.__name__ for b, _ in BROKEN])
def test_broken_promise_is_detected(breaks: Callable[[Universe], None], says: str) -> None:
    world = begin(3)
    watch = Watch(world)
    for _ in range(2):
        perform(world, ("work",))
        watch.look()
    breaks(world)
    with pytest.raises(AssertionError, match=says):
        watch.look()


def test_distant_due_time_is_detected() -> None:
    """Make a record that is due only in ten years."""
    world = begin(3)
    watch = Watch(world)
    perform(world, ("pause", None))
    perform(world, ("work",))
    _item(world)["due_at"] = {"S": "2036-01-15T12:00:00.000Z"}
    world.messages.clear()
    watch.look()
    with pytest.raises(AssertionError, match="never settled"):
        heal(world, watch)


def test_waste_is_counted() -> None:
    world = begin(3)
    watch = Watch(world)
    perform(world, ("work",))
    heal(world, watch)
    assert judge(world, watch).signed_by_ca == 1
    (uid,) = [record.uid for record in world.records() if record.name == "web"]
    world.tokens["another"] = uid, 2
    world.definitions.ca.issued["another"] = next(iter(world.definitions.ca.issued.values()))
    with pytest.raises(AssertionError, match="issued in vain"):
        judge(world, watch)


def test_revision_in_doubt_is_no_waste_if_the_clock_went_back() -> None:
    """A run died while it delivered a certificate of the wrong clock: its successor gives it up, and revokes nothing."""
    steps: list[tuple[Any, ...]] = [
        ("struck", ("due",), 18, "before", ("stall", 700)), ("break", "secretsmanager", "throttled"), ("renewal",),
        ("clock", -7_200), ("remake", "api"), ("run", "web"),
    ]  # fmt: skip
    assert problem_of(715_373_833, steps) is None


def test_failing_schedule_is_shrunk() -> None:
    steps = [("tick",), ("edit", "web", "ttl", "no duration"), ("messages",), ("request", "api")]
    assert list(shortened(3, steps).steps) == [steps[1]]
