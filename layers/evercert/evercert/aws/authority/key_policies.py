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
_DIGEST = {"kms:MessageType": "DIGEST"}
Policy = dict[str, Any]


@dataclass(frozen=True)
class Roles:
    """ARNs of the roles of the stack's functions; `others` are all but the signer's."""

    signer: str
    others: tuple[str, ...]

    @property
    def account(self) -> str:
        """Every principal that the account's IAM allows: operators, but not the functions' roles."""
        partition, number = self._account()
        return f"arn:{partition}:iam::{number}:root"

    @property
    def account_id(self) -> str:
        """Return the number of the account."""
        return self._account()[1]

    def _account(self) -> tuple[str, str]:
        if not (match := _ROLE.fullmatch(self.signer)):
            raise Misconfigured("invalid stack output SignerRole: not the ARN of a role; deploy the stack again")
        return match[1], match[2]


def of_root(roles: Roles) -> Policy:
    """Return the policy of a root key: operators sign in the ceremony; every function role is denied."""
    return _policy(roles, [_ceremony(roles), _denied((roles.signer, *roles.others))])


def of_issuing(roles: Roles, *, outside: bool) -> Policy:
    """Return the policy of an issuing key: the signer signs. Operators may too if an external CA has to sign its CSR.

    Conditions name the roles, because KMS may not find a new role as principal, and replaces a deleted one by its id.
    With the principal `*` the key policy alone decides: the roles' own policies need no permission.
    """
    signer = {
        "Sid": "Signer",
        "Effect": "Allow",
        "Principal": {"AWS": "*"},
        "Action": "kms:Sign",
        "Resource": "*",
        "Condition": {
            "StringEquals": {**_DIGEST, "aws:PrincipalAccount": roles.account_id},
            "ArnEquals": {"aws:PrincipalArn": roles.signer},
        },
    }
    more = [_ceremony(roles)] if outside else []
    return _policy(roles, [signer, *more, _denied(roles.others)])


def earlier_root(roles: Roles) -> Policy:
    """Return the policy of a root key of earlier releases, whose principals are roles."""
    return _policy(roles, [_ceremony(roles), _denied_by_name((roles.signer, *roles.others))])


def earlier_issuing(roles: Roles, *, outside: bool) -> Policy:
    """Return the policy of an issuing key of earlier releases, whose principals are roles."""
    signer = {"Effect": "Allow", "Principal": {"AWS": roles.signer}, "Resource": "*"}
    sign = {"Sid": "Signer", **signer, "Action": "kms:Sign", "Condition": {"StringEquals": _DIGEST}}
    look = {"Sid": "SignerLooks", **signer, "Action": "kms:GetPublicKey"}
    more = [_ceremony(roles)] if outside else []
    return _policy(roles, [sign, look, *more, _denied_by_name(roles.others)])


def _ceremony(roles: Roles) -> Policy:
    return {
        "Sid": "Ceremony",
        "Effect": "Allow",
        "Principal": {"AWS": roles.account},
        "Action": "kms:Sign",
        "Resource": "*",
        "Condition": {"StringEquals": _DIGEST},
    }


def _policy(roles: Roles, statements: Sequence[Policy]) -> Policy:
    administration = {
        "Sid": "Administration",
        "Effect": "Allow",
        "Principal": {"AWS": roles.account},
        "Action": list(ADMINISTRATION),
        "Resource": "*",
    }
    return {"Version": "2012-10-17", "Statement": [administration, *statements]}


def _denied(roles: Sequence[str]) -> Policy:
    condition = {"ArnEquals": {"aws:PrincipalArn": sorted(roles)}}
    return {**_denied_by_name(roles), "Principal": {"AWS": "*"}, "Condition": condition}


def _denied_by_name(roles: Sequence[str]) -> Policy:
    return {
        "Sid": "NoFunction",
        "Effect": "Deny",
        "Principal": {"AWS": sorted(roles)},
        "Action": ["kms:Sign", "kms:CreateGrant", "kms:PutKeyPolicy"],
        "Resource": "*",
    }
