"""The policy of consumers: a host writes its own acknowledgements, and nothing else."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from evercert.aws.dynamodb.consumers import DynamoDBConsumers
from evercert.contracts.consumers import Acknowledgement
from tests.doubles.fakes import START
from tests.iam.deployment import Deployment
from tests.iam.dynamodb import dynamodb
from tests.iam.evaluator import Request, evaluate
from tests.iam.needs import Where
from tests.iam.people import FOLDER, filled
from tests.iam.policies import statements

ROLE, ME, YOU = "arn:aws:sts::000000000000:assumed-role/web/i-1", "AROAEXAMPLE:i-1", "AROAEXAMPLE:i-2"
DEPLOYMENT = Deployment()
TABLE = f"{DEPLOYMENT.stack}-ConsumersTable-ABCDEF"
POLICY = statements(json.loads(filled((FOLDER / "consumer.json").read_text(), DEPLOYMENT)), "consumer")
WHERE = Where(DEPLOYMENT.region, DEPLOYMENT.account)


def call(consumer: str = ME) -> dict[str, Any]:
    """Return the arguments with which the adapter calls UpdateItem."""
    calls: list[dict[str, Any]] = []
    client: Any = SimpleNamespace(update_item=lambda **arguments: calls.append(arguments))
    loaded = Acknowledgement(
        consumer=consumer, certificate="web", fingerprint_sha256="f" * 64, loaded_at=START, seen_at=START
    )
    assert DynamoDBConsumers(client, TABLE).acknowledge(loaded) is None
    (arguments,) = calls
    return arguments


def allowed(operation: str, arguments: dict[str, Any], userid: str = ME) -> bool:
    return all(
        evaluate(Request(ROLE, need.action, need.resource, {**need.context, "aws:userid": userid}), POLICY).allowed
        for need in dynamodb(operation, arguments, WHERE, None)
    )


def test_consumer_writes_its_own() -> None:
    assert allowed("UpdateItem", call())
    assert allowed("UpdateItem", {**call(), "ReturnValues": "NONE"})


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        ("UpdateItem", call(YOU)),
        ("UpdateItem", {**call(), "Key": {"pk": {"S": "AROAEXAMPLE:*"}, "sk": {"S": "certificate#web"}}}),
        ("UpdateItem", {**call(), "TableName": f"{DEPLOYMENT.stack}-CertificatesTable-ABCDEF"}),
        ("UpdateItem", {**call(), "ReturnValues": "ALL_OLD"}),
        ("UpdateItem", {**call(), "UpdateExpression": "SET note = :note"}),
        ("PutItem", {"TableName": TABLE, "Item": {"pk": {"S": ME}, "sk": {"S": "certificate#web"}}}),
        ("DeleteItem", {"TableName": TABLE, "Key": {"pk": {"S": ME}, "sk": {"S": "certificate#web"}}}),
        ("GetItem", {"TableName": TABLE, "Key": {"pk": {"S": ME}, "sk": {"S": "certificate#web"}}}),
        ("Query", {"TableName": TABLE, "Partition": {"S": ME}}),
        ("Query", {"TableName": TABLE, "IndexName": "consumers", "Partition": {"S": "certificate#web"}}),
        ("Scan", {"TableName": TABLE}),
        ("BatchWriteItem", {"RequestItems": {TABLE: [{"PutRequest": {"Item": {"pk": {"S": ME}}}}]}}),
        ("UpdateTable", {"TableName": TABLE}),
    ],
)
def test_consumer_does_nothing_else(operation: str, arguments: dict[str, Any]) -> None:
    assert not allowed(operation, arguments)


def test_consumer_of_another_session_is_another_one() -> None:
    assert not allowed("UpdateItem", call(ME), userid=YOU)


def test_request_without_keys_is_refused() -> None:
    """ForAllValues holds for a key that is absent."""
    need = next(iter(dynamodb("UpdateItem", call(), WHERE, None)))
    context = {"aws:userid": ME}
    assert not evaluate(Request(ROLE, need.action, need.resource, context), POLICY).allowed
