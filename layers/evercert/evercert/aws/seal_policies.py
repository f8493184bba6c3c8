"""Key policies of seal keys, as template.yaml sets them on the keys of the stack."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from evercert.errors import Misconfigured

# No grants: a principal that can create one could delegate the use of the key past the statement `Seal`.
ADMINISTRATION = (
    "kms:CancelKeyDeletion",
    "kms:CreateAlias",
    "kms:Delete*",
    "kms:Describe*",
    "kms:Disable*",
    "kms:Enable*",
    "kms:Get*",
    "kms:List*",
    "kms:Put*",
    "kms:RotateKeyOnDemand",
    "kms:ScheduleKeyDeletion",
    "kms:TagResource",
    "kms:UntagResource",
    "kms:Update*",
)
_ROLE = re.compile(r"arn:[a-z0-9-]+:iam::[0-9]{12}:role/.+")


def seal_policy(roles: Sequence[str], stack: str) -> dict[str, Any]:
    """Return the policy of a seal key that only these roles may use, for data of the stack with this name."""
    for role in roles:
        if not _ROLE.fullmatch(role):
            raise Misconfigured(f"invalid stack output {role!r}: not the ARN of a role; deploy the stack again")
    _, partition, _, _, number, _ = roles[0].split(":", 5)
    account = {"AWS": f"arn:{partition}:iam::{number}:root"}
    administration = {"Sid": "Administration", "Effect": "Allow", "Principal": account}
    condition = {
        "StringEquals": {"kms:EncryptionContext:evercert:stack": stack},
        "ArnEquals": {"aws:PrincipalArn": roles[0] if len(roles) == 1 else list(roles)},
    }
    seal = {"Sid": "Seal", "Effect": "Allow", "Principal": account, "Action": ["kms:Encrypt", "kms:Decrypt"]}
    return {
        "Version": "2012-10-17",
        "Statement": [
            {**administration, "Action": list(ADMINISTRATION), "Resource": "*"},
            {**seal, "Resource": "*", "Condition": condition},
        ],
    }
