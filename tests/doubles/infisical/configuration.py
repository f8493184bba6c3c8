"""The server's configuration: identities, projects, applications, profiles, policies."""

from __future__ import annotations

import hashlib
import secrets
import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tests.doubles.infisical.ca import Authority

LOCKED_AFTER = 3
LOCKED_FOR = 300
COUNTED_FOR = 30
THIRTY_DAYS = 2_592_000

ALL_PERMISSIONS = frozenset(
    {
        "read certificate-profiles",
        "issue-cert certificate-profiles",
        "read certificates",
        "read-private-key certificates",
        "edit certificates",
        "revoke certificates",
    }
)


def identifier() -> str:
    return str(uuid.uuid4())


@dataclass
class ClientSecret:
    """A client secret, stored as a hash only."""

    digest: str
    created: datetime
    ttl: int = 0  # seconds; 0: unlimited
    uses_limit: int = 0
    uses: int = 0
    revoked: bool = False


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


@dataclass
class Lockout:
    """The failed logins of one client ID, remembered until `until`."""

    failures: int = 0
    until: datetime | None = None


@dataclass
class Identity:
    """A machine identity; `methods` has the configuration of each login it may use, by the name in the path."""

    name: str
    id: str = field(default_factory=identifier)
    methods: dict[str, dict[str, Any]] = field(default_factory=dict)
    permissions: set[str] = field(default_factory=lambda: set(ALL_PERMISSIONS))
    organizations: set[str] = field(default_factory=set)  # slugs of sub-organisations it is a member of
    token_ttl: int = THIRTY_DAYS
    token_max_ttl: int = THIRTY_DAYS
    token_uses_limit: int = 0
    client_id: str = field(default_factory=identifier)
    client_secrets: list[ClientSecret] = field(default_factory=list)
    lockout: Lockout = field(default_factory=Lockout)

    def new_client_secret(self, now: datetime, *, ttl: int = 0, uses_limit: int = 0) -> str:
        """Create a client secret; its value is returned only here."""
        secret = secrets.token_hex(32)
        self.client_secrets.append(ClientSecret(digest(secret), now, ttl, uses_limit))
        self.methods.setdefault("universal", {})
        return secret


@dataclass
class Policy:
    """A policy in its JSON form; None: an older project's policy, which checks nothing."""

    rules: dict[str, Any] | None = None


@dataclass
class Profile:
    """A certificate profile."""

    slug: str
    project_id: str
    authority: Authority | None  # None: self-signed
    id: str = field(default_factory=identifier)
    enrollment: str = "api"
    external: bool = False  # an external CA: every request is queued
    policy: Policy = field(default_factory=Policy)
    defaults: dict[str, Any] = field(default_factory=dict)
    approval: bool = False  # requests need an approval


@dataclass
class Application:
    """An application; `attached` says for each profile whether its API enrollment is configured."""

    name: str
    project_id: str
    id: str = field(default_factory=identifier)
    attached: dict[str, bool] = field(default_factory=dict)


@dataclass
class Estate:
    """The complete configuration; slugs and names are unique."""

    identities: dict[str, Identity] = field(default_factory=dict)
    projects: dict[str, str] = field(default_factory=dict)  # slug → id
    applications: dict[str, Application] = field(default_factory=dict)  # by name
    profiles: dict[str, Profile] = field(default_factory=dict)  # by id
    organizations: set[str] = field(default_factory=set)

    def identity(self, name: str = "machine", **given: Any) -> Identity:
        made = Identity(name, **given)
        self.identities[made.id] = made
        return made

    def project(self, slug: str) -> str:
        return self.projects.setdefault(slug, identifier())

    def profile(self, slug: str, project: str, authority: Authority | None, **given: Any) -> Profile:
        made = Profile(slug, self.project(project), authority, **given)
        self.profiles[made.id] = made
        return made

    def application(self, name: str, project: str, *profiles: Profile) -> Application:
        made = Application(name, self.project(project), attached={profile.id: True for profile in profiles})
        self.applications[name] = made
        return made
