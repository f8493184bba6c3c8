"""Lookup of projects, profiles and applications by name or id."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evercert.authority.api_errors import invalid, not_found
from evercert.authority.ca.definition import CA
from evercert.authority.configuration.identity import Identity
from evercert.authority.configuration.profiles import Application, Profile, id_of
from evercert.authority.contracts.ports import Configuration
from evercert.authority.infisical_api.profile_bodies import profile_body
from evercert.authority.registration.access import Access, uuid_of
from evercert.schema import printable


class Lookup:
    """Find objects by name; names without a profile visible to the identity count as missing."""

    def __init__(self, configuration: Configuration, access: Access, stack: str, address: str) -> None:
        self._configuration = configuration
        self._access = access
        self._stack = stack
        self._address = address

    def project(self, identity: Identity, slug: str) -> dict[str, Any]:
        """Return the project with this slug."""
        project_id = id_of(self._stack, "project", slug)
        visible = any(profile.project == slug for profile in self._access.profiles(identity))
        if not visible or self._configuration.project(project_id) != slug:
            raise not_found(f"Project with slug '{printable(slug, 100)}' not found")
        return {"id": project_id, "slug": slug, "name": slug, "type": "cert-manager"}

    def profile_by_slug(self, identity: Identity, slug: str, project_id: str | None) -> dict[str, Any]:
        """Return the profile with this slug in the project with this id.

        Clients with one project for all certificates send no id: then the slug must be unique.
        """
        found = [one for one in self._access.profiles(identity) if one.slug == slug]
        if project_id is not None:
            found = [one for one in found if self.project_id(one) == uuid_of(project_id)]
        if not found:
            raise not_found("Certificate profile not found")
        if len(found) > 1:
            raise invalid([(("projectId",), "Required: several projects have a profile with this slug")])
        return {"certificateProfile": self._profile(found[0], self._cas())}

    def profile(self, identity: Identity, profile_id: str) -> dict[str, Any]:
        """Return the profile with this id."""
        return {"certificateProfile": self._profile(self._access.profile(identity, profile_id), self._cas())}

    def profiles(self, identity: Identity, query: Mapping[str, str], offset: int, limit: int) -> dict[str, Any]:
        """Return the profiles of a project, sorted by slug.

        `search` matches a part of the slug; the other filters match fields of the response.
        """
        if (project_id := query.get("projectId")) is None:
            raise invalid([(("projectId",), "Required")])
        wanted, part, cas = uuid_of(project_id), query.get("search", "").lower(), self._cas()
        found = [
            (one.slug, body)
            for one in self._access.profiles(identity)
            if self.project_id(one) == wanted and part in one.slug
            for body in [self._profile(one, cas)]
            if all(query.get(name, body[name]) == body[name] for name in ("enrollmentType", "issuerType"))
            and ("caId" not in query or uuid_of(query["caId"]) in [cas[name] for name in one.cas if name in cas])
        ]
        page = sorted(found, key=lambda one: one[0])[offset : offset + limit]
        return {"certificateProfiles": [body for _, body in page], "totalCount": len(found)}

    def application(self, identity: Identity, name: str) -> dict[str, Any]:
        """Return the application with this name."""
        found = self._configuration.application(id_of(self._stack, "application", name))
        if found is None or found.name != name or not self._can_see(identity, found):
            raise not_found(f"Application with name '{printable(name, 100)}' not found")
        return {"application": {"id": found.id, "name": found.name, "projectId": self._project_id(found.project)}}

    def attached(self, identity: Identity, application_id: str) -> dict[str, Any]:
        """Return the profiles of an application that are visible to the identity."""
        name = uuid_of(application_id)
        found = self._configuration.application(name) if name else None
        if found is None or not self._can_see(identity, found):
            raise not_found(f"Application with ID '{printable(application_id, 100)}' not found")
        rows = [
            {"applicationId": found.id, "profileId": one.id, "profileSlug": one.slug}
            for one in self._access.profiles(identity)
            if one.project == found.project and one.slug in found.profiles
        ]
        return {"profiles": rows}

    def project_id(self, profile: Profile) -> str:
        """Return the id of the profile's project."""
        return self._project_id(profile.project)

    def _project_id(self, project: str) -> str:
        return id_of(self._stack, "project", project)

    def _can_see(self, identity: Identity, application: Application) -> bool:
        """Return whether the identity can see any profile of the application's project.

        Not only attached profiles count, so that clients can report that one is not attached.
        """
        return any(profile.project == application.project for profile in self._access.profiles(identity))

    def _cas(self) -> dict[str, str]:
        """Return ids by name, without CAs that cannot be read."""
        return {ca.name: ca.id for ca in self._configuration.every_ca().values() if isinstance(ca, CA)}

    def _profile(self, profile: Profile, known: Mapping[str, str]) -> dict[str, Any]:
        policy_id = id_of(self._stack, "policy", f"{profile.project}/{profile.policy_name}")
        return profile_body(profile, self.project_id(profile), policy_id, known, self._address)
