"""Evaluation of resource policies: statements, wildcards, conditions, and everything that is unknown."""

from __future__ import annotations

import json
from typing import Any

import pytest

from evercert.cli.doctor.resource_policies import ServiceRequest, evaluate

TOPIC = "arn:aws:sns:eu-central-1:111122223333:evercert-Topic-1"
QUEUE = "arn:aws:sqs:eu-central-1:111122223333:reload"
REQUEST = ServiceRequest("sns.amazonaws.com", "sqs:SendMessage", QUEUE, TOPIC)
SERVICE = {"Service": "sns.amazonaws.com"}
SOURCE = {"ArnEquals": {"aws:SourceArn": TOPIC}}


def allow(**changed: Any) -> dict[str, Any]:
    """Return the usual statement; None removes an element."""
    usual = {
        "Effect": "Allow", "Principal": SERVICE, "Action": "sqs:SendMessage", "Resource": QUEUE, "Condition": SOURCE,
    }  # fmt: skip
    return {key: value for key, value in {**usual, **changed}.items() if value is not None}


def deny(**changed: Any) -> dict[str, Any]:
    return allow(**{"Effect": "Deny", "Condition": None, **changed})


def verdict(*statements: Any) -> str:
    return evaluate(json.dumps({"Version": "2012-10-17", "Statement": list(statements)}), REQUEST)


def condition(operator: str, key: str, *values: Any) -> dict[str, Any]:
    return allow(Condition={operator: {key: list(values)}})


ACCEPTED = {
    "usual": allow(),
    "every-principal": allow(Principal="*"),
    "every-account": allow(Principal={"AWS": ["*"]}),
    "several-services": allow(Principal={"Service": ["s3.amazonaws.com", "sns.amazonaws.com"]}),
    "several-actions": allow(Action=["sqs:ReceiveMessage", "SQS:SendMessage"]),
    "action-wildcard": allow(Action="sqs:Send*"),
    "every-action": allow(Action="*"),
    "other-actions-excluded": allow(Action=None, NotAction="sqs:DeleteQueue"),
    "resource-wildcard": allow(Resource="arn:aws:sqs:*:111122223333:re?oad"),
    "other-resources-excluded": allow(Resource=None, NotResource=f"{QUEUE}-2"),
    "without-condition": allow(Condition=None),
    "arn-like": condition("ArnLike", "aws:SourceArn", "arn:aws:sns:*:*:evercert-*"),
    "arn-equals-with-wildcard": condition("ArnEquals", "AWS:SOURCEARN", "arn:aws:sns:*:111122223333:*"),
    "string-like": condition("StringLike", "aws:SourceArn", "arn:aws:sns:*"),
    "string-equals": condition("StringEquals", "aws:SourceArn", "x", TOPIC),
    "ignoring-case": condition("StringEqualsIgnoreCase", "aws:SourceArn", TOPIC.upper()),
    "account": condition("StringEquals", "aws:SourceAccount", "111122223333"),
    "if-exists": condition("StringEqualsIfExists", "aws:SourceAccount", "111122223333"),
    "other-account-excluded": condition("StringNotEquals", "aws:SourceAccount", "444455556666"),
    "tls": condition("Bool", "aws:SecureTransport", True),
    "tls-as-text": condition("Bool", "aws:SecureTransport", "true"),
}
REFUSED = {
    "another-service": allow(Principal={"Service": "s3.amazonaws.com"}),
    "a-role": allow(Principal={"AWS": "arn:aws:iam::111122223333:root"}),
    "another-action": allow(Action="sqs:ReceiveMessage"),
    "excluded-action": allow(Action=None, NotAction="sqs:Send*"),
    "another-queue": allow(Resource=f"{QUEUE}-2"),
    "excluded-queue": allow(Resource=None, NotResource="*"),
    "another-topic": condition("ArnEquals", "aws:SourceArn", f"{TOPIC}2"),
    "wildcard-in-string-equals": condition("StringEquals", "aws:SourceArn", "arn:aws:sns:*"),
    "wildcard-across-parts": condition("ArnLike", "aws:SourceArn", "arn:aws:sns:*"),
    "another-account": condition("StringEquals", "aws:SourceAccount", "444455556666"),
    "excluded-account": condition("StringNotLike", "aws:SourceAccount", "1111*"),
    "one-of-two-conditions": allow(Condition=SOURCE | {"StringEquals": {"aws:SourceAccount": "444455556666"}}),
    "no-tls": condition("Bool", "aws:SecureTransport", False),
}
UNCERTAIN = {
    "excluded-principal": allow(Principal=None, NotPrincipal={"AWS": "arn:aws:iam::111122223333:root"}),
    "regional-principal": allow(Principal={"Service": "sns.me-south-1.amazonaws.com"}),
    "principal-of-another-type": allow(Principal=7),
    "no-action": allow(Action=None),
    "operator": condition("IpAddress", "aws:SourceIp", "10.0.0.0/8"),
    "quantifier": condition("ForAnyValue:StringEquals", "aws:SourceArn", TOPIC),
    "absent-key": condition("StringEquals", "aws:PrincipalOrgID", "o-1"),
    "variable": condition("ArnLike", "aws:SourceArn", "arn:aws:sns:*:${aws:PrincipalAccount}:*"),
    "variable-in-resource": allow(Resource="arn:aws:sqs:*:*:${aws:username}"),
    "conditions-of-another-type": allow(Condition=["x"]),
    "keys-of-another-type": allow(Condition={"Bool": "x"}),
    "statement-of-another-type": "x",
}


@pytest.mark.parametrize("statement", ACCEPTED.values(), ids=ACCEPTED)
def test_evaluate_allows(statement: Any) -> None:
    assert verdict(statement) == "allowed"
    assert verdict(*REFUSED.values(), statement) == "allowed"


@pytest.mark.parametrize("statement", REFUSED.values(), ids=REFUSED)
def test_evaluate_denies_without_a_matching_statement(statement: Any) -> None:
    assert verdict(statement) == "denied"


@pytest.mark.parametrize("statement", UNCERTAIN.values(), ids=UNCERTAIN)
def test_evaluate_is_unknown_beyond_its_rules(statement: Any) -> None:
    assert verdict(statement) == "unknown"
    assert verdict(statement, allow()) == "allowed"  # another statement decides


def test_evaluate_denies_by_a_deny_statement() -> None:
    assert verdict(allow(), deny()) == "denied"
    assert verdict(allow(), deny(Principal="*", Action="sqs:*")) == "denied"
    assert verdict(allow(), deny(Action="sqs:DeleteQueue")) == "allowed"


def test_evaluate_ignores_a_deny_of_calls_without_tls() -> None:
    assert verdict(allow(), deny(Principal="*", Condition={"Bool": {"aws:SecureTransport": "false"}})) == "allowed"


def test_evaluate_is_unknown_if_a_deny_statement_may_apply() -> None:
    conditions = {"StringNotEqualsIfExists": {"aws:PrincipalOrgID": "o-1"}}
    assert verdict(allow(), deny(Principal="*", Condition=conditions)) == "unknown"
    assert verdict(deny(Principal="*", Condition=conditions)) == "denied"  # no statement allows it


def test_evaluate_accepts_a_single_statement() -> None:
    assert evaluate(json.dumps({"Statement": allow()}), REQUEST) == "allowed"


@pytest.mark.parametrize(
    "policy", [None, "", '{"Statement": []}', "{}"], ids=["none", "empty", "no-statements", "bare"]
)
def test_evaluate_denies_without_statements(policy: str | None) -> None:
    assert evaluate(policy, REQUEST) == "denied"


@pytest.mark.parametrize("policy", ["{", "7", "[]", "[" * 100_000], ids=["broken", "number", "list", "nested"])
def test_evaluate_is_unknown_for_malformed_policies(policy: str) -> None:
    assert evaluate(policy, REQUEST) == "unknown"


@pytest.mark.timeout(5)
def test_evaluate_compares_long_patterns_in_time() -> None:
    assert verdict(allow(Resource="*a" * 5_000 + "b")) == "denied"
