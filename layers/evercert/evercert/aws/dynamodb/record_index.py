"""DynamoDB: all records in the order of their names, read through an index instead of a scan."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from evercert.aws.clients import code, translated
from evercert.aws.dynamodb import items
from evercert.contracts.ports import Unreadable
from evercert.contracts.record import Record
from evercert.errors import Misconfigured, Unavailable

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

INDEX = "records"
FIRST_LIMIT, NEXT_LIMIT = 101, 1_000  # keys of a query: a page of `list` and one more, then larger pages
PAGES = 100_000  # of the index; DynamoDB may return less than a full one
BATCH = 100  # keys in one BatchGetItem
# In a row without a single record. A batch of large items needs several calls, but each of them returns some.
_ATTEMPTS = 6
_PAUSE = 0.05  # seconds, doubled with each attempt


class DynamoDBRecordIndex:
    """Records of a table by name; the index contains every item, also those that do not parse.

    With `attributes`, only these are read, and a table without the index is refused: a scan would read everything.
    """

    def __init__(
        self, client: DynamoDBClient, table: str, sleep: Callable[[float], None], attributes: Sequence[str] = ()
    ) -> None:
        self._client = client
        self._table = table
        self._sleep = sleep
        names = {f"#{name}": name for name in attributes}
        projection = {"ProjectionExpression": ", ".join(names), "ExpressionAttributeNames": names}
        self._projection: dict[str, Any] = projection if names else {}

    def records(self, after: str | None = None) -> Iterator[Record | Unreadable]:
        """Yield the records whose names follow `after`; a table without the index is scanned."""
        try:
            for names in self._names(after):
                for begin in range(0, len(names), BATCH):
                    yield from self._read(names[begin : begin + BATCH])
        except _NoIndex as error:
            if self._projection:
                raise Misconfigured(
                    f"cannot read table {self._table}: it has no index {INDEX}; add the index to the table"
                ) from error
            yield from self._scan(after)

    def named(self, names: Sequence[str]) -> Iterator[Record | Unreadable]:
        """Yield the records with these names, with consistent reads of the table."""
        keys = [items.pk(name) for name in dict.fromkeys(names)]
        for begin in range(0, len(keys), BATCH):
            yield from self._read(keys[begin : begin + BATCH], latest=True)

    def _names(self, after: str | None) -> Iterator[list[str]]:
        """Yield the partition keys of all records by page."""
        start: dict[str, Any] = {} if after is None else {"ExclusiveStartKey": items.key(after)}
        for limit in chain([FIRST_LIMIT], repeat(NEXT_LIMIT, PAGES)):
            with translated(f"read the index {INDEX} of table {self._table}"):
                try:
                    answer = self._client.query(
                        TableName=self._table,
                        IndexName=INDEX,
                        KeyConditionExpression="sk = :record AND begins_with(pk, :certificate)",
                        ExpressionAttributeValues={":record": {"S": items.SK}, ":certificate": {"S": items.pk("")}},
                        Limit=limit,
                        **start,
                    )
                except ClientError as error:
                    if _lacks_index(error):
                        raise _NoIndex from error
                    raise
            yield [item["pk"]["S"] for item in answer["Items"]]
            if "LastEvaluatedKey" not in answer:
                return
            start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}
        raise Unavailable(f"cannot read table {self._table}: its index {INDEX} has more than {PAGES:,} pages")

    def _read(self, names: list[str], *, latest: bool = False) -> list[Record | Unreadable]:
        """Return the records in this order, without those that were deleted since they were found."""
        found: dict[str, Any] = {}
        keys = [{"pk": {"S": name}, "sk": {"S": items.SK}} for name in names]
        wanted: Any = {self._table: {"Keys": keys, "ConsistentRead": latest, **self._projection}}
        attempt = 0
        for _ in range(len(names) + _ATTEMPTS):  # a call of large items returns at least one of them
            with translated(f"read table {self._table}"):
                answer = self._client.batch_get_item(RequestItems=wanted)
            received = answer.get("Responses", {}).get(self._table, [])
            found |= {item["pk"]["S"]: item for item in received}
            if not (wanted := answer.get("UnprocessedKeys")):
                return [items.read_record(found[name]) for name in names if name in found]
            attempt = 0 if received else attempt + 1
            if attempt == _ATTEMPTS:
                break
            if attempt:
                self._sleep(_PAUSE * 2**attempt)
        raise Unavailable(f"cannot read table {self._table}: it is busy; run the command again")

    def _scan(self, after: str | None) -> Iterator[Record | Unreadable]:
        """Yield the records of a table that lacks the index (restored, or of an earlier release)."""
        with translated(f"read table {self._table}"):
            pages = self._client.get_paginator("scan").paginate(
                TableName=self._table,
                FilterExpression="sk = :record AND begins_with(pk, :certificate)",
                ExpressionAttributeValues={":record": {"S": items.SK}, ":certificate": {"S": items.pk("")}},
            )
            found = {item["pk"]["S"]: item for page in pages for item in page["Items"]}
        first = "" if after is None else items.pk(after)
        yield from (items.read_record(found[name]) for name in sorted(found) if name > first)


class _NoIndex(Exception):
    pass


def _lacks_index(error: ClientError) -> bool:
    """Whether the table has no such index, or DynamoDB still builds it."""
    refused = code(error) in {"ValidationException", "ResourceNotFoundException"}
    return refused and "index" in error.response["Error"].get("Message", "").lower()
