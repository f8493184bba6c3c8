"""How a schedule must end once all services work again, and how much it issued."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta

from evercert.contracts.events import Outcome
from evercert.contracts.record import Record
from evercert.pki.certificate import Chain
from tests.random.invariants import Watch
from tests.random.operator_steps import HEALING, repair_services, spec_of
from tests.random.universe import NAMES, Universe

MOST_ROUNDS = 250
BEGINNINGS = ("certificate.issued", "certificate.renewed")


@dataclass
class Figures:
    """Counts of what schedules issued and delivered."""

    schedules: int = 0
    steps: int = 0
    runs: int = 0
    outcomes: int = 0
    strikes: int = 0
    signed_by_ca: int = 0
    delivered_of_ca: int = 0
    given_up: int = 0  # signed, then superseded, deleted or overdue before a delivery
    wasted: int = 0  # signed, but neither delivered nor given up
    self_signed: int = 0
    self_signed_twice: int = 0

    def add(self, other: Figures) -> None:
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)


def heal(world: Universe, watch: Watch) -> None:
    """Repair all services and advance the clock until nothing is left to do."""
    repair_services(world)
    world.definitions.paused.clear()
    world.definitions.ca.script.clear()
    for name in NAMES:
        _come_to_terms(world, name)
    watch.look()
    ends = world.clock() + HEALING
    for _ in range(MOST_ROUNDS):
        world.tick()
        watch.look()
        world.deliver_arrived()
        watch.look()
        for name in NAMES:
            _come_to_terms(world, name)
        calm = all(map(settled, world.records()))
        if calm and world.clock() >= ends:
            return
        # P1: no wait is longer than necessary
        assert world.clock() < ends + timedelta(days=2), unsettled(world)
        due = world.next_due()
        if calm and (due is None or due > ends):
            due = ends
        world.clock.now = max(due or world.clock.now, world.clock.now + timedelta(seconds=1))
    raise AssertionError(unsettled(world))


def _come_to_terms(world: Universe, name: str) -> None:
    """Fix the problems that only an operator can: a rule of ACM, a stopped loop, a CA that issued something else."""
    record = world.record(name)
    if record is None or record.claim is not None or (record.pending is None and record.state == "ready"):
        return
    error = record.last_error
    if error is not None and "on reimport" in error.message and error.generation == record.generation:
        world.documents[name] = {**world.documents[name], "acm": f"healed {record.generation}"}
        world.edit(spec_of(world.documents[name]))
    waits = ("within one lifetime", "does not match the request")  # until a request, or for up to 30 days
    if error is not None and any(text in error.message for text in waits) and error.requested_at == record.requested_at:
        world.request(name)


def settled(record: Record) -> bool:
    return (record.state, record.claim, record.pending) == ("ready", None, None)


def unsettled(world: Universe) -> str:
    states = [
        f"{r.name}: {r.state}, due {r.due_at}, claim {r.claim}, error {r.last_error and r.last_error.message}"
        for r in world.records()
    ]
    return f"never settled: {states}; now {world.clock()}; {[(r.outcome, r.details) for r in world.reports[-6:]]}"


def judge(world: Universe, watch: Watch) -> Figures:
    """Raise AssertionError unless everything is delivered, announced and issued as often as necessary."""
    for record in world.records():
        assert record.facts is not None
        assert record.request_hash == record.spec.request_hash, "an edit was lost"
        assert record.requested_at in (None, record.served), "a request was lost"
        assert record.delivered(record.facts.revision), "a destination was forgotten"
        for component in record.spec.destinations:
            at = watch.serial_at(component.type, record.deliveries[component.key].location)
            assert at == record.facts.serial_number, f"{record.name} at {component.key}: {at}"
    _announced(world, watch)
    _imported(world)
    figures = Figures(1, runs=len(world.reports), outcomes=len(watch.outcomes), strikes=world.struck)
    _waste(world, watch, figures)
    return figures


def _announced(world: Universe, watch: Watch) -> None:
    """P4, and a consistent history: issued once, then renewed; late deliveries only of begun revisions."""
    heard = {outcome.event_id for outcome in world.announcer.announced}
    by_uid: dict[str, list[Outcome]] = {}
    alive = {record.uid for record in world.records()}
    for name in NAMES:
        for outcome in world.table.history(name):
            assert outcome.event_id in heard, f"{outcome.key} was not announced"
            by_uid.setdefault(outcome.uid, []).append(outcome)
    for (_, key), item in world.table.items.items():
        assert not key.startswith("outcome#") or "published_at" in item, f"{key} is still to be announced"
    for uid, outcomes in by_uid.items():
        outcomes.sort(key=lambda outcome: outcome.number)
        begun = [(o.type, o.revision) for o in outcomes if o.type in BEGINNINGS]
        assert [kind for kind, _ in begun].count("certificate.issued") <= 1, begun
        assert not begun or begun[0][0] == "certificate.issued", begun
        assert [revision for _, revision in begun] == sorted({revision for _, revision in begun}), begun
        revisions = {revision for _, revision in begun}
        assert {o.revision for o in outcomes if o.type == "certificate.delivered"} <= revisions
        unsaid = {which for which in watch.delivered if which[0] == uid} - {(uid, revision) for revision in revisions}
        excused = world.disturbed | watch.overdue | (_named_as_given_up(uid, outcomes) if world.went_back else set())
        assert uid not in alive or unsaid <= excused, f"delivered, but not announced: {unsaid}"


def _named_as_given_up(uid: str, outcomes: list[Outcome]) -> set[tuple[str, int]]:
    """Return the revisions that a successor's event names: a clock that was ahead made them not valid yet."""
    named = [match[1] for o in outcomes if (match := re.match(r"revision (\d+) ", o.data.get("gave_up", "")))]
    return {(uid, int(revision)) for revision in named}


def _given_up_in_doubt(world: Universe) -> set[tuple[str, int]]:
    """Return the revisions that were given up and not revoked, because a run died while it delivered them."""
    found = set()
    for outcome in (outcome for name in NAMES for outcome in world.table.history(name)):
        if match := re.match(r"revision (\d+) .*: not revoked: it may be in use$", outcome.data.get("gave_up", "")):
            found.add((outcome.uid, int(match[1])))
    return found


def _imported(world: Universe) -> None:
    """P2 in ACM: one ARN for each certificate and `Name`, even if responses were lost."""
    if world.went_back:
        return
    for (name, tag), times in Counter(world.acm.first_imports).items():
        if name not in world.touched:
            assert times <= list(world.uids.values()).count(name), f"{name} was imported {times} times as {tag!r}"


def _waste(world: Universe, watch: Watch, figures: Figures) -> None:
    """P2: if the CA remembers tokens, what it signed was delivered, or given up for a reason."""
    ca, own = world.definitions.ca, world.definitions.self_signed
    alive = {record.uid for record in world.records()}
    wasted, in_doubt = [], _given_up_in_doubt(world)
    for signed in ca.issued:
        uid, revision = which = world.tokens.get(signed, ("a deleted record", 0))
        figures.signed_by_ca += 1
        if which in watch.delivered:
            figures.delivered_of_ca += 1
        elif which in world.disturbed or which in watch.overdue or uid not in alive or uid in world.listed:
            figures.given_up += 1
        elif world.went_back and (Chain.from_pem(ca.issued[signed]).serial_number in ca.revoked or which in in_doubt):
            figures.given_up += 1  # signed by a clock that was ahead, and not valid yet
        else:
            wasted.append(f"revision {revision} of {uid}")
    figures.wasted = len(wasted)
    assert not wasted, f"issued in vain: {wasted}"
    again = Counter(own.signed) - Counter(own.signed.keys())
    figures.self_signed = own.signed.total()
    figures.self_signed_twice = again.total()
    assert again.total() <= world.struck, f"{again.total()} more than there were strikes: {world.struck}"
