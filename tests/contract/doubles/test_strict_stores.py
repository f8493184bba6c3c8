"""Tests of the doubles of S3 and Parameter Store: each rule is violated once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.doubles.strict_aws import ACCOUNT
from tests.doubles.strict_s3 import Bucket, StrictS3
from tests.doubles.strict_ssm import StrictSSM

OWN: dict[str, Any] = {"Bucket": "b", "Key": "k", "ExpectedBucketOwner": ACCOUNT}
NAME = "/evercert/certificates/web"


def code(call: Callable[[], Any]) -> str:
    with pytest.raises(ClientError) as caught:
        call()
    return str(caught.value.response["Error"]["Code"])


def s3(**bucket: Any) -> StrictS3:
    client = StrictS3()
    client.buckets["b"] = Bucket(**bucket)
    return client


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"Key": "k" * 1_025}, "KeyTooLongError"),
        ({"Bucket": "other"}, "NoSuchBucket"),
        ({"ExpectedBucketOwner": "444455556666"}, "AccessDenied"),
        ({"IfNoneMatch": '"etag"'}, "NotImplemented"),
        ({"IfNoneMatch": "*"}, "PreconditionFailed"),
        ({"IfMatch": '"other"'}, "PreconditionFailed"),
        ({"Key": "absent", "IfMatch": '"other"'}, "NoSuchKey"),
        ({"Metadata": {"a": "ü"}}, "InvalidArgument"),
        ({"Metadata": {"a": "b" * 2_048}}, "MetadataTooLarge"),
        ({"Tagging": "a=*"}, "InvalidTag"),
        ({"Tagging": "a=1&a=2"}, "InvalidTag"),
        ({"SSEKMSKeyId": "key"}, "InvalidArgument"),
        ({"SSEKMSKeyId": "key", "ServerSideEncryption": "aws:kms"}, "AccessDenied"),
    ],
)
def test_s3_refuses(changes: dict[str, Any], expected: str) -> None:
    client = s3()
    client.put_object(**OWN, Body=b"")
    assert code(lambda: client.put_object(**{**OWN, "Body": b"x", **changes})) == expected
    assert client.writes == ["put"]


def test_s3_answers_head_with_its_status() -> None:
    client = s3()
    assert code(lambda: client.head_object(**OWN)) == "404"
    assert code(lambda: client.head_object(**{**OWN, "Bucket": "other"})) == "404"
    assert code(lambda: client.head_object(**{**OWN, "ExpectedBucketOwner": "444455556666"})) == "403"
    assert code(lambda: client.get_object_tagging(**OWN)) == "NoSuchKey"


def test_s3_deletes_with_a_marker() -> None:
    client = s3()
    version = client.put_object(**OWN, Body=b"x")["VersionId"]
    client.delete_object(Bucket="b", Key="k")
    assert code(lambda: client.head_object(**OWN)) == "404"
    assert client.head_object(**OWN, VersionId=version)["VersionId"] == version
    assert client.put_object(**OWN, Body=b"y", IfNoneMatch="*")["VersionId"] != version


def test_s3_replaces_versions_that_have_no_number() -> None:
    client = s3(versioning="Suspended")
    assert [client.put_object(**OWN, Body=b"x")["VersionId"] for _ in range(2)] == ["null", "null"]
    assert len(client.buckets["b"].objects["k"]) == 1
    assert "VersionId" not in s3(versioning=None).put_object(**OWN, Body=b"x")


def put(client: StrictSSM, **changes: Any) -> dict[str, Any]:
    usual = {"Name": NAME, "Value": "v", "Type": "SecureString", "Overwrite": True}
    return client.put_parameter(**{**usual, **changes})


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"Name": "/evercert/*"}, "ValidationException"),
        ({"Name": f"/{'n' * 1_000}"}, "ValidationException"),
        ({"Name": "/a" * 16}, "HierarchyLevelLimitExceededException"),
        ({"Name": "/aws/x"}, "ValidationException"),
        ({"Overwrite": False}, "ParameterAlreadyExists"),
        ({"Tags": [{"Key": "a", "Value": "b"}]}, "ValidationException"),
        ({"Name": "/other", "Overwrite": False, "Tags": [{"Key": "a", "Value": "*"}]}, "ValidationException"),
        ({"Value": ""}, "ValidationException"),
        ({"Description": "d" * 1_025}, "ValidationException"),
        ({"Value": "v" * 4_097}, "ValidationException"),
        ({"Value": "v" * 8_193, "Tier": "Advanced"}, "ValidationException"),
        ({"Value": "v" * 8_193, "Tier": "Intelligent-Tiering"}, "ValidationException"),
        ({"Type": "String"}, "HierarchyTypeMismatchException"),
        ({"KeyId": "key"}, "AccessDeniedException"),
    ],
)
def test_ssm_refuses(changes: dict[str, Any], expected: str) -> None:
    client = StrictSSM()
    put(client)
    assert code(lambda: put(client, **changes)) == expected
    assert client.writes == ["put"]


def test_ssm_never_lowers_the_tier() -> None:
    client = StrictSSM()
    assert put(client, Value="v" * 5_000, Tier="Intelligent-Tiering")["Tier"] == "Advanced"
    assert put(client, Tier="Intelligent-Tiering")["Tier"] == "Advanced"
    assert code(lambda: put(client, Tier="Standard")) == "ValidationException"


def test_ssm_keeps_a_hundred_versions_in_pages() -> None:
    client = StrictSSM()
    for _ in range(101):
        put(client)
    page = client.get_parameter_history(Name=NAME, MaxResults=50)
    assert [each["Version"] for each in page["Parameters"]] == list(range(2, 52))
    assert "NextToken" not in client.get_parameter_history(Name=NAME, MaxResults=50, NextToken=page["NextToken"])
    assert code(lambda: client.get_parameter_history(Name=NAME, MaxResults=51)) == "ValidationException"
    client.parameters[NAME].versions[0]["Labels"] = ["kept"]
    assert code(lambda: put(client)) == "ParameterMaxVersionLimitExceeded"


def test_ssm_does_not_find_what_is_absent() -> None:
    client = StrictSSM()
    assert code(lambda: client.get_parameter(Name=NAME)) == "ParameterNotFound"
    assert code(lambda: client.get_parameter_history(Name=NAME, MaxResults=1)) == "ParameterNotFound"
    absent = {"ResourceType": "Parameter", "ResourceId": NAME}
    assert code(lambda: client.list_tags_for_resource(**absent)) == "InvalidResourceId"
