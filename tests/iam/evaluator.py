"""Evaluation of one request against identity policies and a key policy, as IAM and KMS document it.

It implements what the policies of this project use, and raises UnknownPolicy for everything else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.iam.conditions import Context, failed_condition
from tests.iam.policies import Statement


@dataclass(frozen=True)
class Request:
    """One action of a principal (an ARN) on a resource (an ARN, or `*`), with the keys that AWS supplies."""

    principal: str
    action: str
    resource: str
    context: Context = field(default_factory=dict)

    def keys(self) -> dict[str, str | list[str]]:
        """Return the context with the keys that every request has."""
        account = self.principal.split(":")[4]
        return {"aws:PrincipalArn": self.principal, "aws:PrincipalAccount": account, **self.context}


@dataclass(frozen=True)
class Decision:
    """Whether the request is allowed, why, and the permission that allows it (statement, action, resource)."""

    allowed: bool
    reason: str
    by: tuple[tuple[str, str, str], ...] = ()


def evaluate(
    request: Request, identity: Sequence[Statement], key_policy: Sequence[Statement] | None = None
) -> Decision:
    """Return the decision; for a KMS key, its policy must allow the principal, or the account (which delegates to IAM)."""
    ours = [one for one in key_policy or [] if _names(one, request)]
    for statement in (*identity, *ours):
        if not statement.allow and _covers(statement, request) and _unmet(statement, request) is None:
            return Decision(False, f"denied by {statement.label}")
    by_identity = _allowing(identity, request)
    if key_policy is None:
        return _decision(request, identity, by_identity)
    by_key = _allowing(ours, request)
    direct = [one for one in by_key if request.principal in (one.principals or ()) or one.principals == ("*",)]
    if direct:
        return Decision(True, f"allowed by {direct[0].label}", tuple(_permission(one, request) for one in direct))
    if not by_key:
        return Decision(False, f"the key policy does not allow it: {_nearest(ours, request)}")
    found = _decision(request, identity, by_identity)
    return Decision(found.allowed, found.reason, (*found.by, *(_permission(one, request) for one in by_key)))


def _decision(request: Request, identity: Sequence[Statement], allowing: Sequence[Statement]) -> Decision:
    if not allowing:
        return Decision(False, _nearest(identity, request))
    return Decision(
        True, f"allowed by {allowing[0].label}", tuple(_permission(statement, request) for statement in allowing)
    )


def _allowing(several: Sequence[Statement], request: Request) -> list[Statement]:
    return [one for one in several if one.allow and _covers(one, request) and _unmet(one, request) is None]


def _covers(statement: Statement, request: Request) -> bool:
    return statement.action(request.action) is not None and statement.resource(request.resource) is not None


def _names(statement: Statement, request: Request) -> bool:
    """Whether a statement of a key policy names the principal, its account, or `*`."""
    account = request.principal.split(":")[4]
    partition = request.principal.split(":")[1]
    mine = {request.principal, f"arn:{partition}:iam::{account}:root", account, "*"}
    return bool(mine & set(statement.principals or ()))


def _unmet(statement: Statement, request: Request) -> str | None:
    return failed_condition(statement, request.keys())


def _permission(statement: Statement, request: Request) -> tuple[str, str, str]:
    return statement.label, statement.action(request.action) or "", statement.resource(request.resource) or ""


def _nearest(several: Sequence[Statement], request: Request) -> str:
    """Return why no statement allows the request: the unmet conditions, other resources, or no statement."""
    named = [one for one in several if one.allow and one.action(request.action)]
    covering = [one for one in named if one.resource(request.resource)]
    if covering:
        return "; ".join(f"{one.label}: {_unmet(one, request)}" for one in covering)
    if named:
        return "; ".join(f"{one.label} allows it on {', '.join(one.resources)} only" for one in named)
    return f"no statement allows {request.action}"
