"""Bodies of calls that manage logins with tokens, with the names of the Infisical API."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from evercert.authority.administration.login_bodies import TokenBody

_Text = Annotated[str, Field(max_length=2048)]
_List = Annotated[str, Field(max_length=8192)]
_Pem = Annotated[str, Field(max_length=16_384)]


class KubernetesAuthBody(TokenBody):
    """The settings of Kubernetes auth; lists are separated by commas."""

    kubernetes_host: _Text | None = None
    ca_cert: _Pem | None = None
    token_reviewer_jwt: _List | None = None
    token_review_mode: Literal["api", "gateway", "jwks"] | None = None
    allowed_namespaces: _List | None = None
    allowed_names: _List | None = None
    allowed_audience: _Text | None = None
    gateway_id: _Text | None = None


class _BoundsBody(TokenBody):
    bound_issuer: _Text | None = None
    bound_audiences: _List | None = None
    bound_claims: Annotated[dict[str, _Text], Field(max_length=50)] | None = None
    bound_subject: _Text | None = None


class OidcAuthBody(_BoundsBody):
    """The settings of OIDC auth; `boundAudiences` and the values of `boundClaims` are separated by commas."""

    oidc_discovery_url: _Text | None = None
    ca_cert: _Pem | None = None
    claim_metadata_mapping: dict[str, str] | None = None


class JwtAuthBody(_BoundsBody):
    """The settings of JWT auth; `boundAudiences` and the values of `boundClaims` are separated by commas."""

    configuration_type: Literal["jwks", "static"] | None = None
    jwks_url: _Text | None = None
    jwks_ca_cert: _Pem | None = None
    public_keys: Annotated[list[_Pem], Field(max_length=10)] | None = None


class AzureAuthBody(TokenBody):
    """The settings of Azure auth; the list is separated by commas."""

    tenant_id: Annotated[str, Field(max_length=255)] | None = None
    resource: _Text | None = None
    allowed_service_principal_ids: _List | None = None


class GcpAuthBody(TokenBody):
    """The settings of Google Cloud auth; lists are separated by commas."""

    type: Literal["gce", "iam"] | None = None
    allowed_service_accounts: _List | None = None
    allowed_projects: _List | None = None
    allowed_zones: _List | None = None


TOKEN_BODIES: dict[str, type[TokenBody]] = {
    "kubernetes-auth": KubernetesAuthBody,
    "oidc-auth": OidcAuthBody,
    "jwt-auth": JwtAuthBody,
    "azure-auth": AzureAuthBody,
    "gcp-auth": GcpAuthBody,
}
