"""Plan and carry out `apply`: compare the documents with the stored specs and write the differences."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import uuid4

from evercert.contracts.ports import Unreadable
from evercert.contracts.queue import Nudge, Queue
from evercert.contracts.record import Reason, Record
from evercert.contracts.spec_store import Change, PauseTarget, Specs
from evercert.documents.document import Kinds
from evercert.documents.spec import Component, Spec
from evercert.errors import EvercertError
from evercert.operations import delivery_places, staging
from evercert.operations.differences import differences
from evercert.operations.issuer_identity import identities
from evercert.operations.reissue import reissue_reason
from evercert.registry import Registry

TRANSACTION = 100
NUDGES = 10
SPREAD = timedelta(hours=1)
Verb = Literal["create", "change", "repair", "delete"]


@dataclass(frozen=True)
class Step:
    """Change of one certificate; `differences` are tuples of key, value before, value after.

    `reissued`: why it leads to a new certificate, or None if the delivered one remains.
    """

    verb: Verb
    name: str
    differences: list[tuple[str, Any, Any]]
    change: Change | None = None
    record: Record | None = None
    reissued: Reason | None = None


@dataclass
class Plan:
    """All changes of one `apply`, in order; carry it out only if `conflicts` is empty.

    `credentials`: action by secret name; the caller writes the secrets before it calls `carry_out`.
    `redefined`: differences of issuers that are stored already, as tuples of key, value before, value after.
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
        """Whether there is nothing to do."""
        stored = all(verb == "unchanged" for verb in self.credentials.values())
        return stored and not self.issuers and not self.steps and not self.woken


@dataclass(frozen=True)
class ApplyInput:
    """All documents of one `apply`."""

    issuers: Mapping[str, Component]
    specs: Sequence[Spec]
    prune: Mapping[str, str] | None = None
    allow_staging: bool = False  # let staging issuers replace certificates of others


def plan(wanted: ApplyInput, specs: Specs, kinds: Kinds, now: datetime, new_credentials: Collection[str] = ()) -> Plan:
    """Read all records, and plan the changes; `new_credentials` names issuers whose credentials change.

    The index of all records lags behind an `apply` of a moment ago, so records of the documents are read by name.
    """
    defined = specs.issuers()
    names = {spec.name for spec in wanted.specs}
    current: dict[str, Record | Unreadable] = {r.name: r for r in specs.records() if r.name not in names}
    current |= {record.name: record for record in specs.named(sorted(names))}
    result = Plan(issuers={name: d for name, d in wanted.issuers.items() if defined.get(name) != d})
    result.redefined = {
        name: differences(defined[name].model_dump(mode="json"), definition.model_dump(mode="json"))
        for name, definition in result.issuers.items()
        if name in defined
    }
    definitions = {**defined, **wanted.issuers}
    for spec in wanted.specs:
        result.conflicts += [
            f"{spec.name}: unknown issuer {name!r}: define it in the files or in the stack"
            for name in spec.issuer_names
            if name not in defined and name not in wanted.issuers
        ]
        found = current.get(spec.name)
        if isinstance(found, Unreadable) and found.newer:
            result.conflicts.append(f"{spec.name}: its record was {found.problem}; use that version")
        elif (step := _step(spec, found)) is None:
            result.unchanged.append(spec.name)
        else:
            record = step.change.record if step.change is not None else None
            reason = reissue_reason(record, definitions, kinds.issuers, now) if record is not None else None
            result.steps.append(replace(step, reissued=reason))
            result.notes += delivery_places.removed(spec, found, kinds.destinations)
    others = [r for r in current.values() if isinstance(r, Record) and r.name not in names]
    if wanted.prune is not None:
        gone = [r for r in others if wanted.prune.items() <= r.spec.labels.items()]
        result.steps += [Step("delete", r.name, [], record=r) for r in gone]
    conflicts, notes = delivery_places.shared(wanted.specs, others, kinds.destinations)
    result.conflicts += conflicts
    result.notes += notes
    changing = {step.name for step in result.steps}
    if not wanted.allow_staging:
        kept = [r for r in current.values() if isinstance(r, Record) and (r.name in names or r.name not in changing)]
        result.conflicts += staging.conflicts(kept, wanted.specs, defined, wanted.issuers, kinds.issuers)
    stay = [r for r in current.values() if isinstance(r, Record) and r.name not in changing]
    result.woken = _to_wake(stay, definitions, kinds.issuers, wanted.issuers, {*result.issuers, *new_credentials})
    return result


def carry_out(
    result: Plan, specs: Specs, queue: Queue | None, now: datetime, *, at_once: bool = False
) -> EvercertError | None:
    """Write issuers, then certificates; return the error of the queue, if any.

    After an interruption, the same `apply` completes the changes. Without nudges (no queue, or a queue error) the
    schedule finds what is due.
    """
    for name, definition in result.issuers.items():
        specs.write_issuer(name, definition)
    changes = [step.change for step in result.steps if step.change is not None]
    for start in range(0, len(changes), TRANSACTION):
        specs.write(changes[start : start + TRANSACTION], now)
    for step in result.steps:
        if step.record is not None:
            remove(step.record, specs)
        elif step.change is not None and step.change.record.spec.lifecycle.keep_revisions == 0:
            specs.forget(step.change.record)
    for number, name in enumerate(result.woken):
        specs.wake(name, now if at_once else now + SPREAD * number / len(result.woken), now)
    if queue is None:
        return None
    return nudge([change.record.name for change in changes] + (result.woken if at_once else []), queue)


def remove(record: Record | Unreadable, specs: Specs) -> None:
    """Delete the record and the pause of the certificate, which would stop a later one of this name. Idempotent."""
    specs.remove(record)
    specs.resume(PauseTarget(certificate=record.name))


def nudge(names: Iterable[str], queue: Queue) -> EvercertError | None:
    """Nudge the certificates instead of waiting for the next tick; return the error of the queue, if any."""
    nudges = [Nudge(name) for name in names]
    try:
        for start in range(0, len(nudges), NUDGES):
            queue.send(nudges[start : start + NUDGES])
    except EvercertError as error:
        return error
    return None


def _to_wake(
    records: Sequence[Record],
    definitions: Mapping[str, Component],
    registry: Registry,
    applied: Collection[str],
    reconfigured: Collection[str],
) -> list[str]:
    """Return the names of records whose certificate, failure or pending revision is from another issuer definition.

    `applied` are the issuers of the documents, `reconfigured` those with a change. Only the records decide, so that the
    next `apply` completes an interrupted one. The exception are new credentials, which no record shows. Records without
    a certificate come first; the order is stable between calls.
    """
    hashes = identities({name for record in records for name in record.spec.issuer_names}, definitions, registry)
    found = []
    for record in records:
        names = record.spec.issuer_names
        if not any(name in applied for name in names):
            continue
        known = {hashes.get(name) for name in names}
        stale = record.facts is not None and record.issuer_hash not in known
        error = record.last_error
        failed = error is not None and (
            error.issuer_hash != hashes.get(record.spec.issuer) or any(name in reconfigured for name in names)
        )
        requested = record.pending is not None and record.pending.issuer_hash not in known
        if stale or failed or requested:
            found.append((record.facts is not None, record.name))
    return [name for _, name in sorted(found)]


def _step(spec: Spec, current: Record | Unreadable | None) -> Step | None:
    if isinstance(current, Record):
        if current.spec == spec:
            return None
        record = current.model_copy(update={"spec": spec, "generation": current.generation + 1})
        return Step("change", spec.name, differences(current.spec.document(), spec.document()), Change(record, current))
    record = Record(name=spec.name, uid=str(uuid4()), spec=spec, generation=1)
    if current is not None:  # keep the deliveries, so that an ACM certificate keeps its ARN
        stored = {"revision": current.revision, "outcomes": current.outcomes, "deliveries": dict(current.deliveries)}
        record = record.model_copy(update={"uid": current.uid, **stored})
    verb: Verb = "create" if current is None else "repair"
    return Step(verb, spec.name, [], Change(record, current))
