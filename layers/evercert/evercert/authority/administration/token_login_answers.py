"""Answers about logins with tokens, with the names of the Infisical API."""

from __future__ import annotations

from typing import Any

from evercert.authority.configuration.token_logins import (
    AzureLogin,
    Bounds,
    JwtLogin,
    KubernetesLogin,
    OidcLogin,
    TokenLogin,
)

MODES = {"review": "api", "jwks": "jwks"}  # with the names of the API


def login_answer(login: TokenLogin) -> tuple[str, dict[str, Any]]:
    """Return the name of the object in answers, and its fields."""
    match login:
        case KubernetesLogin():
            return "identityKubernetesAuth", {
                "kubernetesHost": login.host,
                "caCert": login.certificates,
                "tokenReviewerJwt": None,
                "tokenReviewMode": MODES[login.mode],
                "allowedNamespaces": ",".join(login.namespaces),
                "allowedNames": ",".join(login.names),
                "allowedAudience": login.audience,
                "gatewayId": None,
            }
        case OidcLogin():
            fields = {"oidcDiscoveryUrl": login.discovery_url, "caCert": login.certificates}
            return "identityOidcAuth", {**fields, "claimMetadataMapping": None, **_bounds_answer(login)}
        case JwtLogin():
            return "identityJwtAuth", {
                "configurationType": "jwks" if login.jwks_url else "static",
                "jwksUrl": login.jwks_url,
                "jwksCaCert": login.certificates,
                "publicKeys": list(login.public_keys),
                **_bounds_answer(login),
            }
        case AzureLogin():
            principals = ",".join(login.principals)
            fields = {"tenantId": login.tenant, "resource": login.resource}
            return "identityAzureAuth", {**fields, "allowedServicePrincipalIds": principals}
    return "identityGcpAuth", {
        "type": login.kind,
        "allowedServiceAccounts": ",".join(login.accounts),
        "allowedProjects": ",".join(login.projects),
        "allowedZones": ",".join(login.zones),
    }


def _bounds_answer(login: Bounds) -> dict[str, Any]:
    return {
        "boundIssuer": login.issuer,
        "boundAudiences": ",".join(login.audiences),
        "boundClaims": {name: ",".join(values) for name, values in login.claims.items()},
        "boundSubject": login.subject,
    }
