"""Check references, uniqueness and defaults in an authority document."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
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
from evercert.pki.usages import purpose_conflict
from evercert.schema import nearest

_ANY_TIME = datetime(2000, 1, 1, tzinfo=UTC)  # defaults have no dates


@dataclass(frozen=True)
class Known:
    """Existing objects: names of issuing CAs (None if unknown), profiles as `project/slug`, policies by `project/name`.

    The policies are those of the API; a document may use them, or replace their rules. `retired` has the names of CAs
    that were replaced, with those of their replacements.
    """

    cas: Collection[str] | None = None
    profiles: Collection[str] = ()
    policies: Mapping[str, Policy] = field(default_factory=dict)
    retired: Mapping[str, str] = field(default_factory=dict)


def _preset_of(form: Form, profile: ProfileEntry) -> str | None:
    entry = form.policies.get(profile.policy)
    return profile.policy if entry is None else kebab_keys_of(entry).get("preset")


def find_policy(policies: Mapping[str, Policy], entry: ProfileEntry, known: Known) -> Policy | None:
    """Return the profile's policy: of the document, of the project, or the preset of this name; None without one."""
    stored = known.policies.get(f"{entry.project}/{entry.policy}")
    return policies.get(entry.policy) or stored or (PRESETS[entry.policy].policy if entry.policy in PRESETS else None)


def merge_defaults(form: Form, profile: ProfileEntry, policy: Policy) -> dict[str, Any]:
    """Merge a profile's defaults over those of its preset, with the API's keys; null removes a default."""
    preset = _preset_of(form, profile)
    own = {_camel(key): _camel_keys(value) for key, value in profile.defaults.items()}
    merged = {**(PRESETS[preset].defaults if preset in PRESETS else {})}
    longest = policy.validity.span
    if "ttlDays" in merged and longest is not None:  # the policy shortens the preset's validity
        merged["ttlDays"] = min(merged["ttlDays"], longest.days) or None
    merged |= own
    return {key: value for key, value in merged.items() if value is not None}


def _camel(key: str) -> str:
    return "isCA" if kebab(key) == "is-ca" else to_camel(str(kebab(key)).replace("-", "_"))


def _camel_keys(value: object) -> object:
    return {_camel(str(key)): part for key, part in value.items()} if isinstance(value, dict) else value


def check_profiles(form: Form, policies: dict[str, Policy], known: Known) -> Iterator[Problem]:
    """Yield dangling references, duplicate slugs, and defaults that violate the policy."""
    seen: set[str] = set()
    for number, profile in enumerate(form.profiles):
        place: Path = ("profiles", number)
        key = f"{profile.project}/{profile.slug}"
        if key in seen:
            yield Problem((*place, "slug"), "Certificate profile with this name already exists in project")
        seen.add(key)
        yield from (
            _check_external(profile, place) if profile.issuer_type == "external" else _check_cas(profile, place, known)
        )
        yield from _check_enrollment(profile, place)
        policy = find_policy(policies, profile, known)
        if policy is None:
            if profile.policy not in form.policies:  # an invalid policy was reported already
                stored = [key.partition("/")[2] for key in known.policies if key.startswith(f"{profile.project}/")]
                choice = [*form.policies, *stored, *PRESETS]
                yield Problem((*place, "policy"), f"unknown policy {profile.policy!r}{nearest(profile.policy, choice)}")
            continue
        yield from check_defaults(merge_defaults(form, profile, policy), policy, (*place, "defaults"))


def _check_enrollment(profile: ProfileEntry, place: Path) -> Iterator[Problem]:
    """Yield settings for clients that the profile does not serve."""
    if profile.enrollment == "acme" and profile.acme is None:
        yield Problem((*place, "enrollment"), "acme needs the key acme: add acme: {} or remove the key")
    if profile.enrollment == "acme" and profile.api is not None:
        yield Problem((*place, "api"), "unexpected api: the profile serves ACME clients only; remove it or enrollment")
    if profile.enrollment == "api" and profile.acme is not None:
        yield Problem((*place, "acme"), "unexpected acme: the profile serves the API only; remove it or enrollment")
    if profile.issuer_type == "self-signed" and profile.api is not None and profile.api.auto_renew:
        yield Problem((*place, "api", "auto-renew"), "self-signed profiles do not support automatic renewal: set false")


def _check_external(profile: ProfileEntry, place: Path) -> Iterator[Problem]:
    if profile.issuer is None:
        yield Problem((*place, "issuer"), "missing issuer: name an external issuer; run evercert issuer list")
    if profile.cas:
        yield Problem((*place, "cas"), "unexpected CAs: the issuer signs the certificates; leave them out")


def _check_cas(profile: ProfileEntry, place: Path, known: Known) -> Iterator[Problem]:
    if profile.issuer is not None:
        yield Problem((*place, "issuer"), "unexpected issuer: it belongs to issuer-type: external")
    if profile.issuer_type == "self-signed":
        if profile.cas:
            yield Problem((*place, "cas"), "unexpected CAs: a self-signed profile has none; leave them out")
        if profile.acme is not None:
            yield Problem(
                (*place, "acme"), "unexpected acme: a self-signed profile has no CA that signs CSRs; remove it"
            )
        return
    if not profile.cas:
        yield Problem(
            (*place, "cas"),
            "missing CAs: name one issuing CA for each key family; run evercert authority ca list",
        )
    for index, name in enumerate(profile.cas):
        if name in profile.cas[:index]:
            yield Problem((*place, "cas", index), f"duplicate CA {name}")
        elif known.cas is not None and name not in known.cas:
            remedy = nearest(name, list(known.cas)) if known.cas else "; create the CAs with evercert authority init"
            yield Problem((*place, "cas", index), f"unknown issuing CA {name!r}{remedy}")
        elif name in known.retired:
            yield Problem((*place, "cas", index), f"CA {name} was replaced: name {known.retired[name]} instead")


def check_defaults(defaults: dict[str, Any], policy: Policy, place: Path) -> Iterator[Problem]:
    """Yield invalid defaults, and the violations of the policy that no request could repair."""
    try:
        requested = Defaults.model_validate(defaults).requested
    except ValidationError as error:
        yield from problems_of(error, Defaults, place)
        return
    request = EffectiveRequest.of(requested)
    lists = {"key usages": request.key_usages, "extended key usages": request.extended_key_usages}
    final = tuple(f"Missing required {what}" for what, words in lists.items() if words)
    # A request can supply what an empty request lacks, but a default list of usages stays as it is.
    supplied_later = {
        one for one in find_violations(EffectiveRequest(), policy, _ANY_TIME) if not one.startswith(final)
    }
    found = [problem for problem in find_violations(request, policy, _ANY_TIME) if problem not in supplied_later]
    if found:
        yield Problem(place, f"Profile defaults violate policy: {', '.join(found)}")
    if conflict := purpose_conflict(request.extended_key_usages):
        yield Problem((*place, "extended-key-usages"), conflict)


def check_applications(form: Form, known: Known) -> Iterator[Problem]:
    """Yield duplicate names and unknown profiles; profiles may come from earlier documents."""
    profiles = {f"{profile.project}/{profile.slug}" for profile in form.profiles} | set(known.profiles)
    names: set[str] = set()
    for number, application in enumerate(form.applications):
        place: Path = ("applications", number)
        if application.name in names:
            yield Problem((*place, "name"), f"duplicate application {application.name}")
        names.add(application.name)
        choice = [
            one.removeprefix(f"{application.project}/") for one in profiles if one.startswith(f"{application.project}/")
        ]
        for index, slug in enumerate(application.profiles):
            if slug in application.profiles[:index]:
                yield Problem((*place, "profiles", index), f"duplicate profile {slug}")
            elif slug not in choice:
                hint = nearest(slug, choice) if choice else ""
                message = f"unknown profile {slug!r} in project {application.project}{hint}"
                yield Problem((*place, "profiles", index), message)
        for slug in application.enrollment:
            if slug not in application.profiles:
                yield Problem((*place, "enrollment", slug), f"profile {slug!r} is not among the application's profiles")
