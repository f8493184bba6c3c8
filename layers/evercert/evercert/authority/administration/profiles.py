"""Profiles of projects: create, change and delete; the front reads them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from evercert.authority.administration.bodies import ProfileBody, read
from evercert.authority.administration.changes import Changes, Plan, Replacement, require_room
from evercert.authority.administration.policies import policies_by_id, policy_id, require_valid_defaults
from evercert.authority.administration.profile_settings import with_settings
from evercert.authority.administration.project_access import Caller
from evercert.authority.api_errors import bad_request, forbidden, invalid, not_found
from evercert.authority.ca.definition import CA
from evercert.authority.configuration.identity import Identity
from evercert.authority.configuration.named_policy import NamedPolicy
from evercert.authority.configuration.profiles import (
    Application,
    Profile,
    id_of,
    new_generation,
)
from evercert.authority.contracts.management import ManagedConfiguration
from evercert.authority.infisical_api.profile_bodies import profile_body
from evercert.authority.registration.access import uuid_of
from evercert.pki.algorithms import family

SUBJECT = "certificate-profiles"


@dataclass(frozen=True)
class Profiles:
    """Manage profiles. Their policies and CAs are checked when they change, and again for each certificate."""

    changes: Changes
    stack: str
    address: str

    def create(self, identity: Identity, data: object) -> dict[str, Any]:
        """Create a profile; raise Refusal (403) if the project has one of this slug."""
        body, caller = read(ProfileBody, data, "slug"), Caller(identity)
        if body.policy_id is None:
            raise invalid([(("certificatePolicyId",), "Required")])

        def plan(configuration: ManagedConfiguration) -> Plan:
            project = caller.project(configuration, body.project_id)
            caller.require("create", SUBJECT, project)
            key = f"{project}/{body.slug}"
            profile_id = id_of(self.stack, "profile", key)
            if configuration.profile(profile_id) is not None:
                raise forbidden("Certificate profile with this name already exists in project")
            require_room("profiles", sum(one.project == project for one in configuration.profiles()))
            policy = self._policy(configuration, project, str(body.policy_id))
            empty = {"id": profile_id, "project": project, "slug": body.slug, "generation": new_generation()}
            blank = Profile.model_validate({**empty, "policy-name": policy.name, "policy": policy.policy})
            made = with_settings(blank, body, _ca_names(configuration, body))
            require_valid_defaults(made, made.policy)
            # Applications and grants may still name a deleted profile of this slug, if they were changed concurrently.
            others = (*_with_next_revision(configuration, policy), *_without(configuration, made))
            return Plan(None, made, self._answer(configuration, made), others)

        return self.changes.run(identity, plan)

    def change(self, identity: Identity, name: str, data: object) -> dict[str, Any]:
        """Change the given fields of a profile."""
        body = read(ProfileBody, data)

        def plan(configuration: ManagedConfiguration) -> Plan:
            before = self._writable(configuration, identity, name, "edit")
            if body.slug not in (None, before.slug):
                raise bad_request("Certificate profiles cannot be renamed: create another one with this slug")
            others: tuple[Replacement, ...] = ()
            base = before
            if body.policy_id is not None and body.policy_id != policy_id(self.stack, before):
                policy = self._policy(configuration, before.project, body.policy_id)
                base = before.model_copy(update={"policy": policy.policy, "policy_name": policy.name})
                others = _with_next_revision(configuration, policy)
            after = with_settings(base, body, _ca_names(configuration, body))
            require_valid_defaults(after, after.policy)
            return Plan(before, after, self._answer(configuration, after), others)

        return self.changes.run(identity, plan)

    def delete(self, identity: Identity, name: str) -> dict[str, Any]:
        """Delete a profile, also from its applications, with the permissions on it. Certificates remain valid."""

        def plan(configuration: ManagedConfiguration) -> Plan:
            before = self._writable(configuration, identity, name, "delete")
            return Plan(before, None, self._answer(configuration, before), _without(configuration, before))

        return self.changes.run(identity, plan)

    def _writable(self, configuration: ManagedConfiguration, identity: Identity, name: str, action: str) -> Profile:
        found, caller = configuration.profile(uuid_of(name) or ""), Caller(identity)
        if found is None or not caller.sees(found.project):
            raise not_found("Certificate profile not found")
        caller.require(action, SUBJECT, found.project)
        return found

    def _policy(self, configuration: ManagedConfiguration, project: str, name: str) -> NamedPolicy:
        found = policies_by_id(configuration, self.stack).get(name)
        if found is None or found.project != project:
            raise not_found("Certificate policy not found")
        return found

    def _answer(self, configuration: ManagedConfiguration, profile: Profile) -> dict[str, Any]:
        cas = {ca.name: ca.id for ca in configuration.every_ca().values() if isinstance(ca, CA)}
        project_id = id_of(self.stack, "project", profile.project)
        return {
            "certificateProfile": profile_body(profile, project_id, policy_id(self.stack, profile), cas, self.address)
        }


def detached(application: Application, slug: str) -> Application:
    """Return the application without a profile and its settings."""
    kept = tuple(one for one in application.profiles if one != slug)
    enrollment = {one: settings for one, settings in application.enrollment.items() if one != slug}
    return application.model_copy(update={"profiles": kept, "enrollment": enrollment})


def _without(configuration: ManagedConfiguration, profile: Profile) -> tuple[Replacement, ...]:
    """Remove a profile from applications and grants: another one of its slug must not inherit them."""
    applications = [
        Replacement(one, detached(one, profile.slug))
        for one in configuration.applications()
        if one.project == profile.project and profile.slug in one.profiles
    ]
    identities = []
    for one in configuration.identities():
        kept = tuple(grant for grant in one.grants if grant.profile != profile.key)
        if len(kept) < len(one.grants):
            identities.append(Replacement(one, one.model_copy(update={"grants": kept})))
    return (*applications, *identities)


def _with_next_revision(configuration: ManagedConfiguration, policy: NamedPolicy) -> tuple[Replacement, ...]:
    """Return the policy with its next revision, so that a concurrent change of the policy fails.

    A policy that only documents define has no item, and so no revision.
    """
    if configuration.policy(policy.id) is None:
        return ()
    return (Replacement(policy, policy.model_copy(update={"revision": policy.revision + 1})),)


def _ca_names(configuration: ManagedConfiguration, body: ProfileBody) -> tuple[str, ...] | None:
    """Return the names of the issuing CAs in the body, None without CAs; raise Refusal (404, 400)."""
    ids = body.ca_ids if body.ca_ids is not None else None if body.ca_id is None else [body.ca_id]
    if ids is None:
        return None
    if body.ca_id is not None and body.ca_id not in ids:
        raise bad_request("caId is not in caIds: add it there or leave it out")
    every = configuration.every_ca()
    found = [every.get(name) for name in ids]
    issuing = [ca for ca in found if isinstance(ca, CA) and ca.kind == "issuing"]
    if len(issuing) < len(ids):
        raise not_found("Issuing CA not found: list the CAs with GET /api/v1/cert-manager/ca")
    if retired := [ca.name for ca in issuing if ca.status == "retired"]:
        raise bad_request(f"CA {retired[0]} was replaced and issues no certificates: give the id of its replacement")
    families = [family(ca.algorithm) for ca in issuing]
    if len(set(families)) < len(families):
        raise bad_request("caIds has two CAs of one key family: give at most one EC and one RSA CA")
    return tuple(ca.name for ca in issuing)
