"""What a document of the authority has to keep to beyond its form."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError
from pydantic.alias_generators import to_camel

from evercert.authority.configuration.document_entries import Form, ProfileEntry, kebab_keys_of, problems_of
from evercert.authority.policy.evaluation import find_violations
from evercert.authority.policy.policy import Policy, kebab
from evercert.authority.policy.presets import PRESETS
from evercert.authority.requests.defaults import Defaults
from evercert.authority.requests.effective_request import EffectiveRequest
from evercert.documents.document import Path, Problem
from evercert.schema import nearest

_ANY_TIME = datetime(2000, 1, 1, tzinfo=UTC)  # defaults have no dates


@dataclass(frozen=True)
class Known:
    """What exists already: names of issuing CAs (None: not asked), and profiles as `project/slug`."""

    cas: Collection[str] | None = None
    profiles: Collection[str] = ()


def _preset_of(form: Form, profile: ProfileEntry) -> str | None:
    entry = form.policies.get(profile.policy)
    return profile.policy if entry is None else kebab_keys_of(entry).get("preset")


def find_policy(policies: dict[str, Policy], name: str) -> Policy | None:
    """Of the document, or the preset of this name."""
    return policies.get(name) or (PRESETS[name].policy if name in PRESETS else None)


def merge_defaults(form: Form, profile: ProfileEntry, policy: Policy) -> dict[str, Any]:
    """In the contract's spelling; those of a preset count where the profile says nothing, and null takes them away."""
    preset = _preset_of(form, profile)
    own = {_camel(key): _camel_keys(value) for key, value in profile.defaults.items()}
    both = {**(PRESETS[preset].defaults if preset in PRESETS else {})}
    longest = policy.validity.span
    if "ttlDays" in both and longest is not None:  # a preset that was made shorter
        both["ttlDays"] = min(both["ttlDays"], longest.days) or None
    both |= own
    return {key: value for key, value in both.items() if value is not None}


def _camel(key: str) -> str:
    return "isCA" if kebab(key) == "is-ca" else to_camel(str(kebab(key)).replace("-", "_"))


def _camel_keys(value: object) -> object:
    return {_camel(str(key)): part for key, part in value.items()} if isinstance(value, dict) else value


def check_profiles(form: Form, policies: dict[str, Policy], known: Known) -> Iterator[Problem]:
    """References that lead nowhere, names that are taken, defaults that no request could get."""
    seen: set[str] = set()
    for number, profile in enumerate(form.profiles):
        place: Path = ("profiles", number)
        key = f"{profile.project}/{profile.slug}"
        if key in seen:
            yield Problem((*place, "slug"), "Certificate profile with this name already exists in project")
        seen.add(key)
        yield from _wrong_cas(profile, place, known)
        policy = find_policy(policies, profile.policy)
        if policy is None:
            if profile.policy not in form.policies:  # or it is wrong itself
                choice = [*form.policies, *PRESETS]
                yield Problem(
                    (*place, "policy"), f"there is no policy {profile.policy!r}{nearest(profile.policy, choice)}"
                )
            continue
        yield from _wrong_defaults(merge_defaults(form, profile, policy), policy, (*place, "defaults"))


def _wrong_cas(profile: ProfileEntry, place: Path, known: Known) -> Iterator[Problem]:
    if profile.issuer_type == "self-signed":
        if profile.cas:
            yield Problem((*place, "cas"), "a self-signed profile has no CAs; leave them out")
        return
    if not profile.cas:
        yield Problem(
            (*place, "cas"), "name the issuing CAs, one for each family of keys; `evercert authority ca list`"
        )
    for index, name in enumerate(profile.cas):
        if name in profile.cas[:index]:
            yield Problem((*place, "cas", index), f"{name} is there twice")
        elif known.cas is not None and name not in known.cas:
            mend = nearest(name, list(known.cas)) if known.cas else " yet: evercert authority init makes them"
            yield Problem((*place, "cas", index), f"there is no issuing CA {name!r}{mend}")


def _wrong_defaults(defaults: dict[str, Any], policy: Policy, place: Path) -> Iterator[Problem]:
    try:
        asked = Defaults.model_validate(defaults).requested
    except ValidationError as error:
        yield from problems_of(error, Defaults, place)
        return
    wish = EffectiveRequest.of(asked)
    lists = {"key usages": wish.key_usages, "extended key usages": wish.extended_key_usages}
    complete = tuple(f"Missing required {what}" for what, words in lists.items() if words)
    # What is wrong with an empty request too is for the request to give; a list that is there is all there is of it.
    given_later = {
        one for one in find_violations(EffectiveRequest(), policy, _ANY_TIME) if not one.startswith(complete)
    }
    found = [problem for problem in find_violations(wish, policy, _ANY_TIME) if problem not in given_later]
    if found:
        yield Problem(place, f"Profile defaults violate policy: {', '.join(found)}")


def check_applications(form: Form, known: Known) -> Iterator[Problem]:
    """The same for applications, whose profiles may have been applied before."""
    profiles = {f"{profile.project}/{profile.slug}" for profile in form.profiles} | set(known.profiles)
    names: set[str] = set()
    for number, application in enumerate(form.applications):
        place: Path = ("applications", number)
        if application.name in names:
            yield Problem((*place, "name"), f"{application.name} is there twice")
        names.add(application.name)
        choice = [
            one.removeprefix(f"{application.project}/") for one in profiles if one.startswith(f"{application.project}/")
        ]
        for index, slug in enumerate(application.profiles):
            if slug in application.profiles[:index]:
                yield Problem((*place, "profiles", index), f"{slug} is there twice")
            elif slug not in choice:
                hint = nearest(slug, choice) if choice else ""
                message = f"there is no profile {slug!r} in the project {application.project}{hint}"
                yield Problem((*place, "profiles", index), message)
