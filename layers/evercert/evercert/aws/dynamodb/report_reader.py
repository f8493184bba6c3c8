"""DynamoDB: what the report needs, and no other attribute: no sealed keys, no issuer definitions."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from evercert.aws.clients import translated
from evercert.aws.dynamodb.pauses import PAUSE, read_pause, read_target
from evercert.aws.dynamodb.record_index import DynamoDBRecordIndex
from evercert.contracts.ports import Unreadable
from evercert.contracts.record import Record
from evercert.contracts.spec_store import Pause, PauseTarget

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

# The role of the function may read these alone. `pending` holds a sealed key, so what an issuer waits for is not shown.
RECORD_ATTRIBUTES = (
    "pk", "sk", "schema", "name", "uid", "spec", "generation", "state", "revision", "facts", "requested_at",
    "request_reason", "served", "renew_at", "due_at", "last_error", "rollback",
)  # fmt: skip
PAUSE_ATTRIBUTES = ("pk", "paused_at", "paused_until", "reason")


class DynamoDBReportReader:
    """Records and pauses of a stack, with the permissions of the report function."""

    def __init__(
        self, client: DynamoDBClient, table: str, issuers_table: str, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._client = client
        self._issuers_table = issuers_table
        self._index = DynamoDBRecordIndex(client, table, sleep, RECORD_ATTRIBUTES)

    def records(self) -> Iterator[Record | Unreadable]:
        """Yield the records by name, without the attributes that the report does not need."""
        yield from self._index.records()

    def pauses(self, now: datetime) -> dict[PauseTarget, Pause]:
        """Return the pauses that have not ended."""
        names = {f"#{name}": name for name in PAUSE_ATTRIBUTES}
        found: dict[PauseTarget, Pause] = {}
        with translated(f"read the pauses in table {self._issuers_table}"):
            pages = self._client.get_paginator("scan").paginate(
                TableName=self._issuers_table,
                Select="SPECIFIC_ATTRIBUTES",  # the role may not scan without it
                ProjectionExpression=", ".join(names),
                FilterExpression="begins_with(#pk, :pause)",
                ExpressionAttributeNames=names,
                ExpressionAttributeValues={":pause": {"S": PAUSE}},
            )
            items = [item for page in pages for item in page["Items"]]
        for item in items:
            target, pause = read_target(item["pk"]["S"]), read_pause(dict(item))
            if target is not None and not pause.ended(now):
                found[target] = pause
        return found
