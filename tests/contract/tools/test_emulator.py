"""Checks the patches of the emulator, and that an incompatible emulator version is reported at start."""

from __future__ import annotations

import json
import subprocess
import uuid
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.tools.emulator import contained_failure
from tests.tools.local_stack import ACCOUNT, LAUNCHER, REGION, Emulator, client_arguments, tool

PEM = {"Certificate": b"c", "PrivateKey": b"k"}
OURS = [{"Key": "evercert:stack", "Value": "one"}]
GONE = """
import runpy, sys
import ministack.services.acm as acm
del acm._import_certificate
sys.argv = [sys.argv[1], *sys.argv[2:]]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def client(running: Emulator, service: str, **more: str) -> Any:
    return boto3.client(service, **{**client_arguments(running), **more})


def role(running: Emulator, *statements: dict[str, Any], name: str = "") -> Callable[[str], Any]:
    """Return clients of a role that has only these permissions."""
    name, iam = name or f"role-{uuid.uuid4().hex[:8]}", client(running, "iam")
    trust = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "sts:AssumeRole"}
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=document(trust))
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=document(*statements))
    arn = f"arn:aws:iam::{ACCOUNT}:role/{name}"
    found = client(running, "sts").assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]
    credentials = {
        "aws_access_key_id": found["AccessKeyId"],
        "aws_secret_access_key": found["SecretAccessKey"],
        "aws_session_token": found["SessionToken"],
    }
    return lambda service: client(running, service, **credentials)


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def refusal(call: Callable[[], Any]) -> str | None:
    try:
        call()
    except ClientError as error:
        return error.response["Error"]["Code"]
    return None


def test_emulator_has_every_name_the_launcher_patches() -> None:
    done = subprocess.run([tool("python"), "-P", LAUNCHER, "--check"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("arguments", [["--check"], []])
def test_launcher_stops_with_one_line_naming_a_missing_attribute(arguments: list[str]) -> None:
    command = [tool("python"), "-P", "-c", GONE, LAUNCHER, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "ministack.services.acm._import_certificate" in line
    assert "tests/tools/emulator.py" in line


def test_acm_refuses_to_reimport_an_unknown_certificate(running: Emulator) -> None:
    acm = client(running, "acm")
    arn = acm.import_certificate(**PEM)["CertificateArn"]
    acm.delete_certificate(CertificateArn=arn)
    assert refusal(lambda: acm.import_certificate(CertificateArn=arn, **PEM)) == "ResourceNotFoundException"
    assert refusal(lambda: acm.describe_certificate(CertificateArn=arn)) == "ResourceNotFoundException"


def test_acm_reimport_keeps_tags(running: Emulator) -> None:
    acm = client(running, "acm")
    arn = acm.import_certificate(**PEM, Tags=OURS)["CertificateArn"]
    theirs = [{"Key": "evercert:stack", "Value": "two"}]
    assert refusal(lambda: acm.import_certificate(CertificateArn=arn, Tags=theirs, **PEM)) == "ValidationException"
    acm.import_certificate(CertificateArn=arn, **PEM)
    assert acm.list_tags_for_certificate(CertificateArn=arn)["Tags"] == OURS


def test_policies_see_the_tags_of_a_certificate(running: Emulator) -> None:
    tagged = {"StringEquals": {"aws:ResourceTag/evercert:stack": "one"}}
    acm = role(running, {"Effect": "Allow", "Action": "acm:DescribeCertificate", "Resource": "*", "Condition": tagged})(
        "acm"
    )
    root = client(running, "acm")
    ours = root.import_certificate(**PEM, Tags=OURS)["CertificateArn"]
    nobodys = root.import_certificate(**PEM)["CertificateArn"]
    assert refusal(lambda: acm.describe_certificate(CertificateArn=ours)) is None
    assert refusal(lambda: acm.describe_certificate(CertificateArn=nobodys)) == "AccessDeniedException"


def test_policies_check_a_new_import_against_any_certificate(running: Emulator) -> None:
    """ACM names this resource in its refusals: arn:aws:acm:region:account:certificate/*."""
    region = client_arguments(running)["region_name"]
    for account, refused in ((ACCOUNT, None), ("111122223333", "AccessDeniedException")):
        where = f"arn:aws:acm:{region}:{account}:certificate/*"
        acm = role(running, {"Effect": "Allow", "Action": "acm:ImportCertificate", "Resource": where})("acm")
        assert refusal(lambda acm=acm: acm.import_certificate(**PEM)) == refused


def test_policies_see_the_encryption_context(running: Emulator) -> None:
    root = client(running, "kms")
    key = root.create_key()["KeyMetadata"]["Arn"]
    only = {
        "StringEquals": {"kms:EncryptionContext:purpose": "test"},
        "ForAllValues:StringEquals": {"kms:EncryptionContextKeys": ["purpose", "uid"]},
    }
    kms = role(running, {"Effect": "Allow", "Action": "kms:Encrypt", "Resource": "*", "Condition": only})("kms")
    answers = {
        json.dumps(context): refusal(lambda c=context: kms.encrypt(KeyId=key, Plaintext=b"x", EncryptionContext=c))
        for context in ({"purpose": "test", "uid": "1"}, {"purpose": "other"}, {}, {"purpose": "test", "more": "1"})
    }
    assert list(answers.values()) == [None, *["AccessDeniedException"] * 3]


def test_policies_see_tls(running: Emulator) -> None:
    """A bucket that refuses writers without TLS is usable on the emulator, which has none."""
    root, name = client(running, "s3"), f"bucket-{uuid.uuid4().hex[:8]}"
    root.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    place = f"arn:aws:s3:::{name}/*"
    plain = {"Bool": {"aws:SecureTransport": "false"}}
    refused = {"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": place, "Condition": plain}
    root.put_bucket_policy(Bucket=name, Policy=document(refused))
    s3 = role(running, {"Effect": "Allow", "Action": "s3:PutObject", "Resource": place})("s3")
    assert refusal(lambda: s3.put_object(Bucket=name, Key="a", Body=b"x")) is None


def test_policies_see_the_signing_algorithm_and_message_type(running: Emulator) -> None:
    root = client(running, "kms")
    key = root.create_key(KeyUsage="SIGN_VERIFY", KeySpec="ECC_NIST_P256")["KeyMetadata"]["Arn"]
    only = {"StringEquals": {"kms:MessageType": "DIGEST", "kms:SigningAlgorithm": "ECDSA_SHA_256"}}
    kms = role(running, {"Effect": "Allow", "Action": "kms:Sign", "Resource": "*", "Condition": only})("kms")
    asked = {"KeyId": key, "Message": b"x" * 32, "SigningAlgorithm": "ECDSA_SHA_256"}
    assert refusal(lambda: kms.sign(**asked, MessageType="DIGEST")) is None
    assert refusal(lambda: kms.sign(**asked)) == "AccessDeniedException"
    other = {**asked, "SigningAlgorithm": "ECDSA_SHA_384"}
    assert refusal(lambda: kms.sign(**other, MessageType="DIGEST")) == "AccessDeniedException"


def test_policies_see_the_role_of_a_session(running: Emulator) -> None:
    root = client(running, "kms")
    name = f"role-{uuid.uuid4().hex[:8]}"
    for wanted, refused in ((name, None), (f"{name}-2", "AccessDeniedException")):
        only = {"ArnEquals": {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/{wanted}"}}
        allowed = {"Effect": "Allow", "Action": "kms:Encrypt", "Resource": "*"}
        kms = role(running, {**allowed, "Condition": only}, name=f"{wanted}" if refused is None else "")("kms")
        key = root.create_key()["KeyMetadata"]["Arn"]
        assert refusal(lambda kms=kms, key=key: kms.encrypt(KeyId=key, Plaintext=b"x")) == refused


class FailingWorker:
    """A function process of the emulator that fails while it starts."""

    def __init__(self) -> None:
        self._proc: Any = subprocess.Popen(["sleep", "60"])

    def invoke(self, event: dict[str, Any], request_id: str) -> dict[str, Any]:
        raise RuntimeError("Worker process exited immediately")


def test_process_that_cannot_start_fails_alone() -> None:
    worker = FailingWorker()
    process = worker._proc
    answer = contained_failure(FailingWorker.invoke)(worker, {}, "id")
    assert (answer["status"], answer["error"]) == ("error", "Worker process exited immediately")
    assert process.wait(5) == -9
    assert worker._proc is None


def test_process_that_starts_answers_as_before() -> None:
    assert contained_failure(lambda worker, event, depth: {"status": event, "depth": depth})(None, "ok", depth=1) == {
        "status": "ok",
        "depth": 1,
    }
