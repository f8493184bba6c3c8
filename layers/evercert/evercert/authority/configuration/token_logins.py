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
