"""Key policies that `evercert authority init` sets on the keys of CAs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from evercert.errors import Misconfigured

# No grants: a principal that can create one could delegate signing past the statements below.
ADMINISTRATION = (
    "kms:CancelKeyDeletion",
    "kms:CreateAlias",
    "kms:DeleteAlias",
    "kms:DescribeKey",
    "kms:DisableKey",
    "kms:EnableKey",
    "kms:GetKeyPolicy",
    "kms:GetPublicKey",
    "kms:ListAliases",
    "kms:ListGrants",
    "kms:ListKeyPolicies",
    "kms:ListResourceTags",
    "kms:PutKeyPolicy",
    "kms:RevokeGrant",
    "kms:ScheduleKeyDeletion",
    "kms:TagResource",
    "kms:UntagResource",
    "kms:UpdateAlias",
    "kms:UpdateKeyDescription",
)
_ROLE = re.compile(r"arn:([a-z0-9-]+):iam::([0-9]{12}):role/.+")
_DIGEST = {"StringEquals": {"kms:MessageType": "DIGEST"}}
Policy = dict[str, Any]


@dataclass(frozen=True)
class Roles:
    """ARNs of the roles of the stack's functions; `others` are all but the signer's."""

    signer: str
    others: tuple[str, ...]

    @property
    def account(self) -> str:
        """Every principal that the account's IAM allows: operators, but not the functions' roles."""
        if not (match := _ROLE.fullmatch(self.signer)):
            raise Misconfigured("invalid stack output SignerRole: not the ARN of a role; deploy the stack again")
        return f"arn:{match[1]}:iam::{match[2]}:root"


def of_root(roles: Roles) -> Policy:
    """Return the policy of a root key: operators sign in the ceremony; every function role is denied."""
    return _policy(roles, [_ceremony(roles)], (roles.signer, *roles.others))


def of_issuing(roles: Roles, *, outside: bool) -> Policy:
    """The signer signs with it. An operator does so only if an external CA has to sign its CSR."""
    signer = {
        "Sid": "Signer",
        "Effect": "Allow",
        "Principal": {"AWS": roles.signer},
        "Action": "kms:Sign",
        "Resource": "*",
        "Condition": _DIGEST,
    }
    public = {
        "Sid": "SignerLooks",
        "Effect": "Allow",
        "Principal": {"AWS": roles.signer},
        "Action": "kms:GetPublicKey",
        "Resource": "*",
    }
    more = [_ceremony(roles)] if outside else []
    return _policy(roles, [signer, public, *more], roles.others)


def _ceremony(roles: Roles) -> Policy:
    return {
        "Sid": "Ceremony",
        "Effect": "Allow",
        "Principal": {"AWS": roles.account},
        "Action": "kms:Sign",
        "Resource": "*",
        "Condition": _DIGEST,
    }


def _policy(roles: Roles, statements: Sequence[Policy], kept_out: Sequence[str]) -> Policy:
    administration = {
        "Sid": "Administration",
        "Effect": "Allow",
        "Principal": {"AWS": roles.account},
        "Action": list(ADMINISTRATION),
        "Resource": "*",
    }
    functions = {
        "Sid": "NoFunction",
        "Effect": "Deny",
        "Principal": {"AWS": sorted(kept_out)},
        "Action": ["kms:Sign", "kms:CreateGrant", "kms:PutKeyPolicy"],
        "Resource": "*",
    }
    return {"Version": "2012-10-17", "Statement": [administration, *statements, functions]}
