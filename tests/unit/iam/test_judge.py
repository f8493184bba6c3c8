"""Judged calls: which permissions a call needs, and the report of a missing one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from evercert.aws.authority.key_policies import Roles, of_issuing
from tests.iam.actions import UnknownCall
from tests.iam.deployment import Deployment
from tests.iam.judge import Judge, missing_permissions

DEPLOYMENT = Deployment({"Authority": "yes"})
TABLE = DEPLOYMENT.arn("CertificatesTable")
OURS = [{"Key": "evercert:stack", "Value": "evercert"}]
SECRET = "arn:aws:secretsmanager:eu-central-1:000000000000:secret:evercert/certificates/web-AbCdEf"


def call(
    who: str, name: str, code: str | None = "", arn: str | None = None, at: int = 0, tags: Any = None, **params: Any
) -> dict[str, Any]:
    service, _, operation = name.partition(":")
    answer = None if code is None else {"code": code, "arn": arn, "tags": tags}
    given = {"who": who, "from": ["some/file.py"], "service": service, "operation": operation, "at": at}
    return {**given, "region": "eu-central-1", "params": params, "assumed": False, "answer": answer}


def told(*calls: dict[str, Any], **policies: dict[str, Any]) -> list[str]:
    return missing_permissions(Judge(DEPLOYMENT, policies).judge(calls))


def needed(one: dict[str, Any], *before: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    judge = Judge(DEPLOYMENT)
    judge.judge(before)
    return [(need.action, need.resource, need.context) for need in judge.needs(one)]


def test_judge_reports_a_call_without_permission_in_one_line() -> None:
    topic = DEPLOYMENT.arn("Topic")
    (problem,) = told(call("checker", "sns:Publish", TopicArn=topic))
    assert (
        problem == f"checker may not sns:Publish on {topic}: no statement allows sns:Publish (called in some/file.py)"
    )


def test_judge_ignores_calls_of_tests_and_refused_calls() -> None:
    assert told(call("", "sns:Publish", TopicArn="arn:aws:sns:eu-central-1:0:x")) == []
    assert told(call("checker", "sns:Publish", "AuthorizationError", TopicArn=DEPLOYMENT.arn("Topic"))) == []
    assert told({**call("checker", "acm:ListCertificates"), "assumed": True}) == []


def test_judge_remembers_tags_of_resources() -> None:
    put = call("issuer", "secretsmanager:PutSecretValue", SecretId="evercert/certificates/web", at=2)
    made = call("", "secretsmanager:CreateSecret", Name="evercert/certificates/web", Tags=OURS, at=1)
    (problem,) = told(put)
    assert (
        "StringEquals aws:ResourceTag/evercert:stack is absent, not 000000000000/eu-central-1/evercert or evercert"
        in problem
    )
    assert told(put, made) == []  # in the order of time
    seen = call("issuer", "secretsmanager:DescribeSecret", SecretId=SECRET, tags=OURS, at=1)
    assert told(put, seen) == []
    away = call("", "secretsmanager:UntagResource", SecretId=SECRET, TagKeys=["evercert:stack"], at=1)
    assert told(made, {**away, "at": 2}, {**put, "at": 3}) == [problem]


def test_judge_adds_the_permission_for_tags() -> None:
    actions = [action for action, *_ in needed(call("issuer", "secretsmanager:CreateSecret", Name="x", Tags=OURS))]
    assert actions == ["secretsmanager:CreateSecret", "secretsmanager:TagResource"]
    actions = [action for action, *_ in needed(call("issuer", "acm:ImportCertificate", Tags=OURS))]
    assert actions == ["acm:ImportCertificate", "acm:AddTagsToCertificate"]
    (again,) = needed(call("issuer", "acm:ImportCertificate", CertificateArn=DEPLOYMENT.arn("Topic")))
    assert "aws:RequestTag/evercert:stack" not in again[2]


def test_judge_splits_transactions_and_batches() -> None:
    update = {"TableName": "CertificatesTable", "Key": {"pk": {"S": "certificate#a"}, "sk": {"S": "record"}}}
    update |= {"UpdateExpression": "SET #s = :x, b.c = :y", "ExpressionAttributeNames": {"#s": "state"}}
    check = {
        "TableName": "IssuersTable",
        "Key": {"pk": {"S": "issuer#a"}},
        "ConditionExpression": "attribute_exists(pk)",
    }
    found = needed(
        call("issuer", "dynamodb:TransactWriteItems", TransactItems=[{"Update": update}, {"ConditionCheck": check}])
    )
    assert [(action, resource) for action, resource, _ in found] == [
        ("dynamodb:UpdateItem", TABLE), ("dynamodb:ConditionCheckItem", DEPLOYMENT.arn("IssuersTable")),
        ("kms:Decrypt", DEPLOYMENT.arn("DataKey")), ("kms:Decrypt", DEPLOYMENT.arn("DataKey")),
    ]  # fmt: skip
    context = found[0][2]
    assert context["dynamodb:Attributes"] == ["b", "pk", "sk", "state"]
    assert context["dynamodb:LeadingKeys"] == ["certificate#a"]
    assert context["dynamodb:EnclosingOperation"] == "TransactWriteItems"
    assert found[2][2]["kms:ViaService"] == "dynamodb.eu-central-1.amazonaws.com"
    sent = needed(call("checker", "sqs:SendMessageBatch", QueueUrl="https://sqs/000000000000/Queue"))
    assert [action for action, *_ in sent] == ["sqs:SendMessage", "kms:GenerateDataKey", "kms:Decrypt"]


def test_judge_knows_the_index_and_partition_of_a_query() -> None:
    query = {"TableName": "CertificatesTable", "IndexName": "due", "KeyConditionExpression": "due_shard = :s"}
    ((_, resource, context), _) = needed(call("checker", "dynamodb:Query", **query, Partition={"S": "03"}))
    assert resource == f"{TABLE}/index/due"
    assert (context["dynamodb:LeadingKeys"], context["dynamodb:Attributes"]) == (["03"], ["due_shard"])


def test_judge_checks_the_encryption_context_of_the_seal() -> None:
    asked = {"KeyId": DEPLOYMENT.arn("SealKey"), "EncryptionContext": {"evercert:stack": "evercert"}}
    assert told(call("issuer", "kms:Encrypt", **asked)) == []
    (problem,) = told(call("issuer", "kms:Encrypt", **{**asked, "EncryptionContext": {"evercert:stack": "other"}}))
    assert "kms:EncryptionContext:evercert:stack is other, not evercert" in problem
    assert told(call("checker", "kms:Decrypt", **asked))


def test_judge_learns_key_policies() -> None:
    key = "arn:aws:kms:eu-central-1:000000000000:key/1"
    roles = Roles(DEPLOYMENT.arn("SignerRole"), (DEPLOYMENT.arn("AuthorityRole"),))
    made = call("operator", "kms:CreateKey", arn=key, Policy=json.dumps(of_issuing(roles, outside=False)))
    sign = {"KeyId": key, "MessageType": "DIGEST", "at": 1}
    assert told(made, call("signer", "kms:Sign", **sign)) == []
    assert "MessageType is RAW" in told(made, call("signer", "kms:Sign", **{**sign, "MessageType": "RAW"}))[0]
    assert "denied by" in told(made, call("authority", "kms:Sign", **sign))[0]


def test_judge_judges_under_one_policy_document() -> None:
    """Stack tests judge a command by one of the policies for operators this way."""
    statement = {"Effect": "Allow", "Action": "cloudformation:DescribeStacks", "Resource": "*"}
    document = {"Version": "2012-10-17", "Statement": [statement]}
    asked = call("operator", "cloudformation:DescribeStacks", StackName="evercert")
    assert told(asked, operator=document) == []
    assert told(call("operator", "dynamodb:Scan", TableName="CertificatesTable"), operator=document)


def test_judge_refuses_unknown_services() -> None:
    with pytest.raises(UnknownCall, match="ec2:RunInstances"):
        told(call("issuer", "ec2:RunInstances"))
