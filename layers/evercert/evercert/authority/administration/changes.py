"""Read, check and write a change of a caller; retry if an object changed concurrently."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from evercert.authority.api_errors import bad_request
from evercert.authority.configuration.identity import Identity
from evercert.authority.configuration.named_policy import NamedPolicy
from evercert.authority.configuration.profiles import Application, Profile
from evercert.authority.contracts.management import (
    Action,
    AuditEntry,
    Change,
    ChangedMeanwhile,
    Managed,
    ManagedConfiguration,
)
from evercert.canonical_json import canonical_json
from evercert.errors import Unavailable

ATTEMPTS = 4
MAX_OTHERS = 90  # profiles that change together with their policy
MAX_WRITES = 100  # of a transaction
MAX_OBJECTS = 500  # of one kind in a project: calls read all of a kind
MAX_ITEM = 380_000  # bytes of an object or an audit entry; DynamoDB stores 400 KB
MAX_CHANGE = 3_500_000  # bytes of a change; a transaction has 4 MB
_KINDS: dict[type[Managed], str] = {
    NamedPolicy: "policy",
    Profile: "profile",
    Application: "application",
    Identity: "identity",
}


@dataclass(frozen=True)
class Replacement:
    """An object that changes together with another one."""

    before: Managed
    after: Managed

    @property
    def audited(self) -> bool:
        """Return whether it has an audit entry; the entry of a policy covers the copies in its profiles."""
        return isinstance(self.after, Application | Identity)


@dataclass(frozen=True)
class Plan:
    """A change of one object, and the answer of the call.

    `before` is None for a new object, `after` for a deleted one; `others` change together with it.
    """

    before: Managed | None
    after: Managed | None
    answer: dict[str, Any]
    others: tuple[Replacement, ...] = ()

    @property
    def action(self) -> Action:
        """Return the action of the audit entry."""
        return "create" if self.before is None else "delete" if self.after is None else "change"


@dataclass(frozen=True)
class Changes:
    """Run changes; each attempt opens the configuration again, so that it checks what it replaces."""

    open: Callable[[], ManagedConfiguration]
    clock: Callable[[], datetime]

    def run(self, identity: Identity, plan: Callable[[ManagedConfiguration], Plan]) -> dict[str, Any]:
        """Write the planned change with its audit entry; return the answer.

        A plan without a difference writes nothing. Raise Refusal (of `plan`), Unavailable, Misconfigured.
        """
        for _ in range(ATTEMPTS):
            try:
                return self._attempt(identity, plan)
            except ChangedMeanwhile:
                continue
        raise Unavailable(
            f"change not written: other calls changed the same objects during {ATTEMPTS} attempts; try again"
        )

    def _attempt(self, identity: Identity, plan: Callable[[ManagedConfiguration], Plan]) -> dict[str, Any]:
        configuration = self.open()
        planned = plan(configuration)
        if differ(planned.before, planned.after) or planned.others:
            change = self._change(identity, planned)
            _require_storable(change)
            configuration.apply(change)
        return planned.answer

    def _change(self, identity: Identity, plan: Plan) -> Change:
        entries = [self._entry(identity, plan.action, plan.before, plan.after)]
        entries += [self._entry(identity, "change", one.before, one.after) for one in plan.others if one.audited]
        puts = () if plan.after is None else (plan.after,)
        removals = (plan.before,) if plan.before is not None and plan.after is None else ()
        return Change(tuple(entries), (*puts, *(one.after for one in plan.others)), removals)

    def _entry(self, identity: Identity, action: Action, before: Managed | None, after: Managed | None) -> AuditEntry:
        subject = after or before
        if subject is None:
            raise ValueError("a change needs an object")
        return AuditEntry(
            id=str(uuid.uuid4()),
            at=self.clock(),
            identity=identity.id,
            identity_name=identity.name,
            action=action,
            kind=_KINDS[type(subject)],
            object_id=subject.id,
            object_name=subject.name if isinstance(subject, Application | Identity) else subject.key,
            before=None if before is None else without_secret_hashes(before),
            after=None if after is None else without_secret_hashes(after),
        )


def differ(before: Managed | None, after: Managed | None) -> bool:
    """Return whether the stored documents differ; unequal models may have equal documents."""
    if before is None or after is None:
        return before is not after
    return _document(before) != _document(after)


def _document(thing: Managed) -> dict[str, Any]:
    return thing.model_dump(mode="json", by_alias=True)


def _require_storable(change: Change) -> None:
    """Raise Refusal (400) if the change has more writes or bytes than a transaction of DynamoDB."""
    writes = sum(_writes(thing) for thing in (*change.puts, *change.removals)) + len(change.entries)
    if writes > MAX_WRITES:
        raise bad_request(
            f"The change needs {writes} writes, but at most {MAX_WRITES} are possible: change some objects first"
        )
    sizes = [_size(_document(thing)) for thing in change.puts]
    sizes += [_size(entry.before) + _size(entry.after) for entry in change.entries]
    if max(sizes) > MAX_ITEM:
        raise bad_request(
            f"The change stores {max(sizes)} bytes in one object, but at most {MAX_ITEM} are possible: shorten it"
        )
    if sum(sizes) > MAX_CHANGE:
        raise bad_request(
            f"The change stores {sum(sizes)} bytes, but at most {MAX_CHANGE} are possible: change some objects first"
        )


def _writes(thing: Managed) -> int:
    """Return the writes for an object: an identity reserves its name and its client id."""
    return 3 if isinstance(thing, Identity) else 1


def _size(document: Mapping[str, Any] | None) -> int:
    return 0 if document is None else len(canonical_json(dict(document)).encode())


def require_room(kind: str, existing: int) -> None:
    """Raise Refusal (400) if a project cannot have another object of a kind."""
    if existing >= MAX_OBJECTS:
        raise bad_request(f"The project has {existing} {kind}, the maximum: delete some first")


def without_secret_hashes(thing: Managed) -> dict[str, Any]:
    """Return the document of an object without the hashes of client secrets."""
    if isinstance(thing, Identity) and thing.universal is not None:
        secrets = tuple(secret.model_copy(update={"digest": ""}) for secret in thing.universal.secrets)
        thing = thing.model_copy(update={"universal": thing.universal.model_copy(update={"secrets": secrets})})
    return _document(thing)
