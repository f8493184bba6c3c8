"""DynamoDB: token buckets for new orders, one item for each ACME account."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from evercert.aws.answers import InvalidAnswer
from evercert.aws.clients import code, translated
from evercert.deadline import CLOCK_TOLERANCE

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

    from evercert.contracts.order_buckets import OrderLimit

MILLISECOND = timedelta(milliseconds=1)
EMPTIEST = timedelta(hours=6)  # a bucket that fills up later than this, and its own span, comes from a wrong clock
LONGEST_QUEUE = timedelta(days=1)  # the same for the queue; a longer one begins again at its front
FORGOTTEN_AFTER = timedelta(days=1)  # a full bucket without a queue
SOON = timedelta(seconds=1)
LAST = 200_000_000_000_000  # milliseconds since 1970, before the last date of Python
_TRIES = 3
_Attribute = Any
_FULL = "attribute_not_exists(#full_at) OR #full_at <= :now"
_NOT_EMPTY = "#full_at > :now AND #full_at <= :last"  # another type is never between two numbers
_QUEUED = "attribute_exists(#queued_until) AND #queued_until BETWEEN :free AND :end"


class DynamoDBOrderBuckets:
    """Buckets of a stack.

    `full_at` is the time at which the bucket is full: a token moves it by one interval, in one conditional write.
    `queued_until` is the last time that a caller without a token has received. Both are milliseconds since 1970.
    """

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def take(self, account_id: str, limit: OrderLimit, now: datetime) -> datetime | None:
        """Take a token; without one, return the next time of the queue."""
        bucket = _Bucket(account_id, limit, now)
        with translated("take a token for an order of an ACME account"):
            for _ in range(_TRIES):
                if self._take(bucket):
                    return None
                found = self._client.get_item(TableName=self._table, Key=bucket.key, ConsistentRead=True)
                stored = found.get("Item", {}).get("full_at")
                if stored is None:
                    continue
                full_at = _number(stored)
                if full_at is None or full_at > bucket.never:
                    if self._restart(bucket, stored):
                        return None
                elif full_at > bucket.last:
                    return self._queue(bucket, full_at - bucket.last + bucket.now)
        return now + SOON  # other runs interfered

    def _take(self, bucket: _Bucket) -> bool:
        first = {":one": bucket.now + bucket.apart, ":now": bucket.now}
        more = {":apart": bucket.apart, ":now": bucket.now, ":last": bucket.last}
        return (
            self._set(bucket, "full_at", ":one", _FULL, _numbers(first)) is not None
            or self._set(bucket, "full_at", "#full_at + :apart", _NOT_EMPTY, _numbers(more)) is not None
        )

    def _restart(self, bucket: _Bucket, stored: _Attribute) -> bool:
        """Replace a value of a wrong clock or a manual edit: as if this caller had taken the last token."""
        values = _numbers({":empty": bucket.now + bucket.capacity * bucket.apart})
        return self._set(bucket, "full_at", ":empty", "#full_at = :stored", {**values, ":stored": stored}) is not None

    def _queue(self, bucket: _Bucket, free: int) -> datetime:
        """Return the time after the last one of the queue, or the time of the next token if the queue is over."""
        values = _numbers({":free": free, ":end": bucket.now + bucket.longest_queue})
        behind = {**values, **_numbers({":apart": bucket.apart})}
        for _ in range(_TRIES):
            at = self._set(bucket, "queued_until", "#queued_until + :apart", _QUEUED, behind)
            if at is None:
                at = self._set(bucket, "queued_until", ":free", f"NOT ({_QUEUED})", values)
            if at is not None:
                return datetime.fromtimestamp(at / 1_000, UTC)
        return datetime.fromtimestamp(free / 1_000, UTC)

    def _set(self, bucket: _Bucket, name: str, value: str, condition: str, values: dict[str, _Attribute]) -> int | None:
        """Write one attribute; return its new value, or None if the condition fails."""
        try:
            answer = self._client.update_item(
                TableName=self._table,
                Key=bucket.key,
                UpdateExpression=f"SET #{name} = {value}, #expires_at = :expires_at",
                ConditionExpression=condition,
                ExpressionAttributeNames={f"#{name}": name, "#expires_at": "expires_at"},
                ExpressionAttributeValues={**values, **_numbers({":expires_at": bucket.expires})},
                ReturnValues="UPDATED_NEW",
            )
        except ClientError as error:
            if code(error) == "ConditionalCheckFailedException":
                return None
            raise
        written = _number(answer.get("Attributes", {}).get(name))
        if written is None:
            raise InvalidAnswer(f"dynamodb:UpdateItem has no time in {name}")
        return written


class _Bucket:
    """A bucket as one caller sees it; times and spans in milliseconds."""

    def __init__(self, account_id: str, limit: OrderLimit, now: datetime) -> None:
        self.key: dict[str, Any] = {"pk": {"S": f"acme-orders#{account_id}"}, "sk": {"S": "bucket"}}
        self.capacity = limit.capacity
        self.apart = -(-limit.apart // MILLISECOND)  # rounded up
        self.now = int(now.timestamp() * 1_000)
        self.last = self.now + (self.capacity - 1) * self.apart  # later than this, the bucket is empty
        self.never = self.now + (max(EMPTIEST, limit.span) + CLOCK_TOLERANCE) // MILLISECOND
        self.longest_queue = max(LONGEST_QUEUE, limit.span) // MILLISECOND
        self.expires = int((now + max(LONGEST_QUEUE, limit.span) + FORGOTTEN_AFTER).timestamp())


def _numbers(values: dict[str, int]) -> dict[str, _Attribute]:
    return {name: {"N": str(value)} for name, value in values.items()}


def _number(value: Any) -> int | None:  # noqa: ANN401 (any attribute)
    """Return a time that Python can represent, or None for any other value."""
    try:
        found = Decimal(value["N"])
    except (KeyError, TypeError, ArithmeticError):
        return None
    return int(found) if 0 <= found <= LAST else None
