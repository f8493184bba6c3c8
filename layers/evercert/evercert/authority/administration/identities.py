"""Machine identities of projects and their permissions."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, cast

from pydantic import AfterValidator, BeforeValidator, Field

from evercert.authority.administration.bodies import read
from evercert.authority.administration.changes import Changes, Plan, require_room
from evercert.authority.administration.project_access import Caller
from evercert.authority.api_errors import bad_request, invalid, not_found, permission_denied
from evercert.authority.configuration.identity import TOKEN_LOGINS, Grant, Identity, Permission, all_profiles_of
from evercert.authority.configuration.profiles import id_of
from evercert.authority.contracts.management import ManagedConfiguration
from evercert.authority.registration.access import uuid_of
from evercert.authority.requests.attribute_fields import Body
from evercert.schema import text_of

SUBJECT = "identity"
Role = Literal["admin", "member", "viewer", "no-access"]
# The permissions of each role on all profiles of the project. There is no permission to read only.
ROLES: dict[Role, tuple[Permission, ...]] = {
    "admin": ("request", "read-key", "administer"),
    "member": ("request", "read-key"),
    "viewer": (),
    "no-access": (),
}
Name = Annotated[
    str,
    text_of(
        r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}",
        "must be 1 to 64 letters, digits, dots, underscores or hyphens, starting with a letter or digit",
    ),
]


def _once(values: list[Any]) -> list[Any]:
    return list(dict.fromkeys(values))


class GrantBody(Body):
    """Permissions on one profile of the project, or on all (`*`)."""

    profile: Annotated[str, text_of(r"[a-z0-9-]{1,255}|\*", "must be the slug of a profile, or *")]
    permissions: Annotated[list[Permission], Field(min_length=1), AfterValidator(_once)]


class RoleBody(Body):
    """A role in a project."""

    role: Annotated[Role, BeforeValidator(lambda word: word.lower() if isinstance(word, str) else word)]
    is_temporary: bool = False


class IdentityBody(Body):
    """The fields of an identity; `grants` replace its permissions in the project (evercert only)."""

    name: Name | None = None
    grants: Annotated[list[GrantBody], Field(max_length=100)] | None = None


class RolesBody(Body):
    """The roles of an identity in a project."""

    roles: Annotated[list[RoleBody], Field(min_length=1, max_length=10)]


@dataclass(frozen=True)
class Identities:
    """Manage identities of a project, and only their permissions in this project."""

    changes: Changes
    stack: str

    def create(self, identity: Identity, project_id: str, data: object) -> dict[str, Any]:
        """Create an identity without a login."""
        body = read(IdentityBody, data, "name")
        made_id = str(uuid.uuid4())

        def plan(configuration: ManagedConfiguration) -> Plan:
            project = self._managed(configuration, identity, project_id, "create")
            if configuration.identity_named(str(body.name)) is not None:
                raise bad_request("An identity with this name already exists")
            require_room("identities", sum(is_in_project(one, project) for one in configuration.identities()))
            grants = _grants(configuration, project, body.grants or [])
            made = Identity(id=made_id, name=str(body.name), project=project, grants=grants)
            return Plan(None, made, {"identity": self._body(made, project)})

        return self.changes.run(identity, plan)

    def list(
        self, identity: Identity, project_id: str, query: Mapping[str, str], offset: int, limit: int
    ) -> dict[str, Any]:
        """Return the identities with permissions in the project by name; `search` matches a part of the name."""
        configuration = self.changes.open()
        project, part = self._managed(configuration, identity, project_id, "read"), query.get("search", "").lower()
        found = [one for one in configuration.identities() if is_in_project(one, project) and part in one.name.lower()]
        page = found[offset : offset + limit]
        return {"identities": [self._body(one, project) for one in page], "totalCount": len(found)}

    def read(self, identity: Identity, project_id: str, name: str) -> dict[str, Any]:
        """Return an identity of the project."""
        configuration = self.changes.open()
        project = self._managed(configuration, identity, project_id, "read")
        return {"identity": self._body(self._of_project(configuration, project, name), project)}

    def change(self, identity: Identity, project_id: str, name: str, data: object) -> dict[str, Any]:
        """Replace the permissions of an identity in the project; those in other projects stay."""
        body = read(IdentityBody, data)

        def plan(configuration: ManagedConfiguration) -> Plan:
            project = self._managed(configuration, identity, project_id, "edit")
            before = self._of_project(configuration, project, name)
            if body.name not in (None, before.name):
                raise bad_request("Identities cannot be renamed: create another one with this name")
            after = before
            if body.grants is not None:
                after = _with_grants(before, project, _grants(configuration, project, body.grants))
            return Plan(before, after, {"identity": self._body(after, project)})

        return self.changes.run(identity, plan)

    def delete(self, identity: Identity, project_id: str, name: str) -> dict[str, Any]:
        """Delete an identity with its logins. Its certificates remain valid."""

        def plan(configuration: ManagedConfiguration) -> Plan:
            project = self._managed(configuration, identity, project_id, "delete")
            before = self._of_project(configuration, project, name)
            require_manages_all_projects(identity, before, "delete")
            return Plan(before, None, {"identity": self._body(before, project)})

        return self.changes.run(identity, plan)

    def membership(self, identity: Identity, project_id: str, name: str) -> dict[str, Any]:
        """Return the role of an identity in the project; `custom` for permissions that no role has."""
        configuration = self.changes.open()
        project = self._managed(configuration, identity, project_id, "read")
        return self._membership(self._of_project(configuration, project, name), project)

    def set_roles(self, identity: Identity, project_id: str, name: str, data: object) -> dict[str, Any]:
        """Give an identity the permissions of roles on all profiles of the project, instead of those it has there."""
        body = read(RolesBody, data, "roles")
        if any(one.is_temporary for one in body.roles):
            raise bad_request("isTemporary is not supported: a role is permanent until it is changed")
        wanted = {permission for one in body.roles for permission in ROLES[one.role]}

        def plan(configuration: ManagedConfiguration) -> Plan:
            project = self._managed(configuration, identity, project_id, "edit")
            before = self._of_project(configuration, project, name)
            permissions = tuple(one for one in ROLES["admin"] if one in wanted)
            grants = (Grant(profile=all_profiles_of(project), permissions=permissions),) if permissions else ()
            after = _with_grants(before, project, grants)
            return Plan(before, after, self._membership(after, project))

        return self.changes.run(identity, plan)

    def _managed(self, configuration: ManagedConfiguration, identity: Identity, project_id: str, action: str) -> str:
        project = Caller(identity).project(configuration, uuid_of(project_id) or "")
        Caller(identity).require(action, SUBJECT, project)
        return project

    @staticmethod
    def _of_project(configuration: ManagedConfiguration, project: str, name: str) -> Identity:
        found = configuration.identity(uuid_of(name) or "")
        if found is None or not is_in_project(found, project):
            raise not_found("Identity not found")
        return found

    def _body(self, identity: Identity, project: str) -> dict[str, Any]:
        fields: dict[str, str] = {"universal-auth": "universal", "aws-auth": "aws", **TOKEN_LOGINS}
        return {
            "id": identity.id,
            "name": identity.name,
            "projectId": id_of(self.stack, "project", project),
            "authMethods": [method for method, field in fields.items() if getattr(identity, field) is not None],
            "grants": [
                {"profile": grant.profile.partition("/")[2], "permissions": list(grant.permissions)}
                for grant in _in_project(identity, project)
            ],
        }

    def _membership(self, identity: Identity, project: str) -> dict[str, Any]:
        project_id = id_of(self.stack, "project", project)
        return {
            "identityMembership": {
                "id": identity.id,
                "identityId": identity.id,
                "projectId": project_id,
                "roles": [{"id": identity.id, "role": _role(identity, project), "customRoleSlug": None}],
                "identity": {"id": identity.id, "name": identity.name},
            }
        }


def is_in_project(identity: Identity, project: str) -> bool:
    """Return whether the identity was created in the project or has permissions there."""
    return identity.project == project or bool(_in_project(identity, project))


def require_manages_all_projects(caller: Identity, identity: Identity, action: str) -> None:
    """Raise Refusal (403) unless the caller manages every project in which the identity has permissions.

    Otherwise the caller could log in as the identity, and use permissions in other projects.
    """
    projects = {grant.profile.partition("/")[0] for grant in identity.grants} | {identity.project} - {""}
    if not projects or not all(caller.manages(project) for project in projects):
        raise permission_denied(
            action, SUBJECT, hint="the identity has permissions in projects that you do not manage; ask an operator"
        )


def _in_project(identity: Identity, project: str) -> list[Grant]:
    return [grant for grant in identity.grants if grant.profile.partition("/")[0] == project]


def _with_grants(identity: Identity, project: str, grants: tuple[Grant, ...]) -> Identity:
    kept = tuple(grant for grant in identity.grants if grant.profile.partition("/")[0] != project)
    return identity.model_copy(update={"grants": (*kept, *grants)})


def _grants(configuration: ManagedConfiguration, project: str, bodies: list[GrantBody]) -> tuple[Grant, ...]:
    """Return grants in the project; raise Refusal (422) for unknown profiles."""
    known = {profile.slug for profile in configuration.profiles() if profile.project == project} | {"*"}
    if unknown := [index for index, body in enumerate(bodies) if body.profile not in known]:
        raise invalid([(("grants", index, "profile"), "No such profile in the project") for index in unknown])
    return tuple(Grant(profile=f"{project}/{body.profile}", permissions=tuple(body.permissions)) for body in bodies)


def _role(identity: Identity, project: str) -> str:
    grants = _in_project(identity, project)
    if not grants:
        return "no-access"
    for role in cast("tuple[Role, ...]", ("admin", "member")):
        if [(one.profile, frozenset(one.permissions)) for one in grants] == [
            (all_profiles_of(project), frozenset(ROLES[role]))
        ]:
            return role
    return "custom"
