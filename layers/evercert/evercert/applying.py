"""What `apply` would change: documents beside what the table holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import uuid4

from evercert.dispatch import Nudge, Queue
from evercert.document import places
from evercert.ports import Unreadable
from evercert.record import Record
from evercert.register import Register
from evercert.spec import Component, Spec
from evercert.specs import Change, Specs

TRANSACTION = 100
NUDGES = 10
SPREAD = timedelta(hours=1)
Verb = Literal["create", "change", "repair", "delete"]


@dataclass(frozen=True)
class Step:
    """One certificate that changes, and how: key by key, before and after."""

    verb: Verb
    name: str
    differences: list[tuple[str, Any, Any]]
    change: Change | None = None
    record: Record | None = None


@dataclass
class Plan:
    """Everything that one `apply` does, in order; `conflicts` must be empty before any of it is done."""

    issuers: dict[str, Component] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    woken: list[str] = field(default_factory=list)
    conflicts: list[str] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        """Nothing to do."""
        return not self.issuers and not self.steps


@dataclass(frozen=True)
class Wanted:
    """All documents of one `apply` together."""

    issuers: Mapping[str, Component]
    specs: Sequence[Spec]
    prune: Mapping[str, str] | None = None


def plan(wanted: Wanted, specs: Specs, destinations: Register) -> Plan:
    """Reads the whole table once, and writes nothing."""
    defined = specs.issuers()
    current: dict[str, Record | Unreadable] = {record.name: record for record in specs.records()}
    result = Plan(issuers={name: d for name, d in wanted.issuers.items() if defined.get(name) != d})
    names = {spec.name for spec in wanted.specs}
    known = {**defined, **wanted.issuers}
    for spec in wanted.specs:
        if spec.issuer not in known:
            result.conflicts.append(
                f"{spec.name}: issuer {spec.issuer!r} is defined neither in the files nor in the stack"
            )
        step = _step(spec, current.get(spec.name))
        if step is None:
            result.unchanged.append(spec.name)
        else:
            result.steps.append(step)
    others = [r for r in current.values() if isinstance(r, Record) and r.name not in names]
    if wanted.prune is not None:
        gone = [r for r in others if wanted.prune.items() <= r.spec.labels.items()]
        result.steps += [Step("delete", r.name, [], record=r) for r in gone]
        others = [r for r in others if r not in gone]
    result.conflicts += _shared_places(wanted.specs, others, destinations)
    result.woken = [
        r.name
        for r in current.values()
        if isinstance(r, Record) and r.spec.issuer in result.issuers and r.name not in names
    ] + [name for name in result.unchanged if _spec(wanted, name).issuer in result.issuers]
    return result


def carry_out(result: Plan, specs: Specs, queue: Queue | None, now: datetime, *, at_once: bool = False) -> None:
    """Issuers first, then certificates; dying anywhere is mended by the same `apply` again.

    Without a queue nothing is nudged, and the schedule alone finds what is due.
    """
    for name, definition in result.issuers.items():
        specs.write_issuer(name, definition)
    changes = [step.change for step in result.steps if step.change is not None]
    for start in range(0, len(changes), TRANSACTION):
        specs.write(changes[start : start + TRANSACTION], now)
    for step in result.steps:
        if step.record is not None:
            specs.remove(step.record)
    for number, name in enumerate(sorted(result.woken)):
        specs.wake(name, now if at_once else now + SPREAD * number / len(result.woken))
    if queue is not None:
        nudge([change.record.name for change in changes] + (result.woken if at_once else []), queue)


def nudge(names: Iterable[str], queue: Queue) -> None:
    """Saves the wait for the next tick; what the queue does not take comes with it."""
    nudges = [Nudge(name) for name in names]
    for start in range(0, len(nudges), NUDGES):
        queue.send(nudges[start : start + NUDGES])


def _spec(wanted: Wanted, name: str) -> Spec:
    return next(spec for spec in wanted.specs if spec.name == name)


def _step(spec: Spec, current: Record | Unreadable | None) -> Step | None:
    if isinstance(current, Record):
        if current.spec == spec:
            return None
        record = current.model_copy(update={"spec": spec, "generation": current.generation + 1})
        return Step("change", spec.name, _differences(current.spec, spec), Change(record, current))
    record = Record(name=spec.name, uid=str(uuid4()), spec=spec, generation=1)
    verb: Verb = "create" if current is None else "repair"
    return Step(verb, spec.name, [], Change(record, current))


def _differences(before: Spec, after: Spec) -> list[tuple[str, Any, Any]]:
    old, new = _flat(before.document()), _flat(after.document())
    return [(key, old.get(key), new.get(key)) for key in sorted({*old, *new}) if old.get(key) != new.get(key)]


def _flat(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, part in value.items():
        flat |= _flat(part, f"{prefix}{key}.") if isinstance(part, dict) else {f"{prefix}{key}": part}
    return flat


def _shared_places(specs: Sequence[Spec], others: Sequence[Record], destinations: Register) -> list[str]:
    """Two certificates in one secret would overwrite each other for ever."""
    taken = {place: record.name for record in others for place in places(record.spec, destinations)}
    return [
        f"{spec.name}: {place} is already written by certificate {taken[place]} of this stack"
        for spec in specs
        for place in places(spec, destinations)
        if place in taken
    ]
