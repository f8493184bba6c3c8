"""P7 and P9: what each role may do, asked of the emulator's IAM with the role's own, verified credentials."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local_stack import STACK
from tests.stack.conftest import Stack

DENIED = {"AccessDeniedException", "AccessDenied", "AuthorizationError"}
OURS = [{"Key": "evercert:stack", "Value": STACK}]


@pytest.fixture(scope="session")
def checker(stack: Stack) -> Callable[[str], Any]:
    credentials = stack.role(stack.resource("CheckerRole"))
    return lambda service: stack.client(service, **credentials)


@pytest.fixture(scope="session")
def issuer(stack: Stack) -> Callable[[str], Any]:
    credentials = stack.role(stack.resource("IssuerRole"))
    return lambda service: stack.client(service, **credentials)


def denied(call: Callable[[], Any]) -> bool:
    try:
        call()
    except ClientError as error:
        code = error.response["Error"]["Code"]
        assert code in DENIED, error
        return True
    return False


@pytest.fixture
def sealed(stack: Stack, issuer: Callable[[str], Any]) -> tuple[str, bytes]:
    key = stack.resource("SealKey")
    blob = issuer("kms").encrypt(KeyId=key, Plaintext=b"key", EncryptionContext={"a": "b"})["CiphertextBlob"]
    return key, blob


def test_only_the_issuer_opens_the_seal(checker, issuer, sealed: tuple[str, bytes]) -> None:
    key, blob = sealed
    assert denied(lambda: checker("kms").decrypt(KeyId=key, CiphertextBlob=blob, EncryptionContext={"a": "b"}))
    assert denied(lambda: checker("kms").encrypt(KeyId=key, Plaintext=b"x"))
    assert issuer("kms").decrypt(KeyId=key, CiphertextBlob=blob, EncryptionContext={"a": "b"})["Plaintext"] == b"key"


def test_the_issuer_never_reads_a_certificate_back(stack: Stack, issuer) -> None:
    name = f"evercert/certificates/{uuid.uuid4().hex}"
    issuer("secretsmanager").create_secret(Name=name, SecretString="x", Tags=OURS)
    assert denied(lambda: issuer("secretsmanager").get_secret_value(SecretId=name))
    assert denied(lambda: issuer("secretsmanager").delete_secret(SecretId=name))


def test_the_issuer_writes_only_secrets_with_our_tag(stack: Stack, issuer) -> None:
    name = f"evercert/certificates/{uuid.uuid4().hex}"
    theirs = [{"Key": "evercert:stack", "Value": "another"}]
    assert denied(lambda: issuer("secretsmanager").create_secret(Name=name, SecretString="x"))
    assert denied(lambda: issuer("secretsmanager").create_secret(Name=name, SecretString="x", Tags=theirs))
    stack.client("secretsmanager").create_secret(Name=name, SecretString="x", Tags=theirs)
    assert denied(lambda: issuer("secretsmanager").put_secret_value(SecretId=name, SecretString="mine"))
    mine = f"evercert/certificates/{uuid.uuid4().hex}"
    issuer("secretsmanager").create_secret(Name=mine, SecretString="x", Tags=OURS)
    issuer("secretsmanager").put_secret_value(SecretId=mine, SecretString="y")


def test_the_issuer_does_not_make_another_stacks_secret_its_own(stack: Stack, issuer) -> None:
    name = f"evercert/certificates/{uuid.uuid4().hex}"
    theirs = [{"Key": "evercert:stack", "Value": "another"}]
    stack.client("secretsmanager").create_secret(Name=name, SecretString="x", Tags=theirs)
    assert denied(lambda: issuer("secretsmanager").tag_resource(SecretId=name, Tags=OURS))
    assert denied(lambda: issuer("secretsmanager").put_secret_value(SecretId=name, SecretString="mine"))


@pytest.mark.parametrize("name", ["production/database", "evercert/credentials/infisical", "evercert/certificatesX/a"])
def test_the_issuer_touches_no_secret_elsewhere(stack: Stack, issuer, name: str) -> None:
    name = f"{name}-{uuid.uuid4().hex[:6]}"
    stack.client("secretsmanager").create_secret(Name=name, SecretString="x", Tags=OURS)
    secrets = issuer("secretsmanager")
    assert denied(lambda: secrets.put_secret_value(SecretId=name, SecretString="mine"))
    assert denied(lambda: secrets.describe_secret(SecretId=name))
    assert denied(lambda: secrets.get_secret_value(SecretId=name))
    assert denied(lambda: secrets.create_secret(Name=f"{name}-2", SecretString="x", Tags=OURS))


def test_the_issuer_reads_issuers_and_writes_none(stack: Stack, issuer) -> None:
    table = stack.outputs["IssuersTable"]
    issuer("dynamodb").get_item(TableName=table, Key={"pk": {"S": "issuer#x"}})
    assert denied(lambda: issuer("dynamodb").put_item(TableName=table, Item={"pk": {"S": "issuer#x"}}))
    assert denied(lambda: issuer("dynamodb").scan(TableName=table))


def test_the_issuer_scans_and_deletes_nothing(stack: Stack, issuer) -> None:
    key = {"pk": {"S": "certificate#x"}, "sk": {"S": "record"}}
    assert denied(lambda: issuer("dynamodb").scan(TableName=stack.table))
    assert denied(lambda: issuer("dynamodb").delete_item(TableName=stack.table, Key=key))


def test_the_checker_reads_the_due_index_and_no_record(stack: Stack, checker) -> None:
    query = {
        "KeyConditionExpression": "due_shard = :s",
        "ExpressionAttributeValues": {":s": {"S": "00"}},
        "TableName": stack.table,
    }
    checker("dynamodb").query(IndexName="due", **query)
    key = {"pk": {"S": "certificate#x"}, "sk": {"S": "record"}}
    assert denied(lambda: checker("dynamodb").get_item(TableName=stack.table, Key=key))
    assert denied(lambda: checker("dynamodb").scan(TableName=stack.table))
    assert denied(lambda: checker("dynamodb").delete_item(TableName=stack.table, Key=key))


def test_the_checker_announces_nothing_and_receives_nothing(stack: Stack, checker) -> None:
    assert denied(lambda: checker("sns").publish(TopicArn=stack.outputs["Topic"], Message="x"))
    assert denied(lambda: checker("sqs").receive_message(QueueUrl=stack.outputs["Queue"]))
    assert denied(lambda: checker("secretsmanager").list_secrets())


def test_neither_role_can_become_another(stack: Stack, checker, issuer) -> None:
    arn = f"arn:aws:iam::000000000000:role/{stack.resource('IssuerRole')}"
    assert denied(lambda: checker("sts").assume_role(RoleArn=arn, RoleSessionName="test"))
    assert denied(lambda: issuer("sts").assume_role(RoleArn=arn, RoleSessionName="test"))
