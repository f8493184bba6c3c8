"""Documents from stored profiles."""

from __future__ import annotations

from typing import Any

from evercert.authority.configuration.document import VERSION
from evercert.authority.configuration.profiles import Profile
from evercert.authority.policy.policy import kebab

_NOT_IN_ENTRIES = {"id", "generation", "policy", "policy_name", "defaults"}


def exported(profile: Profile) -> dict[str, Any]:
    """Return a document with the profile and its policy; to apply it changes nothing."""
    values = profile.model_dump(mode="json", by_alias=True, exclude=_NOT_IN_ENTRIES)
    settings = {key: value for key, value in values.items() if value not in (None, "", [])}
    entry = {**settings, "policy": profile.policy_name, "defaults": _kebab_keys(profile.defaults)}
    policy = profile.policy.model_dump(mode="json", by_alias=True, exclude_none=True)
    return {"version": VERSION, "policies": {profile.policy_name: policy}, "profiles": [entry]}


def _kebab_keys(value: object) -> Any:  # noqa: ANN401 (of YAML)
    if not isinstance(value, dict):
        return value
    return {kebab(key): _kebab_keys(part) for key, part in value.items()}
