"""Logins with a JSON web token (RFC 7519) that another system issued: Kubernetes, OIDC, JWT, Azure, Google Cloud."""

from __future__ import annotations

from typing import Literal

from evercert.schema import Model

TokenMethod = Literal["kubernetes-auth", "oidc-auth", "jwt-auth", "azure-auth", "gcp-auth"]


class KubernetesLogin(Model):
    """Login of service accounts of a cluster.

    `review`: the API server at `host` reviews each token (TokenReview). `jwks`: `host` is the public issuer of the
    cluster's tokens, whose keys verify them; `audience` is required then. Empty lists allow all of the cluster; their
    values are patterns with `*`.
    """

    host: str  # URL
    mode: Literal["review", "jwks"] = "review"
    certificates: str = ""  # PEM; empty: the public CAs
    namespaces: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    audience: str = ""


class Bounds(Model):
    """Limits for the claims of a token; empty values allow anything.

    `subject`, `audiences` and the values of `claims` are patterns: `*` matches within a segment between slashes, `**`
    across them. One matching value of a list is sufficient.
    """

    issuer: str = ""
    subject: str = ""
    audiences: tuple[str, ...] = ()
    claims: dict[str, tuple[str, ...]] = {}


class OidcLogin(Bounds):
    """Login with tokens of an OpenID provider, whose keys are found by OpenID Connect Discovery 1.0 §4."""

    discovery_url: str
    certificates: str = ""  # PEM; empty: the public CAs


class JwtLogin(Bounds):
    """Login with tokens whose keys are at a URL (RFC 7517 §5) or in `public_keys`."""

    jwks_url: str = ""
    certificates: str = ""  # PEM; empty: the public CAs
    public_keys: tuple[str, ...] = ()  # PEM


class AzureLogin(Model):
    """Login of managed identities of a tenant; `principals` are object ids, empty allows all of the tenant."""

    tenant: str
    resource: str
    principals: tuple[str, ...] = ()


class GcpLogin(Model):
    """Login of Google service accounts: `gce` with id tokens, `iam` with tokens that they sign themselves.

    `projects` and `zones` limit `gce` to Compute Engine instances.
    """

    kind: Literal["gce", "iam"]
    accounts: tuple[str, ...] = ()
    projects: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()


TokenLogin = KubernetesLogin | OidcLogin | JwtLogin | AzureLogin | GcpLogin
_OF_EVERY_TOKEN = {"iss", "aud", "exp", "nbf", "iat", "jti"}


def login_problem(login: TokenLogin) -> str | None:
    """Return why strangers could log in, with the names of the API, or None.

    Kubernetes logins are limited to one cluster. Its administrators decide who has service accounts there.
    """
    match login:
        case Bounds():
            return _bounds_problem(login)
        case AzureLogin(principals=()):
            return (
                "allowedServicePrincipalIds is required: without it, every managed identity of the tenant could log in"
            )
        case GcpLogin(accounts=(), projects=()):
            return (
                "allowedServiceAccounts or allowedProjects is required: without both, every Google account could log in"
            )
    return None


def _bounds_problem(login: Bounds) -> str | None:
    claims = [
        name
        for name, patterns in login.claims.items()
        if name not in _OF_EVERY_TOKEN and patterns and all(map(_is_limit, patterns))
    ]
    if not _is_limit(login.subject) and not claims:
        return (
            "boundSubject or boundClaims is required, with more than wildcards: otherwise every account of the issuer"
            " could log in, and choose the audience"
        )
    if not login.audiences or not all(map(_is_limit, login.audiences)):
        return (
            "boundAudiences is required, with more than wildcards: otherwise a service that receives tokens of the"
            " issuer could log in with them"
        )
    return None


def _is_limit(pattern: str) -> bool:
    """Return whether a pattern limits more than the kind of a value, such as `https:` or the `repo:` of GitHub."""
    kind, _, rest = pattern.partition(":")
    return any(character.isalnum() for character in rest or kind)
