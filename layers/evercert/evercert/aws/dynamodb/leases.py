"""DynamoDB: leases of resources outside the table that two runs must not change at the same time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from evercert.aws.clients import code, translated
from evercert.aws.dynamodb import items
from evercert.contracts.solver import LONGEST_LEASE
from evercert.deadline import CLOCK_TOLERANCE

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

FORGOTTEN_AFTER = timedelta(days=1)  # a lease that was not released
_FAILED = "ConditionalCheckFailedException"


class DynamoDBLeases:
    """Leases of a stack; the condition compares the time, because DynamoDB deletes expired items only within days."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def take(self, resource: str, owner: str, now: datetime, until: datetime) -> bool:
        """Take the lease; ignore a stored end that no lease can have (a manual edit, a wrong clock)."""
        if until - now > LONGEST_LEASE:
            raise ValueError(f"a lease of {until - now} is longer than {LONGEST_LEASE}")
        values = {
            "owner": owner,
            "until": _milliseconds(until),
            "expires_at": int((until + FORGOTTEN_AFTER).timestamp()),
        }
        compared = {":now": _milliseconds(now), ":never": _milliseconds(now + LONGEST_LEASE + CLOCK_TOLERANCE)}
        with translated(f"take the lease of {resource}"):
            try:
                self._client.put_item(
                    TableName=self._table,
                    Item={**_key(resource), **_attributes(values)},
                    ConditionExpression="NOT attribute_type(#until, :number) OR #until <= :now OR #until > :never",
                    ExpressionAttributeNames={"#until": "until"},
                    ExpressionAttributeValues={":number": {"S": "N"}, **_attributes(compared)},
                )
            except ClientError as error:
                if code(error) == _FAILED:
                    return False
                raise
        return True

    def release(self, resource: str, owner: str) -> None:
        """Release the lease, unless another owner has it."""
        with translated(f"release the lease of {resource}"):
            try:
                self._client.update_item(
                    TableName=self._table,
                    Key=_key(resource),
                    UpdateExpression="REMOVE #owner, #until",
                    ConditionExpression="#owner = :owner",
                    ExpressionAttributeNames={"#owner": "owner", "#until": "until"},
                    ExpressionAttributeValues={":owner": {"S": owner}},
                )
            except ClientError as error:
                if code(error) != _FAILED:
                    raise


def _attributes(values: Mapping[str, object]) -> dict[str, Any]:
    return {name: items.attribute(value) for name, value in values.items()}


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000)


def _key(resource: str) -> dict[str, Any]:
    return {"pk": {"S": f"lease#{resource}"}, "sk": {"S": "lease"}}
