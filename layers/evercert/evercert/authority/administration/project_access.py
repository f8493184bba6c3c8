"""Access to projects: who may see and who may manage one."""

from __future__ import annotations

from dataclasses import dataclass

from evercert.authority.api_errors import invalid, not_found, permission_denied
from evercert.authority.configuration.identity import Identity
from evercert.authority.contracts.management import ManagedConfiguration
from evercert.authority.registration.access import uuid_of

_ALL_PROJECTS = "*"


@dataclass(frozen=True)
class Caller:
    """An identity that calls the management API."""

    identity: Identity

    def sees(self, project: str) -> bool:
        """Return whether any grant is on the project, on one of its profiles, or on all."""
        projects = {grant.profile.partition("/")[0] for grant in self.identity.grants if grant.permissions}
        return bool(projects & {project, _ALL_PROJECTS})

    def require(self, action: str, subject: str, project: str) -> None:
        """Raise Refusal (403) unless the identity manages the project."""
        if not self.identity.manages(project):
            hint = f"missing permission administer on {project}/*: ask an operator to grant it"
            raise permission_denied(action, subject, hint=hint)

    def project(self, configuration: ManagedConfiguration, project_id: str | None) -> str:
        """Return the slug of a visible project; without an id, that of the only project that the identity manages.

        Raise Refusal (404, 422).
        """
        if project_id is None:
            return self._only_project()
        found = configuration.project(uuid_of(project_id) or "")
        if found is None or not self.sees(found):
            raise not_found("Project not found")
        return found

    def _only_project(self) -> str:
        slugs = {grant.profile.partition("/")[0] for grant in self.identity.grants}
        managed = [slug for slug in slugs if self.identity.manages(slug)]
        if len(managed) != 1:
            raise invalid([(("projectId",), "Required unless the identity manages exactly one project")])
        return managed[0]
