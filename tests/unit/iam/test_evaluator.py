"""The evaluator of policies: each operator and each way to a decision."""

from __future__ import annotations

from typing import Any

import pytest

from tests.iam.evaluator import Decision, Request, evaluate
from tests.iam.policies import UnknownPolicy, arn_matches, statements

ROLE, ROOT = "arn:aws:iam::000000000000:role/issuer", "arn:aws:iam::000000000000:root"
TABLE = "arn:aws:dynamodb:eu-central-1:000000000000:table/certificates"
KEY = "arn:aws:kms:eu-central-1:000000000000:key/1"


def policy(*several: dict[str, Any]) -> list[Any]:
    usual = {"Effect": "Allow", "Action": "dynamodb:GetItem", "Resource": TABLE}
    return statements({"Version": "2012-10-17", "Statement": [{**usual, **one} for one in several]}, "role")


def decide(
    *several: dict[str, Any], action: str = "dynamodb:GetItem", resource: str = TABLE, **context: Any
) -> Decision:
    keys = {key.replace("_", ":", 1): value for key, value in context.items()}
    return evaluate(Request(ROLE, action, resource, keys), policy(*several))


def test_evaluator_allows_a_covered_request() -> None:
    assert decide({}) == Decision(True, "allowed by role #1", (("role #1", "dynamodb:GetItem", TABLE),))


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ({"Action": "dynamodb:PutItem"}, "no statement allows dynamodb:GetItem"),
        ({"Resource": f"{TABLE}2"}, f"role #1 allows it on {TABLE}2 only"),
        (
            {"Sid": "Ours", "Condition": {"StringEquals": {"aws:x": "1"}}},
            "role Ours: StringEquals aws:x is absent, not 1",
        ),
    ],
    ids=["action", "resource", "condition"],
)
def test_evaluator_denies_implicitly_and_says_why(statement: dict[str, Any], reason: str) -> None:
    assert decide(statement) == Decision(False, reason)


def test_evaluator_explicit_deny_wins() -> None:
    refusal = {"Sid": "Never", "Effect": "Deny", "Action": "dynamodb:*", "Resource": "*"}
    assert decide({}, refusal) == Decision(False, "denied by role Never")
    assert decide({}, {**refusal, "Condition": {"StringNotEquals": {"aws:r": "here"}}}, aws_r="here").allowed


@pytest.mark.parametrize(
    ("operator", "wanted", "found", "holds"),
    [
        ("StringEquals", "a", "a", True), ("StringEquals", "a", "A", False), ("StringEquals", ["a", "b"], "b", True),
        ("StringEquals", "a", None, False), ("StringEqualsIfExists", "a", None, True),
        ("StringEqualsIfExists", "a", "b", False), ("StringNotEquals", "a", "b", True),
        ("StringNotEquals", ["a", "b"], "b", False), ("StringNotEquals", "a", None, True),
        ("StringLike", "a*c?", "abbcd", True), ("StringLike", "a*", "ba", False), ("StringLike", "[ab]", "a", False),
        ("StringNotLike", "a*", "ab", False), ("Bool", True, "true", True), ("Bool", "false", "true", False),
        ("Null", "true", None, True), ("Null", "true", "a", False), ("Null", "false", "a", True),
        ("ArnLike", "arn:aws:iam::*:role/a*", "arn:aws:iam::1:role/ab", True),
        ("ArnEquals", "arn:aws:iam::1:role/a", "arn:aws:iam::1:role/b", False),
        ("ArnNotEquals", "arn:aws:iam::1:role/a", "arn:aws:iam::1:role/b", True),
        ("ForAllValues:StringEquals", ["a", "b"], ["a"], True), ("ForAllValues:StringEquals", "a", ["a", "c"], False),
        ("ForAllValues:StringEquals", "a", None, True), ("ForAllValues:StringEquals", "a", [], True),
        ("ForAnyValue:StringLike", "a*", ["x", "ab"], True), ("ForAnyValue:StringEquals", "a", None, False),
        ("ForAnyValue:StringEquals", "a", [], False),
        ("StringEquals", "${aws:PrincipalArn}", ROLE, True), ("StringEquals", "${aws:PrincipalTag/x}", "a", False),
    ],
)  # fmt: skip
def test_evaluator_compares_conditions(operator: str, wanted: Any, found: Any, holds: bool) -> None:
    keys = {} if found is None else {"aws_Key": found}
    assert decide({"Condition": {operator: {"aws:key": wanted}}}, **keys).allowed is holds


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ({"NotAction": "x"}, "unknown elements"), ({"Effect": "Maybe"}, "unknown effect"),
        ({"Principal": {"Federated": "x"}}, "unknown principal"), ({"Action": {"Ref": "x"}}, "not a text"),
        ({"Condition": {"IpAddress": {"aws:SourceIp": "::1"}}}, "unknown condition operator"),
        ({"Condition": {"StringEquals": {"aws:list": "a"}}}, "several values"),
        ({"Condition": {"ForAnyValue:StringNotEquals": {"aws:list": "a"}}}, "negation with a quantifier"),
        ({"Condition": {"StringEquals": {"aws:one": "${saml:x}"}}}, "unknown policy variable"),
    ],
)  # fmt: skip
def test_evaluator_refuses_elements_it_does_not_know(statement: dict[str, Any], message: str) -> None:
    with pytest.raises(UnknownPolicy, match=message):
        decide(statement, aws_list=["a"], aws_one="a")


@pytest.mark.parametrize(
    ("pattern", "arn", "matches"),
    [
        ("*", "*", True), ("*", TABLE, True), (f"{TABLE}*", "*", False), ("arn:aws:*", TABLE, False),
        ("arn:aws:dynamodb:*:000000000000:table/certificates", TABLE, True),
        ("arn:aws:sns:*:1:topic", "arn:aws:sns:eu:x:1:topic", False),
        ("arn:aws:secretsmanager:eu:1:secret:a/*", "arn:aws:secretsmanager:eu:1:secret:a/b:c", True),
    ],
)  # fmt: skip
def test_evaluator_matches_arns_by_part(pattern: str, arn: str, matches: bool) -> None:
    assert arn_matches(pattern, arn) is matches


def key(*several: dict[str, Any]) -> list[Any]:
    return policy(*({"Action": "kms:Decrypt", "Resource": "*", **one} for one in several))


def test_evaluator_asks_key_policy_and_identity_policy() -> None:
    asked = Request(ROLE, "kms:Decrypt", KEY)
    allowed = policy({"Action": "kms:Decrypt", "Resource": KEY})
    root, direct = {"Principal": {"AWS": ROOT}}, {"Principal": {"AWS": ROLE}}
    assert evaluate(asked, allowed, key(root)).allowed
    assert not evaluate(asked, [], key(root)).allowed  # the key policy delegates to IAM
    assert evaluate(asked, [], key(direct)).allowed
    assert not evaluate(asked, allowed, key({"Principal": {"AWS": f"{ROLE}2"}})).allowed
    assert not evaluate(asked, allowed, []).allowed  # the key policy must allow it
    assert not evaluate(asked, allowed, key(root, {**direct, "Effect": "Deny"})).allowed
    arn_equals = {"Condition": {"ArnEquals": {"aws:PrincipalArn": ROLE}}}
    assert evaluate(asked, allowed, key({**root, **arn_equals})).allowed
    assert not evaluate(Request(f"{ROLE}2", "kms:Decrypt", KEY), allowed, key({**root, **arn_equals})).allowed
