"""DynamoDB: add the certificates of earlier releases to the inventory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from evercert.aws.authority import inventory_items
from evercert.aws.authority.certificate_items import read_certificate
from evercert.aws.authority.inventory_items import put_entry
from evercert.aws.authority.transactions import refused
from evercert.aws.clients import translated
from evercert.errors import Misconfigured

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

MOST_WRITES = 90  # of one transaction, which may have 100


class InventoryIndex:
    """Write access to the inventory, with the operator's permissions."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table
        self.unreadable: list[str] = []  # keys of certificates that do not parse

    def add_all(self) -> Iterator[int]:
        """Read the whole table and write the entries of each certificate; yield the number of certificates so far.

        Idempotent: an interrupted run can be repeated, and functions may issue and revoke meanwhile.
        """
        count = 0
        for page in self._pages():
            writes: list[Any] = []
            for item in page:
                writes += [put_entry(self._table, entry) for entry in self._entries(item)]
            for start in range(0, len(writes), MOST_WRITES):
                refused(self._client, writes[start : start + MOST_WRITES], "add certificates to the inventory")
            count += len(page)
            yield count

    def _entries(self, item: dict[str, Any]) -> list[dict[str, Any]]:
        try:
            record = read_certificate(item)
        except Misconfigured:
            self.unreadable.append(str(item["pk"]["S"]))
            return []
        revoked = [inventory_items.revoked_entry(record)] if record.revoked_at is not None else []
        return [*inventory_items.entries(record), *revoked]

    def _pages(self) -> Iterator[list[dict[str, Any]]]:
        more: dict[str, Any] = {}
        while True:
            with translated("read the certificates"):
                answer = self._client.scan(
                    TableName=self._table,
                    FilterExpression="sk = :kind",
                    ExpressionAttributeValues={":kind": {"S": "certificate"}},
                    ConsistentRead=True,
                    **more,
                )
            yield answer["Items"]
            if not (following := answer.get("LastEvaluatedKey")):
                return
            more = {"ExclusiveStartKey": following}
