"""Logins by their names, and what becomes of tokens: bodies are checked here, credentials where they belong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evercert.authority.api_errors import invalid, not_found
from evercert.authority.configuration.identity import Identity
from evercert.authority.logins.access_tokens import AccessTokens
from evercert.authority.logins.aws_iam import AWSAuth
from evercert.authority.logins.sts_request import Question
from evercert.authority.logins.universal_auth import UniversalAuth
from evercert.schema import printable

_LONGEST = 24 * 1_024  # the signed headers of an AWS login, with a session token in them
_ID = 200
_SUB_ORGANIZATION = ("organizationSlug", "subOrganizationName")  # the second is older servers'


class LoginService:
    """`POST /api/v1/auth/<method>/login`, `…/token/renew` and `…/token/revoke`; all raise Refusal."""

    def __init__(self, access_tokens: AccessTokens, universal: UniversalAuth, aws: AWSAuth) -> None:
        self._access_tokens = access_tokens
        self._universal = universal
        self._aws = aws

    def login(self, method: str, body: object) -> dict[str, Any]:
        """The answer of §A.2; `method` as it stands in the path, `body` as JSON has it."""
        match method:
            case "universal-auth":
                identity = self._by_secret(body)
            case "aws-auth":
                identity = self._by_signature(body)
            case _:
                raise not_found(f"There is no login {printable(method, 60)}")
        return self._access_tokens.issue(identity)

    def _by_secret(self, body: object) -> Identity:
        given = _texts(body, {"clientId": _ID, "clientSecret": _ID})
        return self._universal.identity(given["clientId"], given["clientSecret"])

    def _by_signature(self, body: object) -> Identity:
        needed = {"identityId": _ID, "iamRequestBody": _ID, "iamRequestHeaders": _LONGEST}
        given = _texts(body, needed, {"iamHttpRequestMethod": "POST"})
        question = Question(given["iamHttpRequestMethod"], given["iamRequestBody"], given["iamRequestHeaders"])
        return self._aws.identity(given["identityId"], question)

    def renew(self, body: object) -> dict[str, Any]:
        """The same token, for longer."""
        return self._access_tokens.renew(_texts(body, {"accessToken": _ID})["accessToken"])

    def revoke(self, body: object) -> dict[str, Any]:
        """The token is none any more."""
        return self._access_tokens.revoke(_texts(body, {"accessToken": _ID})["accessToken"])


def _texts(body: object, needed: Mapping[str, int], defaults: Mapping[str, str] | None = None) -> dict[str, str]:
    """Fields with the most characters of each; others are not read: clients send more than they have to."""
    if not isinstance(body, Mapping):
        raise invalid([((), "Expected object")])
    defaults = defaults or {}
    given = {**defaults, **body}
    limits = {**needed, **dict.fromkeys((*defaults, *(name for name in _SUB_ORGANIZATION if name in given)), _ID)}
    issues = [((name,), wrong) for name, most in limits.items() if (wrong := _wrong(given, name, most))]
    if issues:
        raise invalid(issues)
    _no_sub_organization(given)
    return {name: given[name] for name in limits}


def _wrong(given: Mapping[str, Any], name: str, most: int) -> str | None:
    value = given.get(name)
    if name not in given:
        return "Required"
    if not isinstance(value, str):
        return "Expected string"
    if not value and name not in _SUB_ORGANIZATION:
        return "String must contain at least 1 character(s)"
    if not value.isprintable():  # nor half of a surrogate pair, which has no bytes
        return "Invalid character"
    if len(value) > most:
        return f"String must contain at most {most} character(s)"
    return None


def _no_sub_organization(given: Mapping[str, str]) -> None:
    """There are none here; a login that is meant for one must not end in another place."""
    for name in _SUB_ORGANIZATION:
        if slug := given.get(name):
            raise not_found(f"Sub organization with slug {printable(slug, 100)} not found")
