"""Parse `authority/v1` documents: policies, profiles and applications."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import ValidationError

from evercert.authority.configuration.document_entries import (
    ApplicationEntry,
    Form,
    ProfileEntry,
    kebab_keys_of,
    problems_of,
)
from evercert.authority.configuration.document_rules import (
    Known,
    check_applications,
    check_profiles,
    find_policy,
    merge_defaults,
)
from evercert.authority.configuration.profiles import Application, Profile, id_of
from evercert.authority.policy.policy import Policy, kebab, kebab_keys
from evercert.authority.policy.presets import PRESETS
from evercert.documents.document import AGENT_VERSIONS, AUTHORITY_VERSION, Problem
from evercert.documents.document import VERSION as OTHER_VERSION
from evercert.schema import nearest

__all__ = ["VERSION", "AuthorityDocument", "Known", "read"]

VERSION = AUTHORITY_VERSION
# Keys that the API sets, too. If an entry leaves one out, `model_fields_set` of its profile or application does not
# have it, and the stored value remains.
API_KEYS = ("api", "enrollment")
APPLICATION_API_KEYS = ("description", "enrollment")
_NOTHING = Known()


@dataclass(frozen=True)
class AuthorityDocument:
    """The contents of a document, which leaves everything else unchanged. `projects` are slugs."""

    policies: dict[str, Policy]
    projects: tuple[str, ...]
    profiles: tuple[Profile, ...]
    applications: tuple[Application, ...]


def read(data: object, stack: str, known: Known = _NOTHING) -> AuthorityDocument | list[Problem]:
    """Return the document, or every problem in it."""
    if not isinstance(data, dict):
        return [Problem((), f"not a document: must be a mapping with version: {VERSION}, policies: and profiles:")]
    if data.get("version") in (OTHER_VERSION, *AGENT_VERSIONS):
        return [Problem(("version",), f"not an authority document ({VERSION}); apply it with evercert apply FILE")]
    found, policies = _policies(kebab_keys_of(data).get("policies"))
    try:
        form = Form.model_validate(data)
    except ValidationError as error:
        return [*problems_of(error, Form), *found]
    found += [*check_profiles(form, policies, known), *check_applications(form, known)]
    return found or _resolved(form, policies, stack, known)


def _policies(raw: object) -> tuple[list[Problem], dict[str, Policy]]:
    """Return the problems of invalid policies, and the valid policies by name."""
    found: list[Problem] = []
    policies: dict[str, Policy] = {}
    for name, entry in raw.items() if isinstance(raw, dict) else ():
        place = ("policies", str(name))
        if not isinstance(entry, dict):
            continue  # reported when the form is validated
        try:
            fields = dict(kebab_keys(entry))  # type: ignore[call-overload]
        except ValueError as error:
            found.append(Problem(place, str(error)))
            continue
        preset = fields.pop("preset", None)
        if preset is not None and (not isinstance(preset, str) or preset not in PRESETS):
            found.append(Problem((*place, "preset"), f"unknown preset {preset!r}{nearest(str(preset), PRESETS)}"))
            continue
        base = {} if preset is None else PRESETS[preset].policy.model_dump(mode="json", by_alias=True)
        try:
            policies[str(name)] = Policy.model_validate({**base, **fields})
        except ValidationError as error:
            found += problems_of(error, Policy, place)
    return found, policies


def _absent(entry: ProfileEntry | ApplicationEntry, keys: Iterable[str]) -> list[str]:
    return [key for key in keys if key not in entry.model_fields_set]


def _resolved(form: Form, policies: dict[str, Policy], stack: str, known: Known) -> AuthorityDocument:
    profiles = []
    for entry in form.profiles:
        policy = find_policy(policies, entry, known)
        if policy is not None:  # None was reported above
            fields = entry.model_dump(exclude={"policy", "defaults", *_absent(entry, API_KEYS)})
            fields |= {"policy": policy, "policy_name": entry.policy, "defaults": merge_defaults(form, entry, policy)}
            fields["id"] = id_of(stack, "profile", f"{entry.project}/{entry.slug}")
            profiles.append(Profile.model_validate({kebab(key): value for key, value in fields.items()}))
    applications = tuple(
        Application.model_validate(
            {
                "id": id_of(stack, "application", entry.name),
                **entry.model_dump(exclude=set(_absent(entry, APPLICATION_API_KEYS)), by_alias=True),
            }
        )
        for entry in form.applications
    )
    projects = sorted({one.project for one in form.profiles} | {one.project for one in form.applications})
    return AuthorityDocument(policies, tuple(projects), tuple(profiles), applications)
