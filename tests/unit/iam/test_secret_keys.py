"""Secrets under customer managed keys: Secrets Manager uses the key with the issuer's rights (parameter SecretKeys)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.iam.deployment import Deployment
from tests.iam.judge import Judge, missing_permissions
from tests.unit.iam.test_judge import OURS, call

KEY = "arn:aws:kms:eu-central-1:000000000000:key/1234"
LISTED, UNLISTED = (Deployment({"Authority": "yes", "SecretKeys": keys}) for keys in (KEY, ""))
CREDENTIAL, CERTIFICATE = "evercert/credentials/ca", "evercert/certificates/web"
CLOSED = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::1:root"},
          "Action": "kms:*", "Resource": "*"}]}  # fmt: skip


def problems(
    deployment: Deployment, secret: str, operation: str, policy: dict[str, Any] | None = None, **params: Any
) -> list[str]:
    """Return what the issuer lacks for a call on a secret that an operator created under the key."""
    key = {} if policy is None else {"Policy": json.dumps(policy)}
    made = [
        call("", "kms:CreateKey", arn=KEY, at=1, **key),
        call("", "secretsmanager:CreateSecret", Name=secret, KmsKeyId=KEY, Tags=OURS, at=2),
    ]
    used = call("issuer", f"secretsmanager:{operation}", at=3, **{"SecretId": secret, **params})
    return missing_permissions(Judge(deployment).judge([*made, used]))


uses = pytest.mark.parametrize(
    ("secret", "operation", "action"),
    [
        (CREDENTIAL, "GetSecretValue", "kms:Decrypt"),
        (CERTIFICATE, "PutSecretValue", "kms:GenerateDataKey"),
    ],
)


@uses
def test_issuer_uses_a_listed_key(secret: str, operation: str, action: str) -> None:
    assert problems(LISTED, secret, operation) == []


@uses
def test_issuer_lacks_an_unlisted_key(secret: str, operation: str, action: str) -> None:
    found = problems(UNLISTED, secret, operation)
    assert any(line.startswith(f"issuer may not {action} on {KEY}: ") for line in found)


@uses
def test_policy_of_a_listed_key_must_allow_the_account(secret: str, operation: str, action: str) -> None:
    found = problems(LISTED, secret, operation, CLOSED)
    assert any(line.startswith(f"issuer may not {action} on {KEY}: ") for line in found)


def test_issuer_does_not_use_a_listed_key_itself() -> None:
    direct = call("issuer", "kms:Decrypt", KeyId=KEY)
    made = call("", "kms:CreateKey", arn=KEY, at=-1)
    (problem,) = missing_permissions(Judge(LISTED).judge([made, direct]))
    assert problem.startswith(f"issuer may not kms:Decrypt on {KEY}: ")


def test_listed_keys_give_no_credentials_of_others() -> None:
    assert problems(LISTED, CERTIFICATE, "GetSecretValue") != []
    assert problems(LISTED, CREDENTIAL, "PutSecretValue") != []
