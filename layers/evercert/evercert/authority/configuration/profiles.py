"""What an operator sets up: projects, profiles, applications. Policies are in `policy`."""

from __future__ import annotations

from typing import Any, Literal
from uuid import NAMESPACE_URL, uuid5

from evercert.authority.policy.policy import Policy
from evercert.schema import Model

Kind = Literal["project", "profile", "application"]


def id_of(stack: str, kind: Kind, name: str) -> str:
    """The id of what an operator names (`project`, `project/slug`, application): the same wherever it is asked."""
    return str(uuid5(NAMESPACE_URL, f"evercert:{stack}:{kind}:{name}"))


class Profile(Model):
    """What may be asked for under one name; `cas` are names of issuing CAs, at most one for each family of keys.

    `defaults` are the contract's (§D.1), in its own spelling: `ttlDays`, `commonName`, `keyAlgorithm`, …
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
        """As grants and documents name it."""
        return f"{self.project}/{self.slug}"


class Application(Model):
    """Profiles under a name of its own; its profiles are of one project."""

    id: str
    name: str
    project: str
    profiles: tuple[str, ...]  # slugs
