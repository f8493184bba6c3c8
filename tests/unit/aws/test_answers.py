"""Answers of AWS that omit what its API does not promise are accepted."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import botocore.session
import pytest

from evercert.aws.answers import InvalidAnswer, check


def judge(service: str, operation: str, answer: dict[str, Any], status: int = 200) -> None:
    model = botocore.session.get_session().get_service_model(service).operation_model(operation)
    check(SimpleNamespace(status_code=status), answer, model, {})


@pytest.mark.parametrize(
    ("service", "operation", "answer"),
    [
        ("acm", "ListTagsForCertificate", {}),
        ("kms", "ListResourceTags", {}),
        ("dynamodb", "BatchGetItem", {"UnprocessedKeys": {}}),
        ("cloudformation", "DescribeStackResource", {"StackResourceDetail": {}}),
        ("sns", "ListSubscriptionsByTopic", {"Subscriptions": [{"SubscriptionArn": "a", "Protocol": "sms"}]}),
        ("secretsmanager", "DescribeSecret", {"ARN": "arn:aws:secretsmanager:eu-central-1:1:secret:a", "Name": "a"}),
        ("dynamodb", "Query", {"Items": [], "Count": 0}),
    ],
)
def test_check_accepts_answers_without_optional_fields(service: str, operation: str, answer: dict[str, Any]) -> None:
    judge(service, operation, answer)


@pytest.mark.parametrize("answer", [{"Error": None}, {"Error": {}}, {}])
def test_check_accepts_errors_without_a_code(answer: dict[str, Any]) -> None:
    judge("dynamodb", "GetItem", answer, 500)


def test_check_names_the_missing_field() -> None:
    with pytest.raises(InvalidAnswer, match=r"^acm:ImportCertificate has no CertificateArn$"):
        judge("acm", "ImportCertificate", {})
