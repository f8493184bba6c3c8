"""OpenAPI schemas of the management API: bodies of requests, from their models, and of responses."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, TypeAdapter

from evercert.authority.administration.bodies import ApiConfigBody, ApplicationBody, PolicyBody, ProfileBody
from evercert.authority.administration.identities import IdentityBody, RolesBody
from evercert.authority.administration.login_bodies import AwsAuthBody, SecretBody, UniversalAuthBody
from evercert.authority.administration.token_login_bodies import (
    AzureAuthBody,
    GcpAuthBody,
    JwtAuthBody,
    KubernetesAuthBody,
    OidcAuthBody,
)
from tests.tools.openapi_schemas import BOOLEAN, ID, NUMBER, TEXT, TIMESTAMP, array, fields, or_null, reference

MODELS: dict[str, type[BaseModel]] = {
    "ProfileFields": ProfileBody,
    "ApplicationFields": ApplicationBody,
    "ApiConfigFields": ApiConfigBody,
    "IdentityFields": IdentityBody,
    "RolesFields": RolesBody,
    "UniversalAuthFields": UniversalAuthBody,
    "AwsAuthFields": AwsAuthBody,
    "ClientSecretFields": SecretBody,
    "KubernetesAuthFields": KubernetesAuthBody,
    "OidcAuthFields": OidcAuthBody,
    "JwtAuthFields": JwtAuthBody,
    "AzureAuthFields": AzureAuthBody,
    "GcpAuthFields": GcpAuthBody,
}
_LISTS = {name: or_null(array(TEXT)) for name in ("allowed", "required", "denied")}
_TYPED = fields(tuple(_LISTS), type=TEXT, **_LISTS)
_POLICY_RULES = {
    "subject": or_null(array(_TYPED)),
    "sans": or_null(array(_TYPED)),
    "keyUsages": or_null(fields(tuple(_LISTS), **_LISTS)),
    "extendedKeyUsages": or_null(fields(tuple(_LISTS), **_LISTS)),
    "algorithms": or_null(
        fields(("signature", "keyAlgorithm"), signature=or_null(array(TEXT)), keyAlgorithm=or_null(array(TEXT)))
    ),
    "validity": or_null(fields(("max",), max=or_null(TEXT))),
    "basicConstraints": or_null(fields(("isCA", "maxPathLength"), isCA=TEXT, maxPathLength=NUMBER)),
}
_POLICY = fields(id=ID, projectId=ID, name=TEXT, description=or_null(TEXT), **_POLICY_RULES)
_APPLICATION = fields(id=ID, name=TEXT, description=or_null(TEXT), projectId=ID)
_GRANT = fields(profile=TEXT, permissions=array(TEXT))
_IDENTITY = fields(id=ID, name=TEXT, projectId=ID, authMethods=array(TEXT), grants=array(_GRANT))
_ADDRESSES = array(fields(ipAddress=TEXT, prefix=NUMBER, type=TEXT))
_TOKENS = {
    "id": ID,
    "identityId": ID,
    "accessTokenTTL": NUMBER,
    "accessTokenMaxTTL": NUMBER,
    "accessTokenNumUsesLimit": NUMBER,
    "accessTokenTrustedIps": _ADDRESSES,
}
_BOUNDS = {
    "boundIssuer": TEXT,
    "boundAudiences": TEXT,
    "boundClaims": {"type": "object", "additionalProperties": TEXT},
    "boundSubject": TEXT,
}
_SECRET = fields(
    id=ID,
    clientId=ID,
    description=TEXT,
    clientSecretNumUsesLimit=NUMBER,
    clientSecretTTL=NUMBER,
    isClientSecretRevoked=BOOLEAN,
    createdAt=TIMESTAMP,
)
ANSWERS: dict[str, Any] = {
    "PolicyFound": fields(certificatePolicy=reference("Policy")),
    "Policies": fields(certificatePolicies=array(reference("Policy")), totalCount=NUMBER),
    "Policy": _POLICY,
    "ManagedApplicationFound": fields(application=reference("Application")),
    "Applications": fields(applications=array(reference("Application")), totalCount=NUMBER),
    "Application": _APPLICATION,
    "Detached": fields(profileId=ID),
    "EnrollmentSettings": fields(
        api=or_null(reference("ApiConfig")),
        acme=or_null(reference("AcmeConfig")),
        est={"type": "null"},
        scep={"type": "null"},
    ),
    "ApiConfig": fields(("renewBeforeDays",), autoRenew=BOOLEAN, renewBeforeDays=NUMBER),
    "AcmeConfig": fields(directoryUrl=TEXT, skipDnsOwnershipVerification=BOOLEAN, skipEabBinding=BOOLEAN),
    "IdentityFound": fields(identity=reference("Identity")),
    "Identities": fields(identities=array(reference("Identity")), totalCount=NUMBER),
    "Identity": _IDENTITY,
    "Membership": fields(
        identityMembership=fields(
            id=ID,
            identityId=ID,
            projectId=ID,
            roles=array(fields(id=ID, role=TEXT, customRoleSlug={"type": "null"})),
            identity=fields(id=ID, name=TEXT),
        )
    ),
    "UniversalAuth": fields(
        identityUniversalAuth=fields(
            **_TOKENS,
            clientId=ID,
            clientSecretTrustedIps=_ADDRESSES,
            lockoutEnabled=BOOLEAN,
            lockoutThreshold=NUMBER,
            lockoutDurationSeconds=NUMBER,
            lockoutCounterResetSeconds=NUMBER,
        )
    ),
    "AwsAuth": fields(
        identityAwsAuth=fields(
            **_TOKENS, type={"const": "iam"}, allowedPrincipalArns=TEXT, allowedAccountIds=TEXT, stsEndpoint=TEXT
        )
    ),
    "KubernetesAuth": fields(
        identityKubernetesAuth=fields(
            **_TOKENS,
            kubernetesHost=TEXT,
            caCert=TEXT,
            tokenReviewerJwt={"type": "null"},
            tokenReviewMode={"type": "string", "enum": ["api", "jwks"]},
            allowedNamespaces=TEXT,
            allowedNames=TEXT,
            allowedAudience=TEXT,
            gatewayId={"type": "null"},
        )
    ),
    "OidcAuth": fields(
        identityOidcAuth=fields(
            **_TOKENS, oidcDiscoveryUrl=TEXT, caCert=TEXT, claimMetadataMapping={"type": "null"}, **_BOUNDS
        )
    ),
    "JwtAuth": fields(
        identityJwtAuth=fields(
            **_TOKENS,
            configurationType={"type": "string", "enum": ["jwks", "static"]},
            jwksUrl=TEXT,
            jwksCaCert=TEXT,
            publicKeys=array(TEXT),
            **_BOUNDS,
        )
    ),
    "AzureAuth": fields(
        identityAzureAuth=fields(**_TOKENS, tenantId=TEXT, resource=TEXT, allowedServicePrincipalIds=TEXT)
    ),
    "GcpAuth": fields(
        identityGcpAuth=fields(
            **_TOKENS,
            type={"type": "string", "enum": ["gce", "iam"]},
            allowedServiceAccounts=TEXT,
            allowedProjects=TEXT,
            allowedZones=TEXT,
        )
    ),
    "ClientSecretFound": fields(clientSecretData=_SECRET),
    "ClientSecrets": fields(clientSecretData=array(_SECRET)),
    "NewClientSecret": fields(clientSecret=TEXT, clientSecretData=_SECRET),
}


def bodies() -> dict[str, Any]:
    """Return the schemas of request bodies with their definitions."""
    found: dict[str, Any] = {}
    for name, model in MODELS.items():
        schema = TypeAdapter(model).json_schema(ref_template="#/components/schemas/{model}")
        found |= schema.pop("$defs", {})
        found[name] = schema
    named = TypeAdapter(PolicyBody).json_schema()["properties"]
    return {**found, "PolicyFields": {"type": "object", "properties": {**named, **_POLICY_RULES}}}
