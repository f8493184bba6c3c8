"""DynamoDB: due and expiring certificates, read from two indexes without a scan."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from evercert.aws.clients import code, translated
from evercert.contracts.queue import SHARDS, Due, Expiring
from evercert.timestamps import to_text

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

PAGE = 100
# Another write is in progress, or the item would be too large.
_NOT_NOW = {"ConditionalCheckFailedException", "TransactionConflictException", "ValidationException"}


class DynamoDBDueIndex:
    """Due index of a table: 16 queries if nothing is due, and a page for every 100 due entries of a shard."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def due(self, now: datetime) -> Iterator[Due]:
        """Yield due entries, merged from all shards, longest overdue first."""
        values = {":now": {"S": to_text(now)}}
        shards = [
            (
                Due((item["pk"]["S"], item["sk"]["S"]), item["due_shard"]["S"], item["due_at"]["S"])
                for item in self._shard(number, "due", "due_shard = :shard AND due_at <= :now", values, PAGE)
            )
            for number in range(SHARDS)
        ]
        return heapq.merge(*shards, key=lambda due: due.due_at)

    def expiring(self, page: int) -> Iterator[Expiring]:
        """Yield certificates by their expiry, merged from all shards."""
        shards = [
            (
                Expiring((item["pk"]["S"], item["sk"]["S"]), item["not_after"]["S"])
                for item in self._shard(number, "expiring", "expiry_shard = :shard", {}, page)
            )
            for number in range(SHARDS)
        ]
        return heapq.merge(*shards, key=lambda expiring: expiring.not_after)

    def put_off(self, due: Due, until: datetime) -> bool:
        """Postpone an entry if its due time is unchanged; the index may return stale entries.

        An entry that DynamoDB refuses to change, because it has no room, remains due and delays no other.
        """
        partition, sort = due.key
        try:
            with translated(f"put off {partition}"):
                self._move(partition, sort, seen=due.due_at, until=to_text(until))
        except _Overtaken:
            return False
        return True

    def _move(self, partition: str, sort: str, *, seen: str, until: str) -> None:
        try:
            self._client.update_item(
                TableName=self._table,
                Key={"pk": {"S": partition}, "sk": {"S": sort}},
                UpdateExpression="SET due_at = :until",
                ConditionExpression="due_at = :seen",
                ExpressionAttributeValues={":until": {"S": until}, ":seen": {"S": seen}},
            )
        except ClientError as error:
            if code(error) in _NOT_NOW:
                raise _Overtaken from error
            raise

    def _shard(
        self, number: int, index: str, condition: str, values: dict[str, Any], page: int
    ) -> Iterator[dict[str, Any]]:
        start: dict[str, Any] = {}
        while True:
            with translated(f"read the {index} index"):
                answer = self._client.query(
                    TableName=self._table,
                    IndexName=index,
                    KeyConditionExpression=condition,
                    ExpressionAttributeValues={**values, ":shard": {"S": f"{number:02d}"}},
                    Limit=page,
                    **start,
                )
            yield from answer["Items"]
            if "LastEvaluatedKey" not in answer:
                return
            start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}


class _Overtaken(Exception):
    pass
