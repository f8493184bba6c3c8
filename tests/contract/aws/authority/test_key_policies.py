"""Who may use the keys of CAs and the seal keys, judged by the emulator's IAM."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from evercert.aws.authority.key_creation import CAKeyMaking
from evercert.aws.authority.key_policies import Roles, of_issuing
from tests.iam.deployment import Deployment
from tests.tools.local_stack import ACCOUNT, Emulator, client_arguments

SIGN = {"MessageType": "DIGEST", "Message": b"\0" * 32, "SigningAlgorithm": "ECDSA_SHA_256"}
EVERYTHING = {"Effect": "Allow", "Action": "kms:*", "Resource": "*"}


class IAM:
    """Roles of the emulator's account."""

    def __init__(self, running: Emulator) -> None:
        self._arguments = client_arguments(running)
        self.kms = self._client("kms")

    def _client(self, service: str, **more: str) -> Any:
        return boto3.client(service, **{**self._arguments, **more})

    def role(self, *statements: dict[str, Any]) -> tuple[str, Any]:
        """Return the ARN of a new role with these permissions, and its client of KMS."""
        name, iam = f"role-{uuid.uuid4().hex[:8]}", self._client("iam")
        trust = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
        arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document(trust))["Role"]["Arn"]
        if statements:
            iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=document(*statements))
        found = self._client("sts").assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]
        credentials = {
            "access_key_id": "AccessKeyId",
            "secret_access_key": "SecretAccessKey",
            "session_token": "SessionToken",
        }
        return arn, self._client("kms", **{f"aws_{name}": found[key] for name, key in credentials.items()})


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def denied(call: Callable[[], Any]) -> bool:
    try:
        call()
    except ClientError as error:
        assert error.response["Error"]["Code"] == "AccessDeniedException", error
        return True
    return False


@pytest.fixture(scope="module")
def iam(running: Emulator) -> IAM:
    return IAM(running)


def test_only_the_signer_signs_with_an_issuing_key(iam: IAM) -> None:
    signer_arn, signer = iam.role()  # the key policy alone decides
    front_arn, front = iam.role(EVERYTHING)
    _, operator = iam.role(EVERYTHING)
    making = CAKeyMaking(iam.kms, iam.kms, f"stack-{uuid.uuid4().hex[:8]}")
    policy = of_issuing(Roles(signer_arn, (front_arn,)), outside=False)
    key = making.make("issuing-ec", str(uuid.uuid4()), "EC_prime256v1", policy)
    assert signer.sign(KeyId=key, **SIGN)["Signature"]
    assert denied(lambda: signer.sign(KeyId=key, **{**SIGN, "MessageType": "RAW"}))
    assert denied(lambda: front.sign(KeyId=key, **SIGN))
    assert denied(lambda: operator.sign(KeyId=key, **SIGN))
    assert denied(lambda: front.put_key_policy(KeyId=key, PolicyName="default", Policy=document(EVERYTHING)))
    assert operator.get_key_policy(KeyId=key, PolicyName="default")["Policy"]


@pytest.mark.parametrize(("key", "role"), [("SealKey", "IssuerRole"), ("AuthoritySealKey", "AuthorityRole")])
def test_only_one_role_uses_a_seal_key(iam: IAM, running: Emulator, key: str, role: str) -> None:
    def deployment(role_arn: str) -> Deployment:
        region = client_arguments(running)["region_name"]
        return Deployment({"Authority": "yes"}, "stack", region, ACCOUNT, physical={role: role_arn})

    granted = deployment("").properties(role)["Policies"][0]["PolicyDocument"]
    (ours,) = [one for one in granted["Statement"] if one.get("Sid") == "Seal"]
    arn, user = iam.role(ours)
    _, same_rights = iam.role(ours)
    _, all_rights = iam.role(EVERYTHING)
    policy = deployment(arn).properties(key)["KeyPolicy"]
    made = iam.kms.create_key(Policy=json.dumps(policy))["KeyMetadata"]["Arn"]
    context = {"evercert:stack": "stack", "evercert:uid": "u"}
    sealed = user.encrypt(KeyId=made, Plaintext=b"key", EncryptionContext=context)["CiphertextBlob"]
    opening = {"KeyId": made, "CiphertextBlob": sealed, "EncryptionContext": context}
    assert user.decrypt(**opening)["Plaintext"] == b"key"
    assert denied(lambda: user.encrypt(KeyId=made, Plaintext=b"key", EncryptionContext={"evercert:stack": "another"}))
    assert denied(lambda: user.encrypt(KeyId=made, Plaintext=b"key"))
    for other in (same_rights, all_rights):
        assert denied(lambda other=other: other.decrypt(**opening))
