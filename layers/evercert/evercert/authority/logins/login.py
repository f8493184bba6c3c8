"""Login and token endpoints: check the bodies and delegate the credentials."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from evercert.authority.api_errors import invalid, not_found, not_implemented
from evercert.authority.configuration.identity import Identity
from evercert.authority.logins.access_tokens import AccessTokens
from evercert.authority.logins.aws_iam import AWSAuth
from evercert.authority.logins.sts_request import SignedRequest
from evercert.authority.logins.universal_auth import UniversalAuth
from evercert.schema import printable

if TYPE_CHECKING:
    from evercert.authority.logins.token_auth import TokenAuth

_LONGEST = 24 * 1_024  # signed headers of an AWS login, including a session token
_ID = 200
_TOKEN = 8 * 1_024
_NOT_OFFERED = (
    "ldap-auth",
    "oci-auth",
    "alicloud-auth",
    "tls-cert-auth",
    "spiffe-auth",
    "token-auth",
)


TokenLogins = Callable[[], "TokenAuth"]  # created on first use: most calls are no logins with a token


class LoginService:
    """`POST /api/v1/auth/<method>/login`, `…/token/renew` and `…/token/revoke`; all raise Refusal."""

    def __init__(self, access_tokens: AccessTokens, universal: UniversalAuth, aws: AWSAuth, token: TokenLogins) -> None:
        self._access_tokens = access_tokens
        self._universal = universal
        self._aws = aws
        self._token = token

    def login(self, method: str, body: object) -> dict[str, Any]:
        """Log in and return a token; `method` comes from the path, `body` is parsed JSON."""
        match method:
            case "universal-auth":
                identity = self._by_secret(body)
            case "aws-auth":
                identity = self._by_signature(body)
            case "kubernetes-auth" | "oidc-auth" | "jwt-auth" | "azure-auth" | "gcp-auth":
                fields = _text_fields(body, {"identityId": _ID, "jwt": _TOKEN})
                identity = self._token().identity(method, fields["identityId"], fields["jwt"].strip())
            case _ if method in _NOT_OFFERED:
                raise not_implemented(f"{method} is not supported here: log in with another method")
            case _:
                raise not_found(f"Unknown login method {printable(method, 60)}")
        return self._access_tokens.issue(identity, method)

    def _by_secret(self, body: object) -> Identity:
        fields = _text_fields(body, {"clientId": _ID, "clientSecret": _ID})
        return self._universal.identity(fields["clientId"], fields["clientSecret"])

    def _by_signature(self, body: object) -> Identity:
        needed = {"identityId": _ID, "iamRequestBody": _ID, "iamRequestHeaders": _LONGEST}
        fields = _text_fields(body, needed, {"iamHttpRequestMethod": "POST"})
        request = SignedRequest(fields["iamHttpRequestMethod"], fields["iamRequestBody"], fields["iamRequestHeaders"])
        return self._aws.identity(fields["identityId"], request)

    def renew(self, body: object) -> dict[str, Any]:
        """Renew a token."""
        return self._access_tokens.renew(_text_fields(body, {"accessToken": _ID})["accessToken"])

    def revoke(self, body: object) -> dict[str, Any]:
        """Revoke a token."""
        return self._access_tokens.revoke(_text_fields(body, {"accessToken": _ID})["accessToken"])


def _text_fields(body: object, needed: Mapping[str, int], defaults: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return text fields with their maximum lengths; ignore others, because clients send more than needed.

    One of those is `organizationSlug`: clients send the slug of their organization, and the authority has only one.
    """
    if not isinstance(body, Mapping):
        raise invalid([((), "Expected object")])
    defaults = defaults or {}
    fields = {**defaults, **body}
    limits = {**needed, **dict.fromkeys(defaults, _ID)}
    issues = [((name,), problem) for name, most in limits.items() if (problem := _problem(fields, name, most))]
    if issues:
        raise invalid(issues)
    return {name: fields[name] for name in limits}


def _problem(fields: Mapping[str, Any], name: str, most: int) -> str | None:
    value = fields.get(name)
    if name not in fields:
        return "Required"
    if not isinstance(value, str):
        return "Expected string"
    if not value:
        return "String must contain at least 1 character(s)"
    if not value.isprintable():  # also excludes lone surrogates, which cannot be encoded
        return "Invalid character"
    if len(value) > most:
        return f"String must contain at most {most} character(s)"
    return None
