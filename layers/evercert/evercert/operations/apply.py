"""What `apply` would change: documents beside what the table holds."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import uuid4

from evercert.contracts.ports import Unreadable
from evercert.contracts.queue import Nudge, Queue
from evercert.contracts.record import Record
from evercert.contracts.spec_store import Change, Specs
from evercert.documents.document import Kinds, places
from evercert.documents.spec import Component, Spec
from evercert.errors import EvercertError, Misconfigured
from evercert.issuance.event_data import label
from evercert.registry import Registry

TRANSACTION = 100
NUDGES = 10
SPREAD = timedelta(hours=1)
HIDDEN = "(not shown)"
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
    """Everything that one `apply` does, in order; `conflicts` must be empty before any of it is done.

    `credentials`: what becomes of each secret, by its name; whoever carries the plan out writes them first.
    `redefined`: of issuers that the stack has already, key by key, before and after.
    """

    credentials: Mapping[str, Literal["create", "change", "unchanged"]] = field(default_factory=dict)
    issuers: dict[str, Component] = field(default_factory=dict)
    redefined: dict[str, list[tuple[str, Any, Any]]] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    woken: list[str] = field(default_factory=list)
    conflicts: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        """Nothing to do."""
        stored = all(verb == "unchanged" for verb in self.credentials.values())
        return stored and not self.issuers and not self.steps and not self.woken


@dataclass(frozen=True)
class ApplyInput:
    """All documents of one `apply` together."""

    issuers: Mapping[str, Component]
    specs: Sequence[Spec]
    prune: Mapping[str, str] | None = None


def plan(wanted: ApplyInput, specs: Specs, kinds: Kinds, mended: Collection[str] = ()) -> Plan:
    """Reads the whole table once, and writes nothing; `mended`: issuers whose credentials change with it."""
    defined = specs.issuers()
    current: dict[str, Record | Unreadable] = {record.name: record for record in specs.records()}
    result = Plan(issuers={name: d for name, d in wanted.issuers.items() if defined.get(name) != d})
    result.redefined = {
        name: _differences(defined[name].model_dump(mode="json"), definition.model_dump(mode="json"))
        for name, definition in result.issuers.items()
        if name in defined
    }
    for spec in wanted.specs:
        if spec.issuer not in {**defined, **wanted.issuers}:
            result.conflicts.append(
                f"{spec.name}: issuer {spec.issuer!r} is defined neither in the files nor in the stack"
            )
        found = current.get(spec.name)
        if isinstance(found, Unreadable) and found.newer:
            result.conflicts.append(f"{spec.name}: its record was {found.problem}; use that one")
        elif (step := _step(spec, found)) is None:
            result.unchanged.append(spec.name)
        else:
            result.steps.append(step)
            result.notes += _left_behind(spec, found)
    names = {spec.name for spec in wanted.specs}
    others = [r for r in current.values() if isinstance(r, Record) and r.name not in names]
    if wanted.prune is not None:
        gone = [r for r in others if wanted.prune.items() <= r.spec.labels.items()]
        result.steps += [Step("delete", r.name, [], record=r) for r in gone]
    _find_shared_places(result, wanted.specs, others, kinds.destinations)
    changing = {step.name for step in result.steps}
    stay = [r for r in current.values() if isinstance(r, Record) and r.name not in changing]
    result.woken = _to_wake(stay, wanted.issuers, kinds.issuers, {*result.issuers, *mended})
    return result


def carry_out(
    result: Plan, specs: Specs, queue: Queue | None, now: datetime, *, at_once: bool = False
) -> EvercertError | None:
    """Issuers first, then certificates; dying anywhere is mended by the same `apply` again.

    Without a queue nothing is nudged, and the schedule alone finds what is due; the same if the queue refuses, and the
    answer says why.
    """
    for name, definition in result.issuers.items():
        specs.write_issuer(name, definition)
    changes = [step.change for step in result.steps if step.change is not None]
    for start in range(0, len(changes), TRANSACTION):
        specs.write(changes[start : start + TRANSACTION], now)
    for step in result.steps:
        if step.record is not None:
            specs.remove(step.record)
    for number, name in enumerate(result.woken):
        specs.wake(name, now if at_once else now + SPREAD * number / len(result.woken), now)
    if queue is None:
        return None
    return nudge([change.record.name for change in changes] + (result.woken if at_once else []), queue)


def nudge(names: Iterable[str], queue: Queue) -> EvercertError | None:
    """Saves the wait for the next tick; what the queue does not take comes with it."""
    nudges = [Nudge(name) for name in names]
    try:
        for start in range(0, len(nudges), NUDGES):
            queue.send(nudges[start : start + NUDGES])
    except EvercertError as error:
        return error
    return None


def _to_wake(
    records: Iterable[Record], issuers: Mapping[str, Component], register: Registry, mended: Collection[str]
) -> list[str]:
    """Those whose certificate, failure or revision under way is of another issuer than the one that is defined now.

    Judged by what each record says, not by what this `apply` writes: an interrupted one is finished by the next. Only
    what no record tells (a login that was mended) is judged by what changes. Without a certificate first; their order,
    and so their moments, stay the same from one `apply` to the next.
    """
    hashes = {name: register.identity_hash(definition) for name, definition in issuers.items()}
    found = []
    for record in records:
        wanted = hashes.get(record.spec.issuer)
        stale = record.facts is not None and record.issuer_hash != wanted
        error = record.last_error
        failed = error is not None and (error.issuer_hash != wanted or record.spec.issuer in mended)
        asked = record.pending is not None and record.pending.issuer_hash != wanted
        if wanted is not None and (stale or failed or asked):
            found.append((record.facts is not None, record.name))
    return [name for _, name in sorted(found)]


def _step(spec: Spec, current: Record | Unreadable | None) -> Step | None:
    if isinstance(current, Record):
        if current.spec == spec:
            return None
        record = current.model_copy(update={"spec": spec, "generation": current.generation + 1})
        return Step(
            "change", spec.name, _differences(current.spec.document(), spec.document()), Change(record, current)
        )
    record = Record(name=spec.name, uid=str(uuid4()), spec=spec, generation=1)
    if current is not None:  # what destinations have stays known: an ACM certificate keeps its ARN
        kept = {"revision": current.revision, "outcomes": current.outcomes, "deliveries": dict(current.deliveries)}
        record = record.model_copy(update={"uid": current.uid, **kept})
    verb: Verb = "create" if current is None else "repair"
    return Step(verb, spec.name, [], Change(record, current))


def _left_behind(spec: Spec, current: Record | Unreadable | None) -> list[str]:
    """What a destination that is no longer named goes on holding."""
    if not isinstance(current, Record):
        return []
    named = {component.key for component in spec.destinations}
    return [
        f"{spec.name}: {label(component)} is no longer a destination; what it holds is left as it is ({here.location})"
        for component in current.spec.destinations
        if component.key not in named and (here := current.deliveries.get(component.key)) and here.location
    ]


def _differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """What is long, or may hold what an agent's hook was told, only as changed."""
    old, new = _flat(before), _flat(after)
    return [
        (key, HIDDEN, HIDDEN) if key == "ca-bundle" or key.startswith("agent.") else (key, old.get(key), new.get(key))
        for key in sorted({*old, *new})
        if old.get(key) != new.get(key)
    ]


def _flat(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, part in value.items():
        flat |= _flat(part, f"{prefix}{key}.") if isinstance(part, dict) else {f"{prefix}{key}": part}
    return flat


def _find_shared_places(result: Plan, specs: Sequence[Spec], others: Sequence[Record], destinations: Registry) -> None:
    """Two certificates in one secret would overwrite each other for ever; a deleted one leaves its secret behind."""
    taken: dict[str, str] = {}
    for record in others:
        try:
            taken |= dict.fromkeys(places(record.spec, destinations), record.name)
        except Misconfigured as error:
            result.notes.append(f"{record.name}, in the stack: {error}; it is not compared with the files")
    result.conflicts += [
        f"{spec.name}: {place} belongs to certificate {taken[place]} of this stack"
        for spec in specs
        for place in places(spec, destinations)
        if place in taken
    ]
