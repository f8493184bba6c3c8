"""Machine identities: logins, token lifetimes, and permissions on profiles."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import Field

from evercert.durations import Duration
from evercert.schema import Instant, Model

# request: issue and renew, read the profile's certificates, revoke its own; read-key: read keys of its own
# certificates; administer: revoke those of others too and, with read-key, read their keys.
Permission = Literal["request", "read-key", "administer"]


class Grant(Model):
    """Permissions of an identity on one profile (`project/slug`), or on all (`*`)."""

    profile: str
    permissions: tuple[Permission, ...]


class AWSLogin(Model):
    """Login with AWS IAM.

    `principals`: ARNs of roles or users, exact or with `*`. `foreign_clients`: accept requests that do not sign the
    server id.
    """

    principals: tuple[str, ...]
    foreign_clients: bool = False


class ClientSecret(Model):
    """A client secret of universal auth, stored as its hexadecimal SHA-256; `uses` 0 means unlimited."""

    id: str
    digest: str
    created_at: Instant
    expires_at: Instant | None = None
    uses: int = Field(0, ge=0)


class UniversalLogin(Model):
    """Login with universal auth: `failures` wrong secrets within `window` lock it for `duration`; 0 never locks."""

    client_id: str
    secrets: tuple[ClientSecret, ...] = ()
    failures: int = Field(3, ge=0, le=30)
    duration: Duration = timedelta(seconds=300)
    window: Duration = timedelta(seconds=30)


class Identity(Model):
    """A machine identity; its id is random, so that tokens of a deleted identity never fit a new one."""

    id: str
    name: str
    aws: AWSLogin | None = None
    universal: UniversalLogin | None = None
    grants: tuple[Grant, ...] = ()
    token_ttl: Duration = timedelta(hours=1)
    token_max_ttl: Duration = timedelta(days=1)
    token_uses: int = Field(0, ge=0)  # 0: unlimited

    def may(self, permission: Permission, profile: str) -> bool:
        """Return whether a grant gives the permission; `profile` is `project/slug`."""
        return any(permission in grant.permissions and grant.profile in {"*", profile} for grant in self.grants)
