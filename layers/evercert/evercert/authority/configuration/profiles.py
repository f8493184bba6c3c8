"""Profiles and applications that operators configure."""

from __future__ import annotations

from typing import Any, Literal
from uuid import NAMESPACE_URL, uuid5

from evercert.authority.policy.policy import Policy
from evercert.schema import Model

Kind = Literal["project", "profile", "application"]


def id_of(stack: str, kind: Kind, name: str) -> str:
    """Derive a stable id from the name of a project, a profile (`project/slug`) or an application."""
    return str(uuid5(NAMESPACE_URL, f"evercert:{stack}:{kind}:{name}"))


class Profile(Model):
    """A certificate profile; `cas` are names of issuing CAs, at most one for each key family.

    `defaults` have the keys of the Infisical API: `ttlDays`, `commonName`, `keyAlgorithm`, …
    """

    id: str
    project: str
    slug: str
    description: str = ""
    issuer_type: Literal["ca", "self-signed"] = "ca"
    cas: tuple[str, ...] = ()
    policy_name: str
    policy: Policy
    defaults: dict[str, Any] = {}

    @property
    def key(self) -> str:
        """Return `project/slug`, as in grants and documents."""
        return f"{self.project}/{self.slug}"


class Application(Model):
    """A named group of profiles in one project."""

    id: str
    name: str
    project: str
    profiles: tuple[str, ...]  # slugs
