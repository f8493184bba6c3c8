"""Applications: groups of profiles with their own enrollment settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evercert.authority.administration.bodies import ApiConfigBody, ApplicationBody, read
from evercert.authority.administration.changes import Changes, Plan, require_room
from evercert.authority.administration.profile_settings import api_options
from evercert.authority.administration.profiles import detached
from evercert.authority.administration.project_access import Caller
from evercert.authority.administration.responses import application_body
from evercert.authority.api_errors import bad_request, forbidden, invalid, not_found, not_implemented
from evercert.authority.configuration.identity import Identity
from evercert.authority.configuration.profiles import Application, EnrollmentSettings, Profile, id_of
from evercert.authority.contracts.management import ManagedConfiguration
from evercert.authority.infisical_api.profile_bodies import acme_config, api_config
from evercert.authority.registration.access import uuid_of

SUBJECT = "pki-applications"
MAX_PROFILES = 100
_ON_THE_PROFILE = "ACME enrollment cannot be set per application: set acmeConfig of the certificate profile"


@dataclass(frozen=True)
class Applications:
    """Manage applications. A profile that is attached through the API has no enrollment until it is set."""

    changes: Changes
    stack: str
    address: str

    def create(self, identity: Identity, data: object) -> dict[str, Any]:
        """Create an application; its name is unique in the authority, because clients look it up by name."""
        body, caller = read(ApplicationBody, data, "name"), Caller(identity)

        def plan(configuration: ManagedConfiguration) -> Plan:
            project = caller.project(configuration, body.project_id)
            caller.require("create", SUBJECT, project)
            application_id = id_of(self.stack, "application", str(body.name))
            if configuration.application(application_id) is not None:
                raise forbidden("Application with this name already exists")
            require_room("applications", sum(one.project == project for one in configuration.applications()))
            slugs = tuple(one.slug for one in _profiles(configuration, project, body.profile_ids or []))
            made = Application(
                id=application_id,
                name=str(body.name),
                project=project,
                profiles=slugs,
                description=body.description or "",
                enrollment={slug: EnrollmentSettings() for slug in slugs},
            )
            return Plan(None, made, self._answer(made))

        return self.changes.run(identity, plan)

    def list(self, identity: Identity, query: Mapping[str, str], offset: int, limit: int) -> dict[str, Any]:
        """Return the applications of a project by name; `search` matches a part of the name."""
        configuration, caller = self.changes.open(), Caller(identity)
        project, part = caller.project(configuration, query.get("projectId")), query.get("search", "").lower()
        found = [one for one in configuration.applications() if one.project == project and part in one.name.lower()]
        bodies = [self._answer(one)["application"] for one in found[offset : offset + limit]]
        return {"applications": bodies, "totalCount": len(found)}

    def read(self, identity: Identity, name: str) -> dict[str, Any]:
        """Return the application with this id."""
        return self._answer(_visible(self.changes.open(), identity, name))

    def change(self, identity: Identity, name: str, data: object) -> dict[str, Any]:
        """Change the description of an application."""
        body = read(ApplicationBody, data)

        def plan(configuration: ManagedConfiguration) -> Plan:
            before = _writable(configuration, identity, name, "edit")
            if body.name not in (None, before.name):
                raise bad_request("Applications cannot be renamed: create another one with this name")
            after = before.model_copy(update={"description": body.description_after(before.description)})
            return Plan(before, after, self._answer(after))

        return self.changes.run(identity, plan)

    def delete(self, identity: Identity, name: str) -> dict[str, Any]:
        """Delete an application. Its profiles and certificates remain."""

        def plan(configuration: ManagedConfiguration) -> Plan:
            before = _writable(configuration, identity, name, "delete")
            return Plan(before, None, self._answer(before))

        return self.changes.run(identity, plan)

    def attach(self, identity: Identity, name: str, data: object) -> dict[str, Any]:
        """Attach profiles of the project; profiles that are already attached keep their settings."""
        body = read(ApplicationBody, data, "profileIds")

        def plan(configuration: ManagedConfiguration) -> Plan:
            before = _writable(configuration, identity, name, "edit")
            profiles = _profiles(configuration, before.project, body.profile_ids or [])
            added = [one.slug for one in profiles if one.slug not in before.profiles]
            if len(before.profiles) + len(added) > MAX_PROFILES:
                raise bad_request(f"An application has at most {MAX_PROFILES} profiles: use another application")
            settings = {slug: EnrollmentSettings() for slug in added}
            after = before.model_copy(
                update={"profiles": (*before.profiles, *added), "enrollment": {**before.enrollment, **settings}}
            )
            rows = [{"applicationId": before.id, "profileId": one.id, "profileSlug": one.slug} for one in profiles]
            return Plan(before, after, {"profiles": rows})

        return self.changes.run(identity, plan)

    def detach(self, identity: Identity, name: str, profile_id: str) -> dict[str, Any]:
        """Detach a profile, and forget its enrollment settings."""

        def plan(configuration: ManagedConfiguration) -> Plan:
            before = _writable(configuration, identity, name, "edit")
            profile = _attached(configuration, before, profile_id)
            return Plan(before, detached(before, profile.slug), {"profileId": profile.id})

        return self.changes.run(identity, plan)

    def enrollment(self, identity: Identity, name: str, profile_id: str) -> dict[str, Any]:
        """Return the enrollment settings of a profile in the application, None for types that are off."""
        configuration = self.changes.open()
        application = _visible(configuration, identity, name)
        profile = _attached(configuration, application, profile_id)
        settings = application.enrollment.get(profile.slug, EnrollmentSettings(api=profile.api))
        acme = (
            None if profile.acme_enrollment is None else acme_config(profile.acme_enrollment, self.address, profile.id)
        )
        on = profile.slug not in application.enrollment or settings.api is not None
        return {"api": api_config(settings.api) if on else None, "acme": acme, "est": None, "scep": None}

    def set_api(self, identity: Identity, name: str, profile_id: str, data: object) -> dict[str, Any]:
        """Let the application request certificates of the profile through the API."""
        options = api_options(read(ApiConfigBody, data))

        def plan(configuration: ManagedConfiguration) -> Plan:
            before = _writable(configuration, identity, name, "edit")
            profile = _attached(configuration, before, profile_id)
            after = _with_settings(before, profile, EnrollmentSettings(api=options))
            return Plan(before, after, api_config(options))

        return self.changes.run(identity, plan)

    def clear_api(self, identity: Identity, name: str, profile_id: str) -> dict[str, Any]:
        """Refuse the application's requests for certificates of the profile."""

        def plan(configuration: ManagedConfiguration) -> Plan:
            before = _writable(configuration, identity, name, "edit")
            profile = _attached(configuration, before, profile_id)
            answer = {"message": "API enrollment is disabled"}
            return Plan(before, _with_settings(before, profile, EnrollmentSettings()), answer)

        return self.changes.run(identity, plan)

    def refuse_type(self, identity: Identity, name: str, kind: str) -> dict[str, Any]:
        """Raise Refusal (501) for enrollment types that an application cannot set here."""
        _writable(self.changes.open(), identity, name, "edit")
        raise not_implemented(
            _ON_THE_PROFILE
            if kind == "acme"
            else f"{kind.upper()} enrollment is not supported: use API or ACME enrollment"
        )

    def _answer(self, application: Application) -> dict[str, Any]:
        return {"application": application_body(application, id_of(self.stack, "project", application.project))}


def _visible(configuration: ManagedConfiguration, identity: Identity, name: str) -> Application:
    found = configuration.application(uuid_of(name) or "")
    if found is None or not Caller(identity).sees(found.project):
        raise not_found("Application not found")
    return found


def _writable(configuration: ManagedConfiguration, identity: Identity, name: str, action: str) -> Application:
    found = _visible(configuration, identity, name)
    Caller(identity).require(action, SUBJECT, found.project)
    return found


def _profiles(configuration: ManagedConfiguration, project: str, ids: list[str]) -> list[Profile]:
    """Return the profiles with these ids; raise Refusal (422) with each that the project does not have."""
    found = {name: configuration.profile(name) for name in dict.fromkeys(ids)}
    present = {name: one for name, one in found.items() if one is not None and one.project == project}
    if missing := [index for index, name in enumerate(ids) if name not in present]:
        raise invalid([(("profileIds", index), "No such profile in the application's project") for index in missing])
    return list(present.values())


def _attached(configuration: ManagedConfiguration, application: Application, profile_id: str) -> Profile:
    found = configuration.profile(uuid_of(profile_id) or "")
    if found is None or found.project != application.project or found.slug not in application.profiles:
        raise not_found("This profile is not attached to the specified Application.")
    return found


def _with_settings(application: Application, profile: Profile, settings: EnrollmentSettings) -> Application:
    return application.model_copy(update={"enrollment": {**application.enrollment, profile.slug: settings}})
