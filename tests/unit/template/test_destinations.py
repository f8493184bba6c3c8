"""Permissions on buckets and parameters in which certificates are stored: what hostile specs and code cannot reach."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.iam.deployment import Deployment
from tests.iam.evaluator import Request, evaluate
from tests.tools.template import TEMPLATE

ACCOUNT, REGION = "111122223333", "eu-central-1"
BUCKET, SECOND = "arn:aws:s3:::certificates", "arn:aws:s3:::more-certificates"
KEY, OTHER_KEY = (f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{number}" for number in (1, 2))
OBJECT = f"{BUCKET}/evercert/certificates/web.json"
PARAMETER = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/evercert/certificates/web"
OURS, THEIRS = f"{ACCOUNT}/{REGION}/evercert", f"{ACCOUNT}/{REGION}/another"
PARAMETERS = {"DestinationBuckets": f"{BUCKET},{SECOND}", "SecretKeys": KEY, "DestinationRegions": "us-east-1"}
CREATED = {"aws:RequestTag/evercert:stack": OURS, "ssm:Overwrite": "false"}
PUT = {"s3:RequestObjectTag/evercert:stack": OURS}


def allowed(
    action: str, resource: str, parameters: dict[str, str] | None = None, partition: str = "aws", **context: Any
) -> bool:
    deployment = Deployment(
        PARAMETERS if parameters is None else parameters, account=ACCOUNT, partition=partition, stack="evercert"
    )
    usual = {"aws:RequestedRegion": REGION, "aws:ResourceAccount": ACCOUNT}
    request = Request(deployment.arn("IssuerRole"), action, resource, {**usual, **context})
    return evaluate(request, deployment.roles["IssuerRole"]).allowed


def test_buckets_are_empty_by_default() -> None:
    assert TEMPLATE["Parameters"]["DestinationBuckets"]["Default"] == ""
    without = dict.fromkeys(PARAMETERS, "")
    assert ":s3:::" not in json.dumps(Deployment().properties("IssuerDestinations"))
    assert not allowed("s3:PutObject", OBJECT, without, **PUT)


@pytest.mark.parametrize(
    ("resource", "context", "expected"),
    [
        (OBJECT, {}, True),
        (f"{SECOND}/evercert/certificates/a/b.pem", {}, True),
        ("arn:aws:s3:::foreign/evercert/certificates/web.json", {}, False),
        (f"{BUCKET}-of-others/evercert/certificates/web.json", {}, False),
        (f"{BUCKET}/evercert/credentials/ca", {}, False),
        (f"{BUCKET}/evercert/certificates", {}, False),
        (f"{BUCKET}/web.json", {}, False),
        (OBJECT, {"aws:ResourceAccount": "444455556666"}, False),
        (OBJECT, {"aws:RequestedRegion": "us-east-1"}, True),
        (OBJECT, {"aws:RequestedRegion": "eu-west-1"}, False),
        (OBJECT, {"s3:RequestObjectTag/evercert:stack": THEIRS}, False),
    ],
    ids=[
        "listed", "second", "foreign bucket", "longer name", "credentials", "prefix", "other key", "other account",
        "listed region", "other region", "tag of another stack",
    ],
)  # fmt: skip
def test_only_listed_buckets_are_written(resource: str, context: dict[str, str], expected: bool) -> None:
    assert allowed("s3:PutObject", resource, **{**PUT, **context}) is expected


def test_objects_without_our_tag_are_not_written() -> None:
    assert not allowed("s3:PutObject", OBJECT)


@pytest.mark.parametrize(("owner", "expected"), [(OURS, True), (None, True), (THEIRS, False)])
def test_objects_of_another_stack_keep_their_tags(owner: str | None, expected: bool) -> None:
    existing = {} if owner is None else {"s3:ExistingObjectTag/evercert:stack": owner}
    assert allowed("s3:PutObjectTagging", OBJECT, **{**PUT, **existing}) is expected


@pytest.mark.parametrize(
    "action",
    [
        "DeleteObject", "DeleteObjectVersion", "GetObjectVersion", "PutObjectAcl", "PutBucketPolicy",
        "PutBucketVersioning", "DeleteObjectTagging", "ListBucketVersions", "PutEncryptionConfiguration",
    ],
)  # fmt: skip
def test_versions_and_buckets_are_not_changed(action: str) -> None:
    assert not allowed(f"s3:{action}", OBJECT, **PUT)
    assert not allowed(f"s3:{action}", BUCKET, **PUT)


@pytest.mark.parametrize(
    ("action", "service", "key", "expected"),
    [
        ("GenerateDataKey", "s3", KEY, True),
        ("GenerateDataKey", "s3", OTHER_KEY, False),
        ("Decrypt", "s3", KEY, False),
        ("Encrypt", "s3", KEY, False),
        ("Encrypt", "ssm", KEY, True),
        ("GenerateDataKey", "ssm", KEY, True),
        ("Encrypt", "ssm", OTHER_KEY, False),
        ("Encrypt", "ec2", KEY, False),
    ],
)
def test_keys_seal_and_do_not_open(action: str, service: str, key: str, expected: bool) -> None:
    """The issuer cannot read back private keys that it stored."""
    via = {"kms:ViaService": f"{service}.{REGION}.amazonaws.com"}
    assert allowed(f"kms:{action}", key, **via) is expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [("evercert/certificates/web", False), ("evercert/certificates/a/b", False), ("evercert/credentials/ca", True)],
)
def test_stored_parameters_are_never_decrypted(name: str, expected: bool) -> None:
    """With `aws/ssm`, whose policy allows the whole account, GetParameter would be enough."""
    context = {
        "kms:ViaService": f"ssm.{REGION}.amazonaws.com",
        "kms:EncryptionContext:PARAMETER_ARN": f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/{name}",
    }
    assert allowed("kms:Decrypt", KEY, **context) is expected


@pytest.mark.parametrize(
    ("resource", "context", "expected"),
    [
        (PARAMETER, CREATED, True),
        (PARAMETER, {}, False),
        (PARAMETER, {**CREATED, "aws:RequestTag/evercert:stack": THEIRS}, False),
        (PARAMETER, {"aws:ResourceTag/evercert:stack": OURS}, True),
        (PARAMETER, {"aws:ResourceTag/evercert:stack": THEIRS}, False),
        (PARAMETER, {**CREATED, "aws:ResourceTag/evercert:stack": THEIRS}, False),
        (PARAMETER, {"aws:ResourceTag/evercert:stack": "evercert"}, False),
        (PARAMETER.replace(REGION, "us-east-1"), {**CREATED, "aws:RequestedRegion": "us-east-1"}, True),
        (PARAMETER.replace(REGION, "eu-west-1"), {**CREATED, "aws:RequestedRegion": "eu-west-1"}, False),
        (PARAMETER.replace(ACCOUNT, "444455556666"), CREATED, False),
        (PARAMETER.replace("certificates", "credentials"), CREATED, False),
        (PARAMETER.replace("/evercert/certificates", ""), CREATED, False),
    ],
    ids=[
        "created", "no tag", "tag of another stack", "ours", "of another stack", "claimed", "bare name",
        "listed region", "other region", "other account", "credentials", "other name",
    ],
)  # fmt: skip
def test_only_own_parameters_are_written(resource: str, context: dict[str, str], expected: bool) -> None:
    assert allowed("ssm:PutParameter", resource, **context) is expected


@pytest.mark.parametrize(
    "action", ["DeleteParameter", "GetParameters", "GetParametersByPath", "LabelParameterVersion", "DescribeParameters"]
)
def test_parameters_are_not_deleted_or_listed(action: str) -> None:
    assert not allowed(f"ssm:{action}", PARAMETER, **CREATED)


@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov"])
def test_places_have_the_arns_of_the_partition(partition: str) -> None:
    buckets = BUCKET.replace(":aws:", f":{partition}:")
    deployment = Deployment({"DestinationBuckets": buckets}, partition=partition, account=ACCOUNT)
    document = json.dumps(deployment.properties("IssuerDestinations"))
    assert f'"{buckets}/evercert/certificates/*"' in document
    assert f"arn:{partition}:ssm:*:{ACCOUNT}:parameter/evercert/certificates/*" in document
