"""A client of the emulator's tables that enforces the largest size of an item, which the emulator does not."""

from __future__ import annotations

from typing import Any

from tests.doubles.item_size import LIMIT, size
from tests.doubles.strict_aws import refuse

UPDATED = "Item size to update has exceeded the maximum allowed size"  # DynamoDB, UpdateItem
PUT = "Item size has exceeded the maximum allowed size"  # DynamoDB, PutItem


class SizedDynamoDB:
    """Undoes a write that made an item too large, and raises the error of DynamoDB; for one writer at a time."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def update_item(self, **arguments: Any) -> Any:
        table, key = arguments["TableName"], arguments["Key"]
        before = self._item(table, key)
        answer = self._client.update_item(**arguments)
        if self._undone(table, key, before):
            raise refuse("ValidationException", "UpdateItem", UPDATED)
        return answer

    def put_item(self, **arguments: Any) -> Any:
        if size(arguments["Item"]) > LIMIT:
            raise refuse("ValidationException", "PutItem", PUT)
        return self._client.put_item(**arguments)

    def transact_write_items(self, *, TransactItems: list[Any]) -> Any:
        places = []
        for write in TransactItems:
            ((kind, content),) = write.items()
            key = content["Key"] if kind != "Put" else {name: content["Item"][name] for name in ("pk", "sk")}
            places.append((content["TableName"], key, self._item(content["TableName"], key)))
        answer = self._client.transact_write_items(TransactItems=TransactItems)
        large = [size(self._item(table, key)) > LIMIT for table, key, _ in places]
        if not any(large):
            return answer
        for table, key, before in places:
            self._restore(table, key, before)
        error = refuse("TransactionCanceledException", "TransactWriteItems")
        error.response["CancellationReasons"] = [  # type: ignore[typeddict-unknown-key]
            {"Code": "ValidationError", "Message": UPDATED} if too_large else {"Code": "None"} for too_large in large
        ]
        raise error

    def _undone(self, table: str, key: Any, before: dict[str, Any]) -> bool:
        if size(self._item(table, key)) <= LIMIT:
            return False
        self._restore(table, key, before)
        return True

    def _item(self, table: str, key: Any) -> dict[str, Any]:
        return dict(self._client.get_item(TableName=table, Key=key, ConsistentRead=True).get("Item", {}))

    def _restore(self, table: str, key: Any, before: dict[str, Any]) -> None:
        if before:
            self._client.put_item(TableName=table, Item=before)
        else:
            self._client.delete_item(TableName=table, Key=key)
