"""The IAM policies of docs/policies: sizes, known actions, and a permission for each type that the template creates."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from typing import Any

import botocore.session
import pytest

from tests.doubles.world import load_template
from tests.tools.local_stack import ROOT

POLICIES = sorted((ROOT / "docs" / "policies").glob("*.json"))
LONGEST = 6_144  # characters of a managed policy, without white space
# Actions that are no operation of the service's API, or that have another name than the operation.
OTHER = {
    "iam:PassRole",
    "cloudformation:TagResource",
    "dynamodb:ConditionCheckItem",
    "lambda:InvokeFunction",
    "s3:ListBucket",
    "s3:PutBucketPublicAccessBlock",
    "s3:PutLifecycleConfiguration",
    "s3:PutEncryptionConfiguration",
    *(f"apigateway:{method}" for method in ("DELETE", "GET", "PATCH", "POST", "PUT")),
    *(f"logs:{operation}LogDelivery" for operation in ("Create", "Delete", "Get", "Update")),
    "logs:ListLogDeliveries",
    "tag:GetResources",
    "tag:TagResources",
}
# What CloudFormation calls first to create a resource of this type, with the rights of the deployer.
CREATES = {
    "AWS::ApiGatewayV2::Api": "apigateway:POST",
    "AWS::ApiGatewayV2::Integration": "apigateway:POST",
    "AWS::ApiGatewayV2::Route": "apigateway:POST",
    "AWS::ApiGatewayV2::Stage": "apigateway:POST",
    "AWS::CloudWatch::Alarm": "cloudwatch:PutMetricAlarm",
    "AWS::CloudWatch::Dashboard": "cloudwatch:PutDashboard",
    "AWS::DynamoDB::Table": "dynamodb:CreateTable",
    "AWS::IAM::Role": "iam:CreateRole",
    "AWS::KMS::Alias": "kms:CreateAlias",
    "AWS::KMS::Key": "kms:CreateKey",
    "AWS::Lambda::Permission": "lambda:AddPermission",
    "AWS::Logs::LogGroup": "logs:CreateLogGroup",
    "AWS::Logs::MetricFilter": "logs:PutMetricFilter",
    "AWS::S3::Bucket": "s3:CreateBucket",
    "AWS::S3::BucketPolicy": "s3:PutBucketPolicy",
    "AWS::SNS::Topic": "sns:CreateTopic",
    "AWS::SNS::TopicPolicy": "sns:SetTopicAttributes",
    "AWS::SQS::Queue": "sqs:CreateQueue",
    "AWS::Serverless::Function": "lambda:CreateFunction",
    "AWS::Serverless::LayerVersion": "lambda:PublishLayerVersion",
}


def actions(policy: dict[str, Any]) -> list[str]:
    return [action for each in policy["Statement"] for action in _list(each["Action"])]


def _list(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else value


@pytest.mark.parametrize("file", POLICIES, ids=lambda file: file.stem)
def test_policies_fit_into_a_managed_policy(file: Any) -> None:
    policy = json.loads(file.read_text())
    assert len(json.dumps(policy, separators=(",", ":"))) <= LONGEST
    sids = [each["Sid"] for each in policy["Statement"]]
    assert len(sids) == len(set(sids))


@pytest.mark.parametrize("file", POLICIES, ids=lambda file: file.stem)
def test_policies_name_actions_that_exist(file: Any) -> None:
    session, unknown = botocore.session.get_session(), []
    for action in actions(json.loads(file.read_text())):
        service, _, operation = action.partition(":")
        if action in OTHER or service == "apigateway":
            continue
        names = session.get_service_model(service).operation_names
        if not any(fnmatchcase(name, operation) for name in names):
            unknown.append(action)
    assert unknown == []


@pytest.mark.parametrize("name", ["read-only", "operator", "ceremony"])
def test_policies_of_people_name_no_whole_service(name: str) -> None:
    policy = json.loads((ROOT / "docs" / "policies" / f"{name}.json").read_text())
    assert [action for action in actions(policy) if "*" in action] == []


def test_deployer_may_create_every_type_of_the_template() -> None:
    allowed = actions(json.loads((ROOT / "docs" / "policies" / "deployer.json").read_text()))
    types = {each["Type"] for each in load_template()["Resources"].values()}
    assert types <= CREATES.keys()
    assert [kind for kind in types if CREATES[kind] not in allowed] == []
