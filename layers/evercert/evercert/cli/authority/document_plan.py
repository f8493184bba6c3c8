"""Plan of `evercert authority apply`: what the documents change in the stored configuration."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from evercert.pki.algorithms import family

if TYPE_CHECKING:
    from evercert.authority.ca.definition import CA
    from evercert.authority.configuration.document import AuthorityDocument
    from evercert.authority.configuration.named_policy import NamedPolicy
    from evercert.authority.configuration.profiles import Application, Profile
    from evercert.aws.authority.configuration_writer import ConfigurationWriter
    from evercert.schema import Model


@dataclass(frozen=True)
class Stored:
    """The configuration, read once: a later write fails if any of it changed meanwhile."""

    projects: frozenset[str]
    families: Mapping[str, str]  # key family of each issuing CA, by name
    policies: Mapping[str, NamedPolicy]  # by key
    profiles: Mapping[str, Profile]  # by key
    applications: Mapping[str, Application]  # by name
    retired: Mapping[str, str]  # names of CAs that were replaced, with those of their replacements

    @classmethod
    def of(cls, configuration: ConfigurationWriter) -> Self:
        """Read the configuration."""
        issuing = [ca for ca in configuration.cas() if ca.kind == "issuing"]
        return cls(
            frozenset(configuration.projects().values()),
            {ca.name: family(ca.algorithm) for ca in issuing},
            {policy.key: policy for policy in configuration.policies()},
            {profile.key: profile for profile in configuration.profiles()},
            {application.name: application for application in configuration.applications()},
            {
                ca.name: new.name
                for ca in issuing
                if ca.status == "retired" and (new := newest(ca, issuing)) is not None
            },
        )


def newest(ca: CA, every: Iterable[CA]) -> CA | None:
    """Return the CA that replaces this one now, or None."""
    by_id = {one.id: one for one in every}
    for _ in by_id:
        found = by_id.get(ca.replaced_by or "")
        if found is None or found.status != "retired":
            return found
        ca = found
    return None


@dataclass(frozen=True)
class Step:
    """One item to write, with its values before and after."""

    kind: str
    name: str
    before: dict[str, Any]
    after: dict[str, Any]
    item: Model

    @property
    def verb(self) -> str:
        """Return the action: `create`, `change` or `unchanged`."""
        return "unchanged" if self.before == self.after else "change" if self.before else "create"


def plan(stored: Stored, documents: Iterable[AuthorityDocument], stack: str) -> list[Step]:
    """Return the steps, projects first, because profiles and applications refer to them."""
    from evercert.authority.configuration.profiles import id_of  # noqa: PLC0415
    from evercert.aws.authority.configuration import Project  # noqa: PLC0415

    old: dict[tuple[str, str], Model] = {("project", slug): Project(id="", slug=slug) for slug in stored.projects}
    old |= {("policy", key): policy for key, policy in stored.policies.items()}
    old |= {("profile", key): profile for key, profile in stored.profiles.items()}
    old |= {("application", name): application for name, application in stored.applications.items()}
    wanted: dict[tuple[str, str], Model] = {}
    profiles: list[Profile] = []
    for document in documents:
        for slug in document.projects:
            if slug not in stored.projects:
                wanted["project", slug] = Project(id=id_of(stack, "project", slug), slug=slug)
        profiles += [_profile(one, stored.profiles.get(one.key)) for one in document.profiles]
        for one in document.applications:
            wanted["application", one.name] = _application(one, stored.applications.get(one.name))
    wanted = {**_of_policies(stored, profiles), **wanted, **{("profile", one.key): one for one in profiles}}
    order = {"project": 0, "policy": 1, "profile": 2, "application": 3}
    return [
        Step(*named, plain(old[named]) if named in old else {}, plain(item), item)
        for named, item in sorted(wanted.items(), key=lambda entry: (order[entry[0][0]], entry[0][1]))
    ]


def _profile(new: Profile, stored: Profile | None) -> Profile:
    """Return the profile of a document, with stored settings for the keys of the API that it leaves out."""
    from evercert.authority.configuration.profiles import new_generation  # noqa: PLC0415

    if stored is None:
        return new.model_copy(update={"generation": new_generation()})
    kept = {name: value for name, value in _kept_settings(new, stored).items() if name not in new.model_fields_set}
    return new.model_copy(update={**kept, "generation": stored.generation})


def _kept_settings(new: Profile, stored: Profile) -> dict[str, Any]:
    """Return the stored settings of the API as far as they fit the document."""
    no_renewal = new.issuer_type == "self-signed" and stored.api is not None and stored.api.auto_renew
    api_only = stored.enrollment == "api"
    fits = new.acme is None if api_only else new.acme is not None and new.api is None
    return {
        "api": None if no_renewal or new.enrollment == "acme" else stored.api,
        "enrollment": stored.enrollment if fits else None,
    }


def _application(new: Application, stored: Application | None) -> Application:
    """Return the application of a document, with stored settings for the keys of the API that it leaves out."""
    if stored is None:
        return new
    enrollment = {slug: settings for slug, settings in stored.enrollment.items() if slug in new.profiles}
    settings = {"description": stored.description, "enrollment": enrollment}
    return new.model_copy(update={key: value for key, value in settings.items() if key not in new.model_fields_set})


def kept_by_api(stored: Stored, documents: Iterable[AuthorityDocument]) -> Iterator[str]:
    """Yield a note per object with settings of the API that its document leaves out, and that remain."""
    from evercert.authority.configuration.document import API_KEYS, APPLICATION_API_KEYS  # noqa: PLC0415

    for document in documents:
        for profile in document.profiles:
            yield from _note(f"profile {profile.key}", profile, stored.profiles.get(profile.key), API_KEYS)
        for application in document.applications:
            before = stored.applications.get(application.name)
            yield from _note(f"application {application.name}", application, before, APPLICATION_API_KEYS)


def _note(name: str, new: Model, stored: Model | None, keys: Iterable[str]) -> Iterator[str]:
    if found := [key for key in keys if key not in new.model_fields_set and getattr(stored, key, None)]:
        yield f"{name}: keeping {' and '.join(found)}, managed by the API; add the keys to the document to change them"


def _of_policies(stored: Stored, wanted: Iterable[Profile]) -> dict[tuple[str, str], Model]:
    """Return the policies of the API that the documents replace or use, and their other profiles."""
    found: dict[tuple[str, str], Model] = {}
    for profile in wanted:
        policy = stored.policies.get(f"{profile.project}/{profile.policy_name}")
        if policy is None:
            continue
        before = stored.profiles.get(profile.key)
        copied = before is not None and (before.policy_name, before.policy) == (profile.policy_name, profile.policy)
        if policy.policy == profile.policy and copied:
            continue
        found["policy", policy.key] = policy.model_copy(
            update={"policy": profile.policy, "revision": policy.revision + 1}
        )
        for other in stored.profiles.values():
            if (other.project, other.policy_name) == (profile.project, profile.policy_name):
                found["profile", other.key] = other.model_copy(update={"policy": profile.policy})
    return found


def plain(item: Model) -> dict[str, Any]:
    """Return the values of an item, as in its document."""
    return item.model_dump(mode="json", by_alias=True)
