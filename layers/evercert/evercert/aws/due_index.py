"""DynamoDB: what is due, read from the sparse index, never by a scan."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from evercert.aws.clients import code, translated
from evercert.dispatch import Due
from evercert.instants import to_text

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

INDEX = "due"
SHARDS = 16
PAGE = 100


class DynamoDBDueIndex:
    """16 queries for an idle table, and a page for every 100 due entries of a shard."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def due(self, now: datetime) -> Iterator[Due]:
        """Merged from all shards, each sorted by the index."""
        shards = [self._shard(f"{number:02d}", to_text(now)) for number in range(SHARDS)]
        return heapq.merge(*shards, key=lambda due: due.due_at)

    def put_off(self, due: Due, until: datetime) -> bool:
        """The index is eventually consistent: without the condition, a stale entry would undo a newer due time."""
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
            if code(error) == "ConditionalCheckFailedException":
                raise _Overtaken from error
            raise

    def _shard(self, shard: str, now: str) -> Iterator[Due]:
        start: dict[str, Any] = {}
        while True:
            with translated("read the due index"):
                page = self._client.query(
                    TableName=self._table,
                    IndexName=INDEX,
                    KeyConditionExpression="due_shard = :shard AND due_at <= :now",
                    ExpressionAttributeValues={":shard": {"S": shard}, ":now": {"S": now}},
                    Limit=PAGE,
                    **start,
                )
            for item in page["Items"]:
                yield Due((item["pk"]["S"], item["sk"]["S"]), shard, item["due_at"]["S"])
            if "LastEvaluatedKey" not in page:
                return
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


class _Overtaken(Exception):
    pass
