"""Machine identities: how each may log in, how long its tokens live, and what it may do with which profile."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import Field

from evercert.durations import Duration
from evercert.schema import Instant, Model

# request: issue and renew, see the profile's certificates, revoke what it requested itself;
# read-key: of certificates it requested itself; administer: revoke and (with read-key) read keys of others too.
Permission = Literal["request", "read-key", "administer"]


class Grant(Model):
    """What an identity may do with one profile (`project/slug`), or with all (`*`)."""

    profile: str
    permissions: tuple[Permission, ...]


class AWSLogin(Model):
    """`principals`: ARNs of roles or users, exact or with `*`; `foreign_clients`: without the signed server id."""

    principals: tuple[str, ...]
    foreign_clients: bool = False


class ClientSecret(Model):
    """Of universal auth: its SHA-256 in hexadecimal alone; `uses` 0: without end."""

    id: str
    digest: str
    created_at: Instant
    expires_at: Instant | None = None
    uses: int = Field(0, ge=0)


class UniversalLogin(Model):
    """Lockout after `failures` wrong secrets within `window`, for `duration` (§A.6); 0 failures: never."""

    client_id: str
    secrets: tuple[ClientSecret, ...] = ()
    failures: int = Field(3, ge=0, le=30)
    duration: Duration = timedelta(seconds=300)
    window: Duration = timedelta(seconds=30)


class Identity(Model):
    """One machine; its id is random, so that one made anew has none of the old one's tokens."""

    id: str
    name: str
    aws: AWSLogin | None = None
    universal: UniversalLogin | None = None
    grants: tuple[Grant, ...] = ()
    token_ttl: Duration = timedelta(hours=1)
    token_max_ttl: Duration = timedelta(days=1)
    token_uses: int = Field(0, ge=0)  # 0: without end

    def may(self, permission: Permission, profile: str) -> bool:
        """Whether a grant says so; `profile` is `project/slug`."""
        return any(permission in grant.permissions and grant.profile in {"*", profile} for grant in self.grants)
