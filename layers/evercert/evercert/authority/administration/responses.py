"""Response bodies of the management API, with the field names of the Infisical API."""

from __future__ import annotations

from typing import Any

from pydantic.alias_generators import to_camel

from evercert.authority.configuration.named_policy import NamedPolicy
from evercert.authority.configuration.profiles import Application
from evercert.authority.policy.policy import POLICY_NAMES

_PARTS = ("subject", "sans", "keyUsages", "extendedKeyUsages", "algorithms", "validity", "basicConstraints")


def policy_body(policy: NamedPolicy, project_id: str) -> dict[str, Any]:
    """Return a policy with its rules as they were written, None for rules that were left out."""
    stored = policy.policy.model_dump(mode="json", by_alias=True, exclude_unset=True)
    rules = dict(_camel(stored))
    if algorithms := rules.get("algorithms"):
        rules["algorithms"] = {
            name: None if values is None else [POLICY_NAMES.get(value, value) for value in values]
            for name, values in algorithms.items()
        }
    return {
        "id": policy.id,
        "projectId": project_id,
        "name": policy.name,
        "description": policy.description or None,
        **{part: rules.get(part) for part in _PARTS},
    }


def application_body(application: Application, project_id: str) -> dict[str, Any]:
    """Return an application."""
    return {
        "id": application.id,
        "name": application.name,
        "description": application.description or None,
        "projectId": project_id,
    }


def _camel(value: Any) -> Any:  # noqa: ANN401 (any JSON value)
    if isinstance(value, list):
        return [_camel(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        "isCA" if key == "is-ca" else to_camel(str(key).replace("-", "_")): _camel(part) for key, part in value.items()
    }
