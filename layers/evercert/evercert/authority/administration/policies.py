"""Policies of projects: create, read, change and delete; profiles change together with their policy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evercert.authority.administration.bodies import PolicyBody, policy_rules, read, validated
from evercert.authority.administration.changes import MAX_OTHERS, Changes, Plan, Replacement, differ, require_room
from evercert.authority.administration.project_access import Caller
from evercert.authority.administration.responses import policy_body
from evercert.authority.api_errors import Refusal, bad_request, forbidden, not_found
from evercert.authority.configuration.document_rules import check_defaults
from evercert.authority.configuration.identity import Identity
from evercert.authority.configuration.named_policy import NamedPolicy
from evercert.authority.configuration.profiles import Profile, id_of
from evercert.authority.contracts.management import ManagedConfiguration
from evercert.authority.policy.policy import Policy, kebab
from evercert.authority.registration.access import uuid_of
from evercert.canonical_json import canonical_json

SUBJECT = "certificate-policies"
MAX_SIZE = 16_384  # bytes of the rules: 90 profiles with a copy change in one transaction of 4 MB


def policies_by_id(configuration: ManagedConfiguration, stack: str) -> dict[str, NamedPolicy]:
    """Return all policies by id: stored ones, and those of documents, which only profiles have."""
    found = {policy.id: policy for policy in configuration.policies()}
    for profile in configuration.profiles():
        found.setdefault(policy_id(stack, profile), document_policy(stack, profile))
    return found


def policy_id(stack: str, profile: Profile) -> str:
    """Return the id of a profile's policy."""
    return id_of(stack, "policy", f"{profile.project}/{profile.policy_name}")


def document_policy(stack: str, profile: Profile) -> NamedPolicy:
    """Return the policy of a profile that a document defines."""
    return NamedPolicy(
        id=policy_id(stack, profile), project=profile.project, name=profile.policy_name, policy=profile.policy
    )


@dataclass(frozen=True)
class Policies:
    """Manage policies; a policy of a document is read-only until the document changes it."""

    changes: Changes
    stack: str

    def create(self, identity: Identity, data: object) -> dict[str, Any]:
        """Create a policy; raise Refusal (403) if the project has one of this name."""
        body, caller = read(PolicyBody, data, "name"), Caller(identity)
        policy = _policy(policy_rules(data))  # type: ignore[arg-type]

        def plan(configuration: ManagedConfiguration) -> Plan:
            project = caller.project(configuration, body.project_id)
            caller.require("create", SUBJECT, project)
            name = str(body.name)
            made = NamedPolicy(
                id=id_of(self.stack, "policy", f"{project}/{name}"),
                project=project,
                name=name,
                description=body.description or "",
                policy=policy,
            )
            if made.id in policies_by_id(configuration, self.stack):
                raise forbidden("Certificate policy with this name already exists in project")
            require_room("policies", sum(one.project == project for one in configuration.policies()))
            return Plan(None, made, self._answer(made))

        return self.changes.run(identity, plan)

    def list(self, identity: Identity, query: Mapping[str, str], offset: int, limit: int) -> dict[str, Any]:
        """Return the policies of a project by name; `search` matches a part of the name."""
        configuration, caller = self.changes.open(), Caller(identity)
        project, part = caller.project(configuration, query.get("projectId")), query.get("search", "").lower()
        found = [
            policy
            for policy in policies_by_id(configuration, self.stack).values()
            if policy.project == project and part in policy.name.lower()
        ]
        page = sorted(found, key=lambda policy: policy.name)[offset : offset + limit]
        return {"certificatePolicies": [self._body(policy) for policy in page], "totalCount": len(found)}

    def read(self, identity: Identity, name: str) -> dict[str, Any]:
        """Return the policy with this id."""
        return self._answer(self._visible(self.changes.open(), identity, name))

    def change(self, identity: Identity, name: str, data: object) -> dict[str, Any]:
        """Replace the given rules of a policy, and the copies of its profiles."""
        body = read(PolicyBody, data)
        given = policy_rules(data)  # type: ignore[arg-type]

        def plan(configuration: ManagedConfiguration) -> Plan:
            before = self._writable(configuration, identity, name, "edit")
            if body.name not in (None, before.name):
                raise bad_request("Certificate policies cannot be renamed: create another one, and move the profiles")
            rules = before.policy.model_dump(mode="json", by_alias=True, exclude_unset=True)
            policy = _policy({**rules, **{str(kebab(key)): value for key, value in given.items()}})
            after = before.model_copy(
                update={"policy": policy, "description": body.description_after(before.description)}
            )
            others = _changed_profiles(configuration, before, policy) if differ(before, after) else ()
            return Plan(before, after, self._answer(after), others)

        return self.changes.run(identity, plan)

    def delete(self, identity: Identity, name: str) -> dict[str, Any]:
        """Delete a policy without profiles."""

        def plan(configuration: ManagedConfiguration) -> Plan:
            before = self._writable(configuration, identity, name, "delete")
            if used := [profile.slug for profile in _profiles(configuration, before)]:
                raise bad_request(
                    f"Certificate policy is in use by {len(used)} profiles, such as {used[0]}: delete them, or change"
                    " their policy first"
                )
            return Plan(before, None, self._answer(before))

        return self.changes.run(identity, plan)

    def _visible(self, configuration: ManagedConfiguration, identity: Identity, name: str) -> NamedPolicy:
        found = policies_by_id(configuration, self.stack).get(uuid_of(name) or "")
        if found is None or not Caller(identity).sees(found.project):
            raise not_found("Certificate policy not found")
        return found

    def _writable(self, configuration: ManagedConfiguration, identity: Identity, name: str, action: str) -> NamedPolicy:
        found = self._visible(configuration, identity, name)
        Caller(identity).require(action, SUBJECT, found.project)
        stored = configuration.policy(found.id)
        if stored is None:
            raise _belongs_to_document(found)
        return stored

    def _answer(self, policy: NamedPolicy) -> dict[str, Any]:
        return {"certificatePolicy": self._body(policy)}

    def _body(self, policy: NamedPolicy) -> dict[str, Any]:
        return policy_body(policy, id_of(self.stack, "project", policy.project))


def _belongs_to_document(policy: NamedPolicy) -> Refusal:
    return bad_request(
        f"Certificate policy {policy.name} belongs to an authority document: change it there, and run evercert"
        " authority apply FILE"
    )


def _policy(rules: Mapping[str, Any]) -> Policy:
    """Return the policy with these rules; raise Refusal (422, 400)."""
    policy = validated(lambda: Policy.model_validate(rules))
    if len(canonical_json(policy.model_dump(mode="json", by_alias=True)).encode()) > MAX_SIZE:
        raise bad_request(f"Certificate policy is larger than {MAX_SIZE} bytes: use patterns instead of single values")
    return policy


def _profiles(configuration: ManagedConfiguration, policy: NamedPolicy) -> list[Profile]:
    return [
        profile
        for profile in configuration.profiles()
        if (profile.project, profile.policy_name) == (policy.project, policy.name)
    ]


def _changed_profiles(
    configuration: ManagedConfiguration, before: NamedPolicy, policy: Policy
) -> tuple[Replacement, ...]:
    """Return the profiles with the new policy; raise Refusal if one cannot have it."""
    found = _profiles(configuration, before)
    if len(found) > MAX_OTHERS:
        raise bad_request(
            f"Certificate policy has {len(found)} profiles: at most {MAX_OTHERS} can change together; move"
            " some to another policy"
        )
    for profile in found:
        require_valid_defaults(profile, policy)
    changed = [Replacement(profile, profile.model_copy(update={"policy": policy})) for profile in found]
    return tuple(one for one in changed if differ(one.before, one.after))


def require_valid_defaults(profile: Profile, policy: Policy) -> None:
    """Raise Refusal (400) if the defaults of the profile are invalid or violate the policy."""
    problems = [problem.message for problem in check_defaults(profile.defaults, policy, ())]
    if problems:
        raise bad_request(
            f"profile {profile.slug} cannot use this policy: {'; '.join(problems)}; change the defaults of the"
            " profile, or the policy"
        )
