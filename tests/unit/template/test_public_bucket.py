"""The bucket of CRLs and CA certificates: who may read it and who may write to it."""

from __future__ import annotations

from typing import Any

import pytest

from evercert.authority.ca.public_paths import certificate_path, crl_path
from tests.doubles.world import load_template
from tests.tools.template import statements

TEMPLATE = load_template()
RESOURCES: dict[str, Any] = TEMPLATE["Resources"]
BUCKET = RESOURCES["AuthorityBucket"]["Properties"]
POLICY = RESOURCES["AuthorityBucketPolicy"]["Properties"]["PolicyDocument"]["Statement"]
FILES = [
    {"Sub": "${AuthorityBucket.Arn}/api/v1/cert-manager/crl/*"},
    {"Sub": "${AuthorityBucket.Arn}/api/v1/cert-manager/ca/internal/*"},
]
NO_VALUE = {"Ref": "AWS::NoValue"}


def test_bucket_is_private_unless_a_policy_publishes_it() -> None:
    assert TEMPLATE["Parameters"]["PublishedBy"]["Default"] == "none"
    assert TEMPLATE["Parameters"]["PublishedBy"]["AllowedValues"] == ["none", "bucket-policy", "cloudfront"]
    only_private = {"If": ["IsBucketPublic", False, True]}
    assert BUCKET["PublicAccessBlockConfiguration"] == {
        "BlockPublicAcls": True,
        "IgnorePublicAcls": True,
        "BlockPublicPolicy": only_private,
        "RestrictPublicBuckets": only_private,
    }
    assert BUCKET["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}  # no ACLs
    public = {"And": [{"Condition": "HasAuthority"}, {"Equals": [{"Ref": "PublishedBy"}, "bucket-policy"]}]}
    assert TEMPLATE["Conditions"]["IsBucketPublic"] == public


def test_bucket_is_versioned_encrypted_and_has_no_fixed_name() -> None:
    """SSE-S3: anonymous readers cannot use a KMS key."""
    assert BUCKET["VersioningConfiguration"] == {"Status": "Enabled"}
    (rule,) = BUCKET["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule == {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    assert "BucketName" not in BUCKET  # the bucket is retained
    (lifecycle,) = BUCKET["LifecycleConfiguration"]["Rules"]
    assert set(lifecycle) == {"Id", "Status", "NoncurrentVersionExpiration"}  # current files never expire


def test_bucket_policy_refuses_writers_without_tls() -> None:
    (denial,) = [one for one in POLICY if one.get("Effect") == "Deny"]
    assert denial["Principal"] == "*"
    assert denial["NotAction"] == "s3:GetObject"
    assert denial["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert denial["Resource"] == [{"GetAtt": "AuthorityBucket.Arn"}, {"Sub": "${AuthorityBucket.Arn}/*"}]


def test_bucket_policy_lets_the_chosen_readers_read_only() -> None:
    (name, reading, otherwise) = next(one for one in POLICY if "If" in one)["If"]
    assert (name, otherwise) == ("IsBucketRead", NO_VALUE)
    assert (reading["Effect"], reading["Action"], reading["Resource"]) == ("Allow", "s3:GetObject", FILES)
    assert reading["Principal"] == {"If": ["IsBucketPublic", "*", {"Service": "cloudfront.amazonaws.com"}]}
    mine = {"Sub": "arn:${AWS::Partition}:cloudfront::${AWS::AccountId}:distribution/*"}
    assert reading["Condition"] == {"If": ["IsBucketPublic", NO_VALUE, {"ArnLike": {"aws:SourceArn": mine}}]}
    assert len(POLICY) == 2


IN_BUCKET = {"If": ["HasRestoredBucket", {"Ref": "RestoredBucket"}, {"Ref": "AuthorityBucket"}]}
IN_USE = [
    {"Sub": [f"arn:${{AWS::Partition}}:s3:::${{Bucket}}/api/v1/cert-manager/{path}", {"Bucket": IN_BUCKET}]}
    for path in ("crl/*", "ca/internal/*")
]


def test_front_writes_files_of_its_own_account_only() -> None:
    """It cannot delete or list; no other role has access."""
    for role, resource in RESOURCES.items():
        if resource["Type"] != "AWS::IAM::Role":
            continue
        found = [one for one in statements(role) if "s3:" in str(one)]
        if role == "IssuerRole":  # buckets of operators: tests/unit/template/test_destinations.py
            assert IN_USE not in [one["Resource"] for one in found]
            continue
        if role == "ReportRole":  # one object of a bucket of the operator: tests/unit/template/test_report.py
            assert [one["Resource"] for one in found] != [IN_USE]
            continue
        if role != "AuthorityRole":
            assert not found, role
            continue
        (statement,) = found
        assert statement == {
            "Effect": "Allow",
            "Action": ["s3:GetObject", "s3:PutObject"],
            "Resource": IN_USE,
            "Condition": {"StringEquals": {"aws:ResourceAccount": {"Ref": "AWS::AccountId"}}},
        }


@pytest.mark.parametrize("path", [crl_path("ca"), certificate_path("ca", "installed")])
def test_permissions_cover_the_paths_in_certificates(path: str) -> None:
    prefixes = [one["Sub"].removeprefix("${AuthorityBucket.Arn}").removesuffix("*") for one in FILES]
    assert sum(path.startswith(prefix) for prefix in prefixes) == 1
