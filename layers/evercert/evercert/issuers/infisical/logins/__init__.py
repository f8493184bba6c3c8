"""Registry of the login types of the Infisical API."""

from typing import Any

from pydantic import model_validator

from evercert.registry import Component, Registry

LOGINS = Registry(
    "login",
    {
        "universal-auth": "evercert.issuers.infisical.logins.universal_auth:UniversalAuth",
        "aws-iam": "evercert.issuers.infisical.logins.aws_iam:AWSIAM",
        "kubernetes": "evercert.issuers.infisical.logins.jwt:Kubernetes",
        "azure": "evercert.issuers.infisical.logins.jwt:Azure",
        "gcp-id-token": "evercert.issuers.infisical.logins.jwt:GCPIDToken",
        "gcp-iam": "evercert.issuers.infisical.logins.gcp_iam:GCPIAM",
        "ldap-auth": "evercert.issuers.infisical.logins.ldap:LDAPAuth",
    },
)
# Spellings of other documents and programs.
ALIASES = {
    "universal": "universal-auth",
    "aws-auth": "aws-iam",
    "aws-iam-auth": "aws-iam",
    "kubernetes-auth": "kubernetes",
    "azure-auth": "azure",
    "gcp-id-token-auth": "gcp-id-token",
    "gcp-iam-auth": "gcp-iam",
    "ldap": "ldap-auth",
}


class Auth(Component):
    """The `auth` of an issuer: a login type, in any of its spellings, and the settings of that type."""

    @model_validator(mode="before")
    @classmethod
    def _one_spelling(cls, value: Any) -> Any:  # noqa: ANN401
        if isinstance(value, dict) and isinstance(value.get("type"), str):
            word = value["type"].replace("_", "-")
            return {**value, "type": ALIASES.get(word, word)}
        return value
