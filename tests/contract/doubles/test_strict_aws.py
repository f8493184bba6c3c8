"""Tests of the AWS doubles: each rule is violated once."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

from tests.doubles.strict_aws import StrictKMS, StrictSecretsManager, StrictSNS, StrictSQS

TOKEN = "0" * 36


def made(client: StrictSecretsManager, name: str = "a", token: str = TOKEN, value: str = "v") -> None:
    client.create_secret(Name=name, ClientRequestToken=token, SecretString=value, Description="", Tags=[])


@pytest.mark.parametrize(
    "call",
    [
        lambda c: made(c, name="bad name"),
        lambda c: made(c, token="short"),
        lambda c: made(c, value="v" * 65_537),
        lambda c: made(c, name="a/b", value=""),
        lambda c: made(c, name="there", value="other"),
        lambda c: c.put_secret_value(SecretId="there", ClientRequestToken=TOKEN, SecretString="other"),
        lambda c: c.put_secret_value(SecretId="unknown", ClientRequestToken=TOKEN, SecretString="v"),
        lambda c: c.create_secret(Name="t", ClientRequestToken=TOKEN, SecretString="v", Description="", Tags=[{"Key": "k", "Value": "*.x"}]),
    ],
    ids=["name", "token", "too long", "empty", "exists", "token reused", "missing", "tag"],
)  # fmt: skip
def test_secrets_manager_refuses(call) -> None:
    client = StrictSecretsManager()
    made(client, name="there")
    with pytest.raises(ClientError):
        call(client)


def test_secrets_manager_repeated_token_keeps_the_stage() -> None:
    client = StrictSecretsManager()
    made(client)
    client.put_secret_value(SecretId="a", ClientRequestToken="1" * 36, SecretString="w")
    client.put_secret_value(SecretId="a", ClientRequestToken=TOKEN, SecretString="v")
    assert client.get_secret_value(SecretId="a")["SecretString"] == "w"


def test_secrets_manager_moves_a_stage_only_from_its_holder() -> None:
    client = StrictSecretsManager()
    made(client)
    client.put_secret_value(SecretId="a", ClientRequestToken="1" * 36, SecretString="w")
    with pytest.raises(ClientError):
        client.update_secret_version_stage(SecretId="a", VersionStage="AWSCURRENT", MoveToVersionId=TOKEN)


@pytest.mark.parametrize(
    "changes",
    [
        {"Subject": "x" * 100},
        {"Subject": "a\nb"},
        {"Subject": "é"},
        {"Message": json.dumps({"email": "x"})},
        {"MessageAttributes": {f"a{n}": {"DataType": "String", "StringValue": "x"} for n in range(11)}},
        {"MessageAttributes": {"a": {"DataType": "String", "StringValue": ""}}},
    ],
    ids=["long subject", "line break", "not ASCII", "no default", "eleven attributes", "empty attribute"],
)
def test_sns_refuses(changes: dict) -> None:
    fine = {
        "TopicArn": "t",
        "Subject": "s",
        "MessageStructure": "json",
        "Message": json.dumps({"default": "x"}),
        "MessageAttributes": {},
    }
    StrictSNS().publish(**fine)
    with pytest.raises(ClientError):
        StrictSNS().publish(**{**fine, **changes})


@pytest.mark.parametrize("delay", [-1, 901, 1.5])
def test_sqs_refuses_a_delay(delay: float) -> None:
    with pytest.raises(ClientError):
        StrictSQS().send_message(QueueUrl="q", MessageBody="{}", DelaySeconds=delay)


@pytest.mark.parametrize("ids", [[], ["a"] * 2, [str(n) for n in range(11)]], ids=["empty", "twice", "eleven"])
def test_sqs_refuses_a_batch(ids: list[str]) -> None:
    with pytest.raises(ClientError):
        StrictSQS().send_message_batch(
            QueueUrl="q", Entries=[{"Id": i, "MessageBody": '{"certificate": "a"}'} for i in ids]
        )


def test_kms_refuses_large_data_and_another_context() -> None:
    kms = StrictKMS()
    with pytest.raises(ClientError):
        kms.encrypt(KeyId="k", Plaintext=b"x" * 4_097, EncryptionContext={})
    blob = kms.encrypt(KeyId="k", Plaintext=b"x", EncryptionContext={"a": "b"})["CiphertextBlob"]
    assert kms.decrypt(KeyId="k", CiphertextBlob=blob, EncryptionContext={"a": "b"})["Plaintext"] == b"x"
    with pytest.raises(ClientError):
        kms.decrypt(KeyId="k", CiphertextBlob=blob, EncryptionContext={})
