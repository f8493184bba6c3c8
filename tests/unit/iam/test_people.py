"""Policies for people: which command has which, and what the judgement of a command's calls reports."""

from __future__ import annotations

from typing import Any

import pytest

from evercert.aws.delivered_certificates import ATTRIBUTES
from tests.iam import people
from tests.iam.judge import Judge, Judged
from tests.tools.reference_pages import command_paths
from tests.unit.iam.test_judge import DEPLOYMENT, SECRET, call

QUEUE = "https://sqs.eu-central-1.amazonaws.com/000000000000/evercert-Queue-1"
CERTIFICATE = "arn:aws:acm:eu-central-1:000000000000:certificate/1"
TAGGED = {"ResourceARNList": [SECRET, CERTIFICATE], "Tags": {"evercert:stack": "x"}}
TABLE = "evercert-CertificatesTable-1"


def read_by_host(name: str = people.HOST_CERTIFICATE, *attributes: str) -> dict[str, Any]:
    """Return the read of a record with a host's role; without attributes, of the whole item."""
    projection: dict[str, Any] = {"ProjectionExpression": ", ".join(attributes)} if attributes else {}
    key = {"pk": {"S": f"certificate#{name}"}, "sk": {"S": "record"}}
    return call("host", "dynamodb:GetItem", TableName=TABLE, Key=key, **projection)


CALLS = {
    "read-only": call("read-only", "dynamodb:Query", TableName="evercert-CertificatesTable-1"),
    "operator": call("operator", "sqs:SendMessage", QueueUrl=QUEUE),
    "ceremony": call("ceremony", "kms:CreateKey"),
    "host": read_by_host(people.HOST_CERTIFICATE, *ATTRIBUTES),
}
NEEDED = {
    "read-only": "dynamodb:Query",
    "operator": "sqs:SendMessage",
    "ceremony": "kms:CreateKey",
    "host": "dynamodb:GetItem",
}


def judged(name: str, one: dict[str, Any], without: str = "") -> list[Judged]:
    """Judge a call under a policy, or under what remains of it without an action."""
    document = people.document(name, DEPLOYMENT)
    for statement in document["Statement"]:
        several = [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"]
        statement["Action"] = [action for action in several if action != without]
    return Judge(DEPLOYMENT, {name: document}).judge([one])


def test_people_have_a_policy_for_every_command() -> None:
    promised = {" ".join(word for word in one.split() if not word.startswith("-")) for one in people.promised()}
    assert promised == set(command_paths())
    assert set(people.promised().values()) == {people.NO_POLICY, *people.POLICIES}


def test_people_need_the_policy_of_the_longest_command() -> None:
    promises = {"apply": "operator", "apply --dry-run": "read-only", "authority ca list": "read-only"}
    assert people.policy_of(["apply", "a.yaml"], promises) == ("apply", "operator")
    assert people.policy_of(["apply", "a.yaml", "--dry-run"], promises) == ("apply --dry-run", "read-only")
    with pytest.raises(ValueError, match="names no policy for evercert authority ca show root"):
        people.policy_of(["authority", "ca", "show", "root"], promises)


@pytest.mark.parametrize("name", list(people.POLICIES))
def test_people_with_one_action_less_are_refused(name: str) -> None:
    assert people.refusals(judged(name, CALLS[name])) == []
    (problem,) = people.refusals(judged(name, CALLS[name], without=NEEDED[name]))
    assert problem.startswith(f"{name} may not {NEEDED[name]} on ")


@pytest.mark.parametrize(
    "one",
    [
        pytest.param(read_by_host(), id="whole item"),
        pytest.param(read_by_host(people.HOST_CERTIFICATE, "pk", "pending"), id="revision in progress"),
        pytest.param(read_by_host(people.HOST_CERTIFICATE, "pk", "kept_key"), id="kept key"),
        pytest.param(read_by_host("another", *ATTRIBUTES), id="another certificate"),
        pytest.param(call("host", "dynamodb:Query", TableName=TABLE), id="query"),
        pytest.param(call("host", "secretsmanager:GetSecretValue", SecretId=SECRET), id="another secret"),
    ],
)
def test_hosts_read_their_own_certificate_only(one: dict[str, Any]) -> None:
    assert people.refusals(judged("host", one)) != []


@pytest.mark.parametrize(
    ("action", "parameters"),
    [
        ("sqs:GetQueueAttributes", {"QueueUrl": "https://sqs.eu-central-1.amazonaws.com/000000000000/reload"}),
        ("lambda:GetPolicy", {"FunctionName": "reload", "Qualifier": "live"}),
        ("lambda:GetFunctionConfiguration", {"FunctionName": "reload"}),
        (
            "sns:GetSubscriptionAttributes",
            {"SubscriptionArn": "arn:aws:sns:eu-central-1:000000000000:evercert-Topic-1:2"},
        ),
    ],
)
def test_people_may_look_at_subscribers(action: str, parameters: dict[str, str]) -> None:
    looked = call("read-only", action, **parameters)
    assert people.refusals(judged("read-only", looked)) == []
    assert people.refusals(judged("read-only", looked, without=action)) != []


def test_people_are_refused_what_the_emulator_refuses_too() -> None:
    denied = {**CALLS["operator"], "answer": {"code": "AccessDenied", "arn": None, "tags": None}}
    (problem,) = people.refusals(judged("operator", denied, without="sqs:SendMessage"))
    assert "no statement allows sqs:SendMessage" in problem
    expected = ("operator", "sqs:SendMessage", "some/file.py")
    assert people.refusals(judged("operator", denied, without="sqs:SendMessage"), {expected}) == []


def test_people_use_their_own_grants_only_without_read_only() -> None:
    sent = people.used(judged("operator", CALLS["operator"]))
    assert ("operator", "NotifyTheIssuer", "sqs:SendMessage") in sent
    assert ("operator", "NotifyTheIssuer", "arn:aws:sqs:eu-central-1:000000000000:evercert-Queue-*") in sent
    read = call("operator", "dynamodb:Query", TableName="evercert-CertificatesTable-1")
    assert people.used(judged("operator", read)) == set()
    assert ("read-only", "ReadTables", "dynamodb:Query") in people.used(judged("read-only", CALLS["read-only"]))


def test_people_keep_no_unused_grant_without_a_reason() -> None:
    grants = {("operator", "A", "sqs:SendMessage"), ("operator", "A", "sqs:TagQueue")}
    reason = {"policy": "operator", "statement": "A", "grant": ["sqs:TagQueue"]}
    assert people.superfluous(grants, [{**reason, "grant": ["sqs:SendMessage", "sqs:TagQueue"]}]) == []
    (problem,) = people.superfluous(grants, [reason])
    assert problem.startswith("no command uses operator A sqs:SendMessage")
    (problem,) = people.superfluous(set(), [reason])
    assert "operator A sqs:TagQueue is used or does not exist" in problem


def test_people_with_operator_may_adopt_by_owner() -> None:
    """The emulator's tagging API knows no secrets and certificates, so the stack test does not see this call."""
    tag = call("operator", "resourcegroupstaggingapi:TagResources", **TAGGED)
    assert people.refusals(judged("operator", tag)) == []
    for needed in ("tag:TagResources", "secretsmanager:TagResource", "acm:AddTagsToCertificate"):
        (problem,) = people.refusals(judged("operator", tag, without=needed))
        assert f"operator may not {needed} on " in problem
    found = call("read-only", "resourcegroupstaggingapi:GetResources", TagFilters=[])
    assert people.refusals(judged("read-only", found)) == []


@pytest.mark.parametrize("operation", ["sns:Unsubscribe", "sqs:ListQueues"])
def test_people_end_subscriptions_without_a_resource(operation: str) -> None:
    """IAM sees no topic or queue in these requests, so a policy on ARNs does not allow them."""
    one = call("operator", operation, SubscriptionArn="arn:aws:sns:eu-central-1:000000000000:evercert-Topic-1:2")
    assert [need.resource for need in Judge(DEPLOYMENT).needs(one)] == ["*"]
    assert people.refusals(judged("operator", one)) == []


PARAMETER, OBJECT = "/evercert/certificates/web", {"Bucket": "certificates", "Key": "evercert/certificates/web.json"}


@pytest.mark.parametrize(
    ("name", "action", "parameters"),
    [
        ("operator", "s3:PutObjectTagging", OBJECT),
        ("read-only", "s3:GetObjectTagging", OBJECT),
        ("operator", "ssm:AddTagsToResource", {"ResourceType": "Parameter", "ResourceId": PARAMETER, "Tags": []}),
        ("read-only", "ssm:ListTagsForResource", {"ResourceType": "Parameter", "ResourceId": PARAMETER}),
    ],
)
def test_people_may_adopt_objects_and_parameters(name: str, action: str, parameters: dict[str, Any]) -> None:
    one = call(name, action, **parameters)
    assert people.refusals(judged(name, one)) == []
    assert people.refusals(judged(name, one, without=action)) != []
    elsewhere = {
        key: value.replace("evercert/certificates", "others") if isinstance(value, str) else value
        for key, value in parameters.items()
    }
    if name == "operator":
        assert people.refusals(judged(name, call(name, action, **elsewhere))) != []
