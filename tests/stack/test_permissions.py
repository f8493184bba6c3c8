"""P7 and P9: permissions of each role, checked at the emulator's IAM with the role's own verified credentials."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.stack.conftest import Stack
from tests.tools.local_stack import OWNER, REGION, STACK

DENIED = {"AccessDeniedException", "AccessDenied", "AuthorizationError"}
OURS = [{"Key": "evercert:stack", "Value": OWNER}]
OLD = [{"Key": "evercert:stack", "Value": STACK}]
THEIRS = [{"Key": "evercert:stack", "Value": "another"}]
LISTED, UNLISTED = "us-east-1", "us-west-2"  # in and not in DestinationRegions of the local profile
CONTEXT = {"evercert:stack": STACK, "evercert:uid": "u", "evercert:revision": "1"}
PEM = {"Certificate": b"c", "PrivateKey": b"k"}  # the emulator's ACM does not parse them


@pytest.fixture(scope="session")
def checker(stack: Stack) -> Callable[..., Any]:
    credentials = stack.role(stack.resource("CheckerRole"))
    return lambda service, **more: stack.client(service, **credentials, **more)


@pytest.fixture(scope="session")
def issuer(stack: Stack) -> Callable[..., Any]:
    credentials = stack.role(stack.resource("IssuerRole"))
    return lambda service, **more: stack.client(service, **credentials, **more)


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
    blob = issuer("kms").encrypt(KeyId=key, Plaintext=b"key", EncryptionContext=CONTEXT)["CiphertextBlob"]
    return key, blob


def test_only_the_issuer_opens_the_seal(checker, issuer, sealed: tuple[str, bytes]) -> None:
    key, blob = sealed
    assert denied(lambda: checker("kms").decrypt(KeyId=key, CiphertextBlob=blob, EncryptionContext=CONTEXT))
    assert denied(lambda: checker("kms").encrypt(KeyId=key, Plaintext=b"x", EncryptionContext=CONTEXT))
    assert issuer("kms").decrypt(KeyId=key, CiphertextBlob=blob, EncryptionContext=CONTEXT)["Plaintext"] == b"key"


@pytest.mark.parametrize("context", [{}, {"evercert:uid": "u"}, {**CONTEXT, "evercert:stack": "another"}])
def test_seal_is_bound_to_the_stack(issuer, sealed: tuple[str, bytes], context: dict[str, str]) -> None:
    key, blob = sealed
    assert denied(lambda: issuer("kms").encrypt(KeyId=key, Plaintext=b"x", EncryptionContext=context))
    assert denied(lambda: issuer("kms").decrypt(KeyId=key, CiphertextBlob=blob, EncryptionContext=context))


def test_issuer_cannot_read_certificates_back(stack: Stack, issuer) -> None:
    name = f"evercert/certificates/{uuid.uuid4().hex}"
    issuer("secretsmanager").create_secret(Name=name, SecretString="x", Tags=OURS)
    assert denied(lambda: issuer("secretsmanager").get_secret_value(SecretId=name))
    assert denied(lambda: issuer("secretsmanager").delete_secret(SecretId=name))


def test_issuer_writes_only_secrets_tagged_for_the_stack(stack: Stack, issuer) -> None:
    name = f"evercert/certificates/{uuid.uuid4().hex}"
    assert denied(lambda: issuer("secretsmanager").create_secret(Name=name, SecretString="x"))
    assert denied(lambda: issuer("secretsmanager").create_secret(Name=name, SecretString="x", Tags=THEIRS))
    stack.client("secretsmanager").create_secret(Name=name, SecretString="x", Tags=THEIRS)
    assert denied(lambda: issuer("secretsmanager").put_secret_value(SecretId=name, SecretString="mine"))
    mine = f"evercert/certificates/{uuid.uuid4().hex}"
    issuer("secretsmanager").create_secret(Name=mine, SecretString="x", Tags=OURS)
    issuer("secretsmanager").put_secret_value(SecretId=mine, SecretString="y")


def test_issuer_writes_but_does_not_retag_by_the_old_tag(stack: Stack, issuer) -> None:
    name = f"evercert/certificates/{uuid.uuid4().hex}"
    assert denied(lambda: issuer("secretsmanager").create_secret(Name=name, SecretString="x", Tags=OLD))
    stack.client("secretsmanager").create_secret(Name=name, SecretString="x", Tags=OLD)
    issuer("secretsmanager").put_secret_value(SecretId=name, SecretString="y")
    assert denied(lambda: issuer("secretsmanager").tag_resource(SecretId=name, Tags=OURS))
    acm = issuer("acm")
    arn = imported(stack.client("acm"), *OLD)
    acm.import_certificate(CertificateArn=arn, **PEM)
    assert denied(lambda: acm.import_certificate(**PEM, Tags=OLD))


@pytest.mark.parametrize("owner", [f"000000000000/us-east-1/{STACK}", f"111122223333/{REGION}/{STACK}"])
def test_issuer_cannot_write_for_a_stack_of_its_name(stack: Stack, issuer, owner: str) -> None:
    theirs = [{"Key": "evercert:stack", "Value": owner}]
    name = f"evercert/certificates/{uuid.uuid4().hex}"
    stack.client("secretsmanager").create_secret(Name=name, SecretString="x", Tags=theirs)
    assert denied(lambda: issuer("secretsmanager").put_secret_value(SecretId=name, SecretString="mine"))
    assert denied(lambda: issuer("secretsmanager").tag_resource(SecretId=name, Tags=OURS))
    arn = imported(stack.client("acm"), *theirs)
    assert denied(lambda: issuer("acm").import_certificate(CertificateArn=arn, **PEM))
    assert denied(lambda: issuer("acm").add_tags_to_certificate(CertificateArn=arn, Tags=OURS))


def test_issuer_cannot_retag_a_secret_of_another_stack(stack: Stack, issuer) -> None:
    name = f"evercert/certificates/{uuid.uuid4().hex}"
    stack.client("secretsmanager").create_secret(Name=name, SecretString="x", Tags=THEIRS)
    assert denied(lambda: issuer("secretsmanager").tag_resource(SecretId=name, Tags=OURS))
    assert denied(lambda: issuer("secretsmanager").put_secret_value(SecretId=name, SecretString="mine"))


def test_issuer_restores_only_its_own_deleted_secrets(stack: Stack, issuer) -> None:
    for tags, refused in ((OURS, False), (THEIRS, True), ([], True)):
        name = f"evercert/certificates/{uuid.uuid4().hex}"
        stack.client("secretsmanager").create_secret(Name=name, SecretString="x", Tags=tags)
        stack.client("secretsmanager").delete_secret(SecretId=name)
        assert denied(lambda name=name: issuer("secretsmanager").restore_secret(SecretId=name)) is refused


def test_secrets_are_limited_to_listed_regions(issuer) -> None:
    secret = {"Name": f"evercert/certificates/{uuid.uuid4().hex}", "SecretString": "x", "Tags": OURS}
    issuer("secretsmanager", region_name=LISTED).create_secret(**secret)
    issuer("secretsmanager", region_name=LISTED).put_secret_value(SecretId=secret["Name"], SecretString="y")
    elsewhere = issuer("secretsmanager", region_name=UNLISTED)
    assert denied(lambda: elsewhere.create_secret(**secret))
    assert denied(lambda: elsewhere.describe_secret(SecretId=secret["Name"]))


@pytest.mark.parametrize("name", ["production/database", "evercert/credentials/infisical", "evercert/certificatesX/a"])
def test_issuer_cannot_touch_secrets_outside_its_folder(stack: Stack, issuer, name: str) -> None:
    name = f"{name}-{uuid.uuid4().hex[:6]}"
    stack.client("secretsmanager").create_secret(Name=name, SecretString="x", Tags=OURS)
    secrets = issuer("secretsmanager")
    assert denied(lambda: secrets.put_secret_value(SecretId=name, SecretString="mine"))
    assert denied(lambda: secrets.describe_secret(SecretId=name))
    assert denied(lambda: secrets.get_secret_value(SecretId=name)) is ("/credentials/" not in name)
    assert denied(lambda: secrets.create_secret(Name=f"{name}-2", SecretString="x", Tags=OURS))


def test_issuer_reads_credentials_only_in_its_region(stack: Stack, issuer) -> None:
    name = f"evercert/credentials/{uuid.uuid4().hex}"
    for region in (REGION, LISTED):
        stack.client("secretsmanager", region_name=region).create_secret(Name=name, SecretString="x")
    assert issuer("secretsmanager").get_secret_value(SecretId=name)["SecretString"] == "x"
    assert denied(lambda: issuer("secretsmanager", region_name=LISTED).get_secret_value(SecretId=name))


@pytest.mark.parametrize(
    ("prefix", "refused"), [("/evercert/credentials/", False), ("/evercert/", True), ("/other/", True)]
)
def test_issuer_reads_only_credential_parameters(stack: Stack, issuer, prefix: str, refused: bool) -> None:
    name = f"{prefix}{uuid.uuid4().hex}"
    stack.client("ssm").put_parameter(Name=name, Value="x", Type="SecureString")
    assert denied(lambda: issuer("ssm").get_parameter(Name=name, WithDecryption=True)) is refused
    assert denied(lambda: issuer("ssm").put_parameter(Name=name, Value="y", Type="SecureString", Overwrite=True))


def imported(client: Any, *tags: dict[str, str]) -> str:
    return client.import_certificate(**PEM, **({"Tags": list(tags)} if tags else {}))["CertificateArn"]


def test_certificate_import_requires_the_tag_of_the_stack(issuer) -> None:
    acm = issuer("acm")
    assert denied(lambda: imported(acm))
    assert denied(lambda: imported(acm, *THEIRS))
    assert denied(lambda: imported(acm, {"Key": "owner", "Value": STACK}))
    imported(acm, *OURS)


def test_certificate_reimport_requires_the_tag_of_the_stack(stack: Stack, issuer) -> None:
    acm, root = issuer("acm"), stack.client("acm")
    arn = imported(acm, *OURS)
    acm.import_certificate(CertificateArn=arn, **{**PEM, "Certificate": b"next"})
    assert acm.get_certificate(CertificateArn=arn)["Certificate"] == "next"
    for foreign in (imported(root), imported(root, *THEIRS)):
        assert denied(lambda foreign=foreign: acm.import_certificate(CertificateArn=foreign, **PEM))


def test_certificate_reimport_cannot_add_the_tag(stack: Stack, issuer) -> None:
    """IAM refuses another stack's certificate; ACM refuses tags on a re-import, which covers untagged ones."""
    acm, root = issuer("acm"), stack.client("acm")
    theirs, untagged = imported(root, *THEIRS), imported(root)
    assert denied(lambda: acm.import_certificate(CertificateArn=theirs, Tags=OURS, **PEM))
    assert denied(lambda: acm.add_tags_to_certificate(CertificateArn=theirs, Tags=OURS))
    with pytest.raises(ClientError, match="ValidationException"):
        acm.import_certificate(CertificateArn=untagged, Tags=OURS, **PEM)


def test_certificates_are_limited_to_listed_regions(stack: Stack, issuer) -> None:
    arn = imported(issuer("acm", region_name=LISTED), *OURS)
    issuer("acm", region_name=LISTED).import_certificate(CertificateArn=arn, **PEM)
    elsewhere = issuer("acm", region_name=UNLISTED)
    ours = imported(stack.client("acm", region_name=UNLISTED), *OURS)
    assert denied(lambda: imported(elsewhere, *OURS))
    assert denied(lambda: elsewhere.import_certificate(CertificateArn=ours, **PEM))
    assert denied(lambda: elsewhere.get_certificate(CertificateArn=ours))
    assert denied(elsewhere.list_certificates)


def test_issuer_can_look_at_certificates_and_nothing_else(issuer) -> None:
    acm = issuer("acm")
    arn = imported(acm, *OURS)
    acm.get_certificate(CertificateArn=arn)
    assert acm.list_tags_for_certificate(CertificateArn=arn)["Tags"] == OURS
    acm.list_certificates()
    assert denied(lambda: acm.delete_certificate(CertificateArn=arn))
    assert denied(lambda: acm.export_certificate(CertificateArn=arn, Passphrase=b"long enough"))
    assert denied(lambda: acm.remove_tags_from_certificate(CertificateArn=arn, Tags=OURS))
    assert denied(lambda: acm.request_certificate(DomainName="www.example.com", Tags=OURS))


def test_issuer_reads_issuers_and_writes_none(stack: Stack, issuer) -> None:
    table = stack.outputs["IssuersTable"]
    assert denied(lambda: issuer("dynamodb").get_item(TableName=table, Key={"pk": {"S": "issuer#x"}}))
    issuer("dynamodb").batch_get_item(RequestItems={table: {"Keys": [{"pk": {"S": "issuer#x"}}]}})
    assert denied(lambda: issuer("dynamodb").put_item(TableName=table, Item={"pk": {"S": "issuer#x"}}))
    assert denied(lambda: issuer("dynamodb").scan(TableName=table))


def test_issuer_cannot_scan_or_delete(stack: Stack, issuer) -> None:
    key = {"pk": {"S": "certificate#x"}, "sk": {"S": "record"}}
    assert denied(lambda: issuer("dynamodb").scan(TableName=stack.table))
    assert denied(lambda: issuer("dynamodb").delete_item(TableName=stack.table, Key=key))


@pytest.mark.parametrize(("index", "shard"), [("due", "due_shard"), ("expiring", "expiry_shard")])
def test_checker_reads_the_indexes(stack: Stack, checker, index: str, shard: str) -> None:
    query = {"KeyConditionExpression": f"{shard} = :s", "ExpressionAttributeValues": {":s": {"S": "00"}}}
    checker("dynamodb").query(TableName=stack.table, IndexName=index, **query)


def test_checker_can_sweep_but_not_replace_or_delete(stack: Stack, checker) -> None:
    """The sweep may read records outside the index; their private keys are sealed, and the checker cannot open the seal."""
    allowed = {"TableName": stack.table, "Select": "SPECIFIC_ATTRIBUTES", "ProjectionExpression": "pk, sk, due_at"}
    checker("dynamodb").scan(**allowed)
    assert denied(lambda: checker("dynamodb").scan(TableName=stack.table))
    assert denied(lambda: checker("dynamodb").scan(**{**allowed, "ProjectionExpression": "pk, spec"}))
    key = {"pk": {"S": "certificate#x"}, "sk": {"S": "record"}}
    assert denied(lambda: checker("dynamodb").put_item(TableName=stack.table, Item=key))
    assert denied(lambda: checker("dynamodb").delete_item(TableName=stack.table, Key=key))


def test_checker_cannot_publish_or_receive(stack: Stack, checker) -> None:
    assert denied(lambda: checker("sns").publish(TopicArn=stack.outputs["Topic"], Message="x"))
    assert denied(lambda: checker("sqs").receive_message(QueueUrl=stack.outputs["Queue"]))
    assert denied(lambda: checker("secretsmanager").list_secrets())
    assert denied(lambda: checker("acm").list_certificates())


def test_checker_cannot_read_issuers(stack: Stack, checker) -> None:
    table = stack.outputs["IssuersTable"]
    assert denied(lambda: checker("dynamodb").get_item(TableName=table, Key={"pk": {"S": "issuer#x"}}))


def test_roles_cannot_assume_each_other(stack: Stack, checker, issuer) -> None:
    arn = f"arn:aws:iam::000000000000:role/{stack.resource('IssuerRole')}"
    assert denied(lambda: checker("sts").assume_role(RoleArn=arn, RoleSessionName="test"))
    assert denied(lambda: issuer("sts").assume_role(RoleArn=arn, RoleSessionName="test"))
