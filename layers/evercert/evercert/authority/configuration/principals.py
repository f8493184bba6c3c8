"""ARNs of AWS roles and users that may log in."""

from __future__ import annotations

import re

_PRINCIPAL = re.compile(
    r"arn:(aws(?:-[a-z]{1,4}){0,2}):(iam|sts)::([0-9]{12}):(role|user|assumed-role)/[\w+=,.@*/-]{1,512}"
)
_BELOW_A_PATH = re.compile(r":role/(?=.*/).*\*")


def principal_problem(arn: str) -> str | None:
    """Return why the ARN, which may contain `*`, never matches a caller; None for a valid one."""
    if not _PRINCIPAL.fullmatch(arn):
        return "write arn:aws:iam::ACCOUNT:role/NAME"
    if _BELOW_A_PATH.search(arn):
        return "matches no role, because AWS omits the path when a role logs in; name each role"
    return None


def account_of(arn: str) -> str:
    """Return the account in the ARN of a principal."""
    return arn.split(":")[4]
