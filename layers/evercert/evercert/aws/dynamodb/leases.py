"""DynamoDB: leases of resources outside the table that two runs must not change at the same time."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from evercert.aws.clients import code, translated
from evercert.contracts.solver import LONGEST_LEASE, Lease, LeasedValue
from evercert.deadline import CLOCK_TOLERANCE

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

LATEST = 200_000_000_000_000  # milliseconds since 1970, before the last date of Python
FORGOTTEN_AFTER = timedelta(days=1)  # a lease that was not released
KEPT = timedelta(days=400)  # values that were not removed, until the next certificate of the longest lifetime
_FAILED = "ConditionalCheckFailedException"
_FREE = "(NOT attribute_type(#until, :number) OR #until <= :now OR #until > :never)"
_SET = "(attribute_not_exists(#values) OR attribute_type(#values, :set))"
_VALUE = re.compile(r"([0-9]{1,15}) (.+)", re.DOTALL)


class DynamoDBLeases:
    """Leases of a stack; the condition compares the time, because DynamoDB deletes expired items only within days.

    `values` is a set of texts, so that one write adds a value beside others.
    """

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def take(self, lease: Lease, now: datetime) -> Lease | None:
        """Take the lease; ignore a stored end that no lease can have (a manual edit, a wrong clock)."""
        if lease.until - now > LONGEST_LEASE:
            raise ValueError(f"a lease of {lease.until - now} is longer than {LONGEST_LEASE}")
        with translated(f"take the lease of {lease.resource}"):
            item = self._take(lease, now, "", "ADD #values :values", _SET)
            if item is None:
                item = self._take(lease, now, ", #values = :values", "", f"NOT {_SET}")  # a manual edit
        return None if item is None else replace(lease, values=_values(item.get("values", {})))

    def release(self, lease: Lease, removed: Collection[LeasedValue]) -> None:
        """Release the lease, unless another owner has it; the item expires later if values are left."""
        left = lease.values - set(removed)
        values: dict[str, Any] = {
            ":owner": {"S": lease.owner},
            ":expires_at": _number((lease.until + (KEPT if left else FORGOTTEN_AFTER)).timestamp()),
            **({":removed": _texts(removed)} if removed else {}),
        }
        with translated(f"release the lease of {lease.resource}"):
            try:
                self._client.update_item(
                    TableName=self._table,
                    Key=_key(lease.resource),
                    UpdateExpression="SET #expires_at = :expires_at REMOVE #owner, #until"
                    + " DELETE #values :removed" * bool(removed),
                    ConditionExpression="#owner = :owner",
                    ExpressionAttributeNames={
                        **{f"#{name}": name for name in ("owner", "until", "expires_at")},
                        **({"#values": "values"} if removed else {}),
                    },
                    ExpressionAttributeValues=values,
                )
            except ClientError as error:
                if code(error) != _FAILED:
                    raise

    def _take(self, lease: Lease, now: datetime, more: str, clause: str, condition: str) -> dict[str, Any] | None:
        """Write the lease; return the item, or None if the conditions fail."""
        try:
            answer = self._client.update_item(
                TableName=self._table,
                Key=_key(lease.resource),
                UpdateExpression=f"SET #owner = :owner, #until = :until, #expires_at = :expires_at{more} {clause}",
                ConditionExpression=f"{_FREE} AND {condition}",
                ExpressionAttributeNames={f"#{name}": name for name in ("owner", "until", "expires_at", "values")},
                ExpressionAttributeValues={
                    ":owner": {"S": lease.owner},
                    ":until": _milliseconds(lease.until),
                    ":expires_at": _number((lease.until + KEPT).timestamp()),
                    ":values": _texts(lease.values),
                    ":now": _milliseconds(now),
                    ":never": _milliseconds(now + LONGEST_LEASE + CLOCK_TOLERANCE),
                    ":number": {"S": "N"},
                    ":set": {"S": "SS"},
                },
                ReturnValues="ALL_NEW",
            )
        except ClientError as error:
            if code(error) == _FAILED:
                return None
            raise
        return answer["Attributes"]


def _texts(values: Collection[LeasedValue]) -> dict[str, Any]:
    return {"SS": sorted(f"{_milliseconds(value.ends)['N']} {value.text}" for value in values)}


def _values(attribute: Any) -> frozenset[LeasedValue]:  # noqa: ANN401 (any attribute)
    """Return the values; texts of manual edits that do not parse are ignored."""
    texts = attribute.get("SS", [])
    found = [match for text in texts if (match := _VALUE.fullmatch(text)) and int(match[1]) <= LATEST]
    return frozenset(LeasedValue(match[2], datetime.fromtimestamp(int(match[1]) / 1_000, UTC)) for match in found)


def _number(value: float) -> dict[str, str]:
    return {"N": str(int(value))}


def _milliseconds(moment: datetime) -> dict[str, str]:
    return _number(moment.timestamp() * 1_000)


def _key(resource: str) -> dict[str, Any]:
    return {"pk": {"S": f"lease#{resource}"}, "sk": {"S": "lease"}}
