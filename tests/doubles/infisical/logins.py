"""The login endpoints, with real verification."""

from __future__ import annotations

import base64
import fnmatch
import http.client
import json
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from tests.doubles.infisical.configuration import (
    COUNTED_FOR,
    LOCKED_AFTER,
    LOCKED_FOR,
    ClientSecret,
    Estate,
    Identity,
    Lockout,
    digest,
)
from tests.doubles.infisical.errors import Refusal, broken
from tests.doubles.infisical.schema import strings

Proven = tuple[Identity, dict[str, Any]]


def configured(estate: Estate, body: dict[str, Any], method: str, title: str) -> Identity:
    identity = estate.identities.get(body["identityId"])
    if identity is None or method not in identity.methods:
        raise Refusal(404, f"{title} auth method not found for identity, did you configure {title} auth?")
    return identity


def listed(value: str, patterns: str) -> bool:
    """Whether the value is in a comma-separated list; an empty list allows any."""
    given = [pattern.strip() for pattern in patterns.split(",") if pattern.strip()]
    return not given or any(fnmatch.fnmatchcase(value, pattern) for pattern in given)


def universal(estate: Estate, body: Any, now: datetime) -> Proven:
    """Log in with client ID and secret; three failures lock for five minutes."""
    given = strings(body, ("clientId", "clientSecret"), ("organizationSlug", "subOrganizationName"))
    found = [
        one for one in estate.identities.values() if one.client_id == given["clientId"] and "universal" in one.methods
    ]
    if not found:
        raise Refusal(401, "Invalid credentials")
    identity = found[0]
    lockout = identity.lockout
    if lockout.until and now >= lockout.until:
        lockout = identity.lockout = Lockout()
    if lockout.failures >= LOCKED_AFTER:
        raise Refusal(401, "This identity auth method is temporarily locked, please try again later")
    hashed = digest(given["clientSecret"])
    secrets = [one for one in identity.client_secrets if one.digest == hashed and not one.revoked]
    if not secrets:
        lockout.failures += 1
        held = LOCKED_FOR if lockout.failures >= LOCKED_AFTER else COUNTED_FOR
        lockout.until = now + timedelta(seconds=held)
        raise Refusal(401, "Invalid credentials")
    identity.lockout = Lockout()
    _usable(secrets[0], now)
    return identity, {}


def _usable(secret: ClientSecret, now: datetime) -> None:
    if secret.ttl and now > secret.created + timedelta(seconds=secret.ttl):
        secret.revoked = True
        raise Refusal(401, "Access denied due to expired client secret")
    if secret.uses_limit and secret.uses >= secret.uses_limit:
        secret.revoked = True
        raise Refusal(401, "Access denied due to client secret usage limit reached")
    secret.uses += 1


class AwsLogin:
    """The AWS login: replays the signed request to STS and uses only the answer of STS."""

    def __init__(self, estate: Estate, sts_address: Callable[[], tuple[str, int]]) -> None:
        self._estate = estate
        self._sts_address = sts_address
        self.hosts: list[str] = []  # the STS host of each replay

    def __call__(self, body: Any, now: datetime) -> Proven:
        del now  # STS looks at the time
        needed = ("identityId", "iamRequestBody", "iamRequestHeaders")
        given = {"iamHttpRequestMethod": "POST"} | strings(
            body, needed, ("iamHttpRequestMethod", "organizationSlug", "subOrganizationName")
        )
        identity = configured(self._estate, given, "aws", "AWS")
        rules = identity.methods["aws"]
        try:
            headers = json.loads(base64.b64decode(given["iamRequestHeaders"], validate=True))
            sent = base64.b64decode(given["iamRequestBody"], validate=True)
            authorization = {key.lower(): value for key, value in headers.items()}["authorization"]
        except (ValueError, KeyError, AttributeError) as error:
            raise broken() from error
        self.hosts.append(_sts_host(authorization, rules))
        caller = self._replay(given["iamHttpRequestMethod"], headers, sent)
        return identity, {"identityAuth": {"aws": _allowed(caller, rules)}}

    def _replay(self, method: str, headers: dict[str, str], sent: bytes) -> dict[str, str]:
        connection = http.client.HTTPConnection(*self._sts_address(), timeout=5)
        try:
            connection.putrequest(method, "/", skip_host=True, skip_accept_encoding=True)
            for name, value in headers.items():
                if name.lower() not in {"content-length", "accept", "connection"}:
                    connection.putheader(name, value)
            connection.putheader("Accept", "application/json")
            connection.putheader("Content-Length", str(len(sent)))
            connection.endheaders(sent)
            answer = connection.getresponse()
            said = answer.read()
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise broken() from error
        finally:
            connection.close()
        if answer.status != 200:  # Infisical's error handler does not know its HTTP client's errors
            raise broken()
        return json.loads(said)["GetCallerIdentityResponse"]["GetCallerIdentityResult"]


def _sts_host(authorization: str, rules: dict[str, Any]) -> str:
    parts = authorization.split("/")
    if len(parts) < 3:
        return str(rules.get("stsEndpoint", "https://sts.amazonaws.com/"))
    if not re.fullmatch(r"[a-z0-9-]{1,20}", parts[2]):
        raise Refusal(400, "Invalid AWS region")
    return f"https://sts.{parts[2]}.amazonaws.com"


def _allowed(caller: dict[str, str], rules: dict[str, Any]) -> dict[str, str]:
    if not listed(caller["Account"], rules.get("allowedAccountIds", "")):
        raise Refusal(401, "Access denied: AWS account ID not allowed.")
    arn = caller["Arn"]
    forms = [arn]
    if match := re.fullmatch(r"arn:([^:]+):sts::(\d{12}):assumed-role/([^/]+)/(.+)", arn):
        forms.append(f"arn:{match[1]}:iam::{match[2]}:role/{match[3]}")
    if not any(listed(form, rules.get("allowedPrincipalArns", "")) for form in forms):
        raise Refusal(401, f"Access denied: AWS principal ARN not allowed. [principal-arn={arn}]")
    _, partition, service, _, account, resource = arn.split(":", 5)
    kind, _, name = resource.partition("/")
    named = {"partition": partition, "service": service, "resourceType": kind, "resourceName": name}
    return {"accountId": account, "arn": arn, "userId": caller["UserId"], **named}
