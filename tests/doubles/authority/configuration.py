"""An in-memory implementation of the port Configuration."""

from __future__ import annotations

from evercert.authority.ca.definition import CA
from evercert.authority.configuration.identity import Identity
from evercert.authority.configuration.profiles import Application, EabCredential, Profile, id_of
from evercert.errors import Misconfigured

STACK = "world"


class FakeConfiguration:
    """The configuration; models are frozen, so callers cannot change it."""

    def __init__(self, *things: CA | Profile | Application | Identity | EabCredential, stack: str = STACK) -> None:
        self.stack = stack
        self._of: dict[type, dict[str, CA | Profile | Application | Identity | EabCredential]] = {}
        self._projects: dict[str, str] = {}
        self.unreadable: dict[str, Misconfigured] = {}  # CAs, by id
        self.put(*things)

    def put(self, *things: CA | Profile | Application | Identity | EabCredential) -> None:
        """Add or replace by id; create the projects."""
        for thing in things:
            self._of.setdefault(type(thing), {})[thing.id] = thing
            if isinstance(thing, Profile | Application):
                self._projects[id_of(self.stack, "project", thing.project)] = thing.project

    def remove(self, thing: CA | Profile | Application | Identity | EabCredential) -> None:
        """Remove by id."""
        self._of[type(thing)].pop(thing.id, None)

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

    def profile(self, profile_id: str) -> Profile | None:
        return self._of.get(Profile, {}).get(profile_id)

    def profiles(self) -> tuple[Profile, ...]:
        return tuple(sorted(self._of.get(Profile, {}).values(), key=lambda profile: profile.key))

    def project(self, project_id: str) -> str | None:
        return self._projects.get(project_id)

    def application(self, application_id: str) -> Application | None:
        return self._of.get(Application, {}).get(application_id)

    def identity(self, identity_id: str) -> Identity | None:
        return self._of.get(Identity, {}).get(identity_id)

    def identity_of_client(self, client_id: str) -> Identity | None:
        found = self._of.get(Identity, {}).values()
        return next((one for one in found if one.universal and one.universal.client_id == client_id), None)
