"""DynamoDB: the issuance trail, as operators read it."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from evercert.authority.contracts.issuance_trail import IssuanceEntry
from evercert.aws.authority.issuance_trail import ISSUANCE, SHARDS, day_of, read
from evercert.aws.clients import translated
from evercert.timestamps import to_text

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient


class IssuanceTrailReader:
    """Read access to the issuance trail, with the operator's permissions."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def entries(self, since: datetime, until: datetime) -> Iterator[IssuanceEntry]:
        """Yield the entries of a period, newest first; one query for each shard of a day and each further MiB."""
        day = until
        while day_of(day) >= day_of(since):
            shards = [self._shard(f"{ISSUANCE}{day_of(day)}#{number}", since, until) for number in range(SHARDS)]
            yield from heapq.merge(*shards, key=lambda entry: (entry.at, entry.id), reverse=True)
            day -= timedelta(days=1)

    def _shard(self, partition: str, since: datetime, until: datetime) -> Iterator[IssuanceEntry]:
        more: dict[str, Any] = {}
        values = {":pk": {"S": partition}, ":since": {"S": to_text(since)}, ":until": {"S": f"{to_text(until)}~"}}
        while True:
            with translated("read the issuance trail"):
                page = self._client.query(
                    TableName=self._table,
                    KeyConditionExpression="pk = :pk AND sk BETWEEN :since AND :until",
                    ExpressionAttributeValues=values,
                    ScanIndexForward=False,
                    **more,
                )
            yield from map(read, page["Items"])
            if not (following := page.get("LastEvaluatedKey")):
                return
            more = {"ExclusiveStartKey": following}
