"""Machine identities: logins, token lifetimes, and permissions on profiles."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from evercert.authority.configuration.token_logins import (
    AzureLogin,
    GcpLogin,
    JwtLogin,
    KubernetesLogin,
    OidcLogin,
    TokenLogin,
    TokenMethod,
)
from evercert.durations import Duration
from evercert.schema import Instant, Model

# request: request and renew certificates, revoke its own. read-key: read private keys that the authority generated for
# certificates of the profile, also of other identities. administer: change and revoke certificates of others too.
# approve: approve requests of others.
Permission = Literal["request", "read-key", "administer", "approve"]


def all_profiles_of(project: str) -> str:
    """Return the profile of a grant on all profiles of a project."""
    return f"{project}/*"


class Grant(Model):
    """Permissions of an identity on one profile (`project/slug`), on those of a project (`project/*`), or on all (`*`).

    `administer` on a project also allows to manage its policies, profiles, applications and identities through the API.
    """

    profile: str
    permissions: tuple[Permission, ...]


class AWSLogin(Model):
    """Login with AWS IAM.

    `principals`: ARNs of roles or users, exact or with `*`. `foreign_clients`: accept requests that do not sign the
    server id. `accounts` and `sts_endpoint` are answered as they were set: the principals say more, and STS is asked
    in the region of the request.
    """

    principals: tuple[str, ...]
    foreign_clients: bool = False
    accounts: tuple[str, ...] = ()
    sts_endpoint: str = ""

    @model_serializer(mode="wrap")
    def _without_absent_settings(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave empty settings out: releases that do not know them refuse unknown keys."""
        found: dict[str, Any] = serialize(self)
        return {
            key: value
            for key, value in found.items()
            if key not in {"accounts", "sts-endpoint", "sts_endpoint"} or value
        }


class ClientSecret(Model):
    """A client secret of universal auth, stored as its hexadecimal SHA-256; `uses` 0 means unlimited."""

    id: str
    digest: str
    created_at: Instant
    expires_at: Instant | None = None
    uses: int = Field(0, ge=0)
    description: str = Field("", max_length=255)

    @model_serializer(mode="wrap")
    def _without_absent_description(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave an empty description out: releases that do not know it refuse unknown keys."""
        found: dict[str, Any] = serialize(self)
        return {key: value for key, value in found.items() if key != "description" or value}


class TokenSettings(Model):
    """Access tokens of one login, as the API sets them; 0 seconds mean the longest that is allowed, 0 uses no limit."""

    ttl: int = Field(ge=0)  # seconds
    max_ttl: int = Field(ge=0)  # seconds
    uses: int = Field(0, ge=0)

    @property
    def longest(self) -> timedelta:
        """Return the longest lifetime, renewals included."""
        return timedelta(seconds=self.max_ttl) if self.max_ttl else LONGEST_LIFETIME

    @property
    def lifetime(self) -> timedelta:
        """Return the lifetime without renewals."""
        return min(timedelta(seconds=self.ttl), self.longest) if self.ttl else self.longest


class UniversalLogin(Model):
    """Login with universal auth: `failures` wrong secrets within `window` lock it for `duration`; 0 never locks."""

    client_id: str
    secrets: tuple[ClientSecret, ...] = ()
    failures: int = Field(3, ge=0, le=30)
    duration: Duration = timedelta(seconds=300)
    window: Duration = timedelta(seconds=30)


TOKEN_LOGINS: dict[str, str] = {  # and the field of the identity
    "kubernetes-auth": "kubernetes",
    "oidc-auth": "oidc",
    "jwt-auth": "jwt",
    "azure-auth": "azure",
    "gcp-auth": "gcp",
}
_LATER = {"project", "login_tokens", "login-tokens", *TOKEN_LOGINS.values()}
LONGEST_LIFETIME = timedelta(seconds=315_360_000)  # of an access token; the limit of the Infisical API


class Identity(Model):
    """A machine identity; its id is random, so that tokens of a deleted identity never fit a new one.

    `project` is the project that created the identity through the API, or first changed its grants; empty until then.
    """

    id: str
    name: str
    project: str = ""
    aws: AWSLogin | None = None
    universal: UniversalLogin | None = None
    kubernetes: KubernetesLogin | None = None
    oidc: OidcLogin | None = None
    jwt: JwtLogin | None = None
    azure: AzureLogin | None = None
    gcp: GcpLogin | None = None
    grants: tuple[Grant, ...] = ()
    token_ttl: Duration = timedelta(hours=1)
    token_max_ttl: Duration = timedelta(days=1)
    token_uses: int = Field(0, ge=0)  # 0: unlimited
    login_tokens: dict[str, TokenSettings] = {}  # of logins with settings of their own, by method

    @model_serializer(mode="wrap")
    def _without_absent_fields(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave later fields out that are empty: releases that do not know them refuse unknown keys."""
        found: dict[str, Any] = serialize(self)
        return {key: value for key, value in found.items() if key not in _LATER or value}

    def token_settings(self, method: str) -> TokenSettings:
        """Return the settings of tokens that a login with this method gets."""
        ttl, longest = int(self.token_ttl.total_seconds()), int(self.token_max_ttl.total_seconds())
        return self.login_tokens.get(method) or TokenSettings.model_validate(
            {"ttl": ttl, "max-ttl": longest, "uses": self.token_uses}
        )

    def token_login(self, method: TokenMethod) -> TokenLogin | None:
        """Return the login with tokens of this method, or None."""
        found: TokenLogin | None = getattr(self, TOKEN_LOGINS[method])
        return found

    def may(self, permission: Permission, profile: str) -> bool:
        """Return whether a grant gives the permission; `profile` is `project/slug`."""
        covering = {"*", profile, all_profiles_of(profile.partition("/")[0])}
        return any(permission in grant.permissions and grant.profile in covering for grant in self.grants)

    def manages(self, project: str) -> bool:
        """Return whether a grant on the project itself gives `administer`; one on `*` does not."""
        wanted = all_profiles_of(project)
        return any("administer" in grant.permissions and grant.profile == wanted for grant in self.grants)
