"""Approvers of certificate requests: identities, and operators by the ARN that AWS STS reports."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, Self

from evercert.authority.api_errors import forbidden
from evercert.authority.configuration.identity import Identity
from evercert.authority.logins.aws_iam import matches

_SESSION = re.compile(r"(arn:[a-z-]+:sts::[0-9]{12}:assumed-role/([^/]+))/[^/]+")
_IDENTITY_CENTER = re.compile(r"AWSReservedSSO_.+_[0-9a-f]{16}")  # AWS sets the session name: the name of the user
_FEDERATED = re.compile(r"arn:[a-z-]+:sts::[0-9]{12}:federated-user/.+")


@dataclass(frozen=True)
class Approver:
    """An identity, or an operator (origin `command`), whose name is the ARN; the `id` counts once."""

    id: str
    name: str
    origin: Literal["api", "command"] = "api"

    @classmethod
    def operator(cls, arn: str) -> Self:
        """Return an operator, without the session name that callers of AssumeRole choose; raise Refusal (403).

        The ARN of a federated user has only a name that its caller chose, and hides the IAM user behind it.
        """
        if _FEDERATED.fullmatch(arn):
            raise forbidden("Federated users cannot decide about requests: assume a role")
        session = _SESSION.fullmatch(arn)
        if session is None or _IDENTITY_CENTER.fullmatch(session[2]):
            return cls(arn, arn, "command")
        return cls(session[1], arn, "command")

    def requested(self, identity: Identity | None) -> bool:
        """Return whether the approver may log in as the requesting identity with AWS IAM."""
        login = None if identity is None or self.origin != "command" else identity.aws
        return login is not None and any(matches(pattern, self.name) for pattern in login.principals)
