"""Login with AWS IAM: STS identifies the signer of a request, and the identity lists allowed principals."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime

from evercert.authority.api_errors import not_found, unauthorized
from evercert.authority.configuration.identity import Identity
from evercert.authority.contracts.ports import Configuration, Sts, Tokens
from evercert.authority.logins.sts_request import BODY, Rules, SignedRequest, validate_request
from evercert.schema import printable

_SESSION = re.compile(r"arn:(aws(?:-[a-z]{1,4}){0,2}):sts::([0-9]{12}):assumed-role/([^/]+)/([^/]+)")
_ROLE = re.compile(r"(arn:[a-z-]+:iam::[0-9]{12}:role/)(?:[^*]+/)?([^/*]+)")


class AWSAuth:
    """Validate the request, mark its signature as used, and then call STS."""

    def __init__(
        self, configuration: Configuration, tokens: Tokens, sts: Sts, rules: Rules, clock: Callable[[], datetime]
    ) -> None:
        self._configuration = configuration
        self._tokens = tokens
        self._sts = sts
        self._rules = rules
        self._clock = clock

    def identity(self, identity_id: str, request: SignedRequest) -> Identity:
        """Return the identity; raise Refusal if the signer is not allowed, Unavailable if STS does not answer.

        In both cases a signature with a nonce cannot be used again. Clients of Infisical sign no nonce, and several of
        one host sign the same request in the same second: the same identity may repeat theirs while it is fresh.
        """
        identity = self._configuration.identity(identity_id)
        login = identity.aws if identity is not None else None
        if identity is None or login is None:
            raise not_found("AWS auth method not found for identity, did you configure AWS auth?")
        found = validate_request(request, self._rules, self._clock(), foreign_clients=login.foreign_clients)
        holder = identity.id if found.repeatable else None
        if not self._tokens.take_signature(found.signature, found.until, holder):
            raise unauthorized("Access denied: the AWS signature was used before; sign a new request.")
        arn = self._sts.caller(found.region, dict(found.headers), BODY).arn
        if not any(matches(pattern, arn) for pattern in login.principals):
            raise unauthorized(f"Access denied: AWS principal ARN not allowed. [principal-arn={printable(arn, 300)}]")
        return identity


def matches(pattern: str, arn: str) -> bool:
    """Return whether a principal matches the ARN from STS, or its role; `*` matches any characters.

    STS reports roles without their path, and role names are unique in an account, so the path is ignored.
    A path that contains `*` is not ignored, because it could match any role.
    """
    pattern = _ROLE.sub(r"\1\2", pattern) if _ROLE.fullmatch(pattern) else pattern
    expression = ".*".join(re.escape(part) for part in pattern.split("*"))
    return any(re.fullmatch(expression, form, re.DOTALL) for form in _forms(arn))


def _forms(arn: str) -> tuple[str, ...]:
    session = _SESSION.fullmatch(arn)
    return (arn,) if session is None else (arn, f"arn:{session[1]}:iam::{session[2]}:role/{session[3]}")
