"""Policies that profiles of a project share."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_serializer

from evercert.authority.policy.policy import Policy
from evercert.schema import Model


class NamedPolicy(Model):
    """A policy with a name in its project. Each profile has a copy, which changes together with it.

    `revision` increases whenever a profile adopts the policy, so that a concurrent change of the policy fails.
    """

    id: str
    project: str
    name: str
    description: str = ""
    policy: Policy
    revision: int = Field(0, ge=0)

    @property
    def key(self) -> str:
        """Return `project/name`."""
        return f"{self.project}/{self.name}"

    @field_serializer("policy")
    def _as_written(self, policy: Policy) -> dict[str, Any]:
        """Store only the rules that were given: clients compare them with their configuration."""
        return policy.model_dump(mode="json", by_alias=True, exclude_unset=True)
