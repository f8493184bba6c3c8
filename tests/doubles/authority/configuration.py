"""An in-memory implementation of the port Configuration."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from evercert.authority.ca.definition import CA
from evercert.authority.configuration.identity import Identity
from evercert.authority.configuration.named_policy import NamedPolicy
from evercert.authority.configuration.profiles import Application, EabCredential, Profile, id_of
from evercert.authority.contracts.management import AuditEntry, Change, ChangedMeanwhile, Managed
from evercert.errors import Misconfigured

STACK = "world"
_LISTS: dict[str, type] = {
    "cas": CA,
    "policies": NamedPolicy,
    "profiles": Profile,
    "applications": Application,
    "identities": Identity,
}
_READS: dict[str, type] = {
    "ca": CA,
    "policy": NamedPolicy,
    "profile": Profile,
    "application": Application,
    "identity": Identity,
}
Thing = CA | NamedPolicy | Profile | Application | Identity | EabCredential


class FakeConfiguration:
    """The configuration; models are frozen, so callers cannot change it."""

    def __init__(self, *things: Thing, stack: str = STACK) -> None:
        self.stack = stack
        self._of: dict[type, dict[str, Thing]] = {}
        self._projects: dict[str, str] = {}
        self.audit: list[AuditEntry] = []
        self.meanwhile: list[Callable[[], object]] = []
        self.before_read: dict[tuple[str, int], Callable[[], object]] = {}  # by method and number of its call
        self.unreadable: dict[str, Misconfigured] = {}  # CAs, by id
        self.put(*things)

    def put(self, *things: Thing) -> None:
        """Add or replace by id; create the projects."""
        for thing in things:
            self._of.setdefault(type(thing), {})[thing.id] = thing
            if isinstance(thing, Profile | Application):
                self._projects[id_of(self.stack, "project", thing.project)] = thing.project

    def remove(self, thing: Thing) -> None:
        """Remove by id."""
        self._of[type(thing)].pop(thing.id, None)

    def refresh(self) -> None:
        """Do nothing: each read returns the present object."""

    def eab_credential(self, credential_id: str) -> EabCredential | None:
        return self._of.get(EabCredential, {}).get(credential_id)  # type: ignore[return-value]

    def ca(self, ca_id: str) -> CA | None:
        return self._of.get(CA, {}).get(ca_id)

    def cas(self) -> tuple[CA, ...]:
        for error in self.unreadable.values():
            raise error
        return tuple(sorted(self._of.get(CA, {}).values(), key=lambda ca: ca.name))

    def every_ca(self) -> dict[str, CA | Misconfigured]:
        return {**self._of.get(CA, {}), **self.unreadable}

    def issuing_cas(self, names: Sequence[str]) -> dict[str, CA | Misconfigured]:
        return self.every_ca()

    def profile(self, profile_id: str) -> Profile | None:
        return self._of.get(Profile, {}).get(profile_id)

    def profiles(self) -> tuple[Profile, ...]:
        return tuple(sorted(self._of.get(Profile, {}).values(), key=lambda profile: profile.key))

    def policy(self, policy_id: str) -> NamedPolicy | None:
        return self._of.get(NamedPolicy, {}).get(policy_id)  # type: ignore[return-value]

    def policies(self) -> tuple[NamedPolicy, ...]:
        return tuple(sorted(self._of.get(NamedPolicy, {}).values(), key=lambda policy: policy.key))  # type: ignore[union-attr, return-value, arg-type]

    def applications(self) -> tuple[Application, ...]:
        return tuple(sorted(self._of.get(Application, {}).values(), key=lambda one: one.name))  # type: ignore[union-attr, return-value, arg-type]

    def identities(self) -> tuple[Identity, ...]:
        return tuple(sorted(self._of.get(Identity, {}).values(), key=lambda one: one.name))  # type: ignore[union-attr, return-value, arg-type]

    def identity_named(self, name: str) -> Identity | None:
        return next((one for one in self.identities() if one.name == name), None)

    def projects(self) -> dict[str, str]:
        return dict(self._projects)

    def project(self, project_id: str) -> str | None:
        return self._projects.get(project_id)

    def application(self, application_id: str) -> Application | None:
        return self._of.get(Application, {}).get(application_id)

    def identity(self, identity_id: str) -> Identity | None:
        return self._of.get(Identity, {}).get(identity_id)

    def identity_of_client(self, client_id: str) -> Identity | None:
        found = self._of.get(Identity, {}).values()
        return next((one for one in found if one.universal and one.universal.client_id == client_id), None)


class FakeReads:
    """Nothing to share: the doubles read from memory."""

    @contextmanager
    def call(self, kind: str) -> Iterator[None]:
        assert kind
        yield


class FakeManagedConfiguration:
    """One call's view of a FakeConfiguration: a change requires what it returned first, and so does a second read.

    Each function in `meanwhile` runs once before a change is written, as another caller would; one in `before_read`
    once before the call of that number of the method.
    """

    def __init__(self, shared: FakeConfiguration) -> None:
        self._shared = shared
        self._seen: dict[tuple[type, str], Thing | None] = {}
        self._listed: set[type] = set()
        self._reads: dict[str, int] = {}

    def __getattr__(self, name: str) -> Any:
        read = getattr(self._shared, name)

        def remembered(*arguments: Any) -> Any:
            self._reads[name] = self._reads.get(name, 0) + 1
            self._shared.before_read.pop((name, self._reads[name]), lambda: None)()
            found = read(*arguments)
            if name in _LISTS:
                self._remember_list(_LISTS[name], {one.id: one for one in found})
            elif name in _READS:
                self._remember(_READS[name], arguments[0], found)
            elif isinstance(found, Thing):
                self._remember(type(found), found.id, found)
            return found

        return remembered

    def _remember_list(self, kind: type, found: dict[str, Thing]) -> None:
        for key in {*found, *(key for seen, key in self._seen if seen is kind)}:
            self._remember(kind, key, found.get(key))
        self._listed.add(kind)

    def _remember(self, kind: type, key: str, thing: Thing | None) -> None:
        first = None if kind in self._listed else thing
        if self._seen.setdefault((kind, key), first) != thing:
            raise ChangedMeanwhile(f"{key} changed")

    def apply(self, change: Change) -> None:
        if self._shared.meanwhile:
            self._shared.meanwhile.pop(0)()
        things: tuple[Managed, ...] = (*change.puts, *change.removals)
        for thing in things:
            current = self._shared._of.get(type(thing), {}).get(thing.id)
            if current != self._seen.get((type(thing), thing.id)):
                raise ChangedMeanwhile(f"{thing.id} changed")
        self._require_unique_names(change)
        self._shared.put(*change.puts)
        for thing in change.removals:
            self._shared.remove(thing)
        self._shared.audit.extend(change.entries)

    def _require_unique_names(self, change: Change) -> None:
        for thing in change.puts:
            named = self._shared.identity_named(thing.name) if isinstance(thing, Identity) else None
            if named is not None and named.id != thing.id:
                raise ChangedMeanwhile(f"{named.name} is taken")
