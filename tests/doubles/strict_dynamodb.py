"""Clients of tables with rules that the emulator lacks: the largest size of an item, and reasons of cancellations."""

from __future__ import annotations

from typing import Any

from evercert.errors import Misconfigured, Throttled, Unavailable
from tests.doubles.item_size import LIMIT, size
from tests.doubles.strict_aws import refuse

# DynamoDB, TransactWriteItems: the codes of cancellation reasons, and their messages
CANCELLATIONS = {
    "None": None,
    "ConditionalCheckFailed": "The conditional request failed",
    "ItemCollectionSizeLimitExceeded": "Collection size exceeded.",
    "TransactionConflict": "Transaction is ongoing for the item",
    "ProvisionedThroughputExceeded": "The level of configured provisioned throughput for the table was exceeded.",
    "ThrottlingError": "Throughput exceeds the current capacity of your table or index.",
    "ValidationError": "One or more parameter values were invalid.",
}
UPDATED = "Item size to update has exceeded the maximum allowed size"  # DynamoDB, UpdateItem
PUT = "Item size has exceeded the maximum allowed size"  # DynamoDB, PutItem
# Error codes of one request, and the errors that an adapter raises for them
FAILURES: list[tuple[str, type[Exception]]] = [
    ("ProvisionedThroughputExceededException", Throttled),
    ("ThrottlingException", Throttled),
    ("InternalServerError", Unavailable),
    ("AccessDeniedException", Misconfigured),
    ("ResourceNotFoundException", Misconfigured),
]


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


class CancellingDynamoDB:
    """Cancels transactions for the given reasons, and refuses single writes that meet a transaction.

    DynamoDB reports one reason for each write, in their order; it adds the current item to a failed condition, if the
    write asks for it.
    """

    def __init__(self, *reasons: str, times: int = 1, item: Any = None, client: Any = None) -> None:
        self.left = times
        self._reasons = reasons
        self._item = item
        self._client = client
        self.transactions = 0

    def update_item(self, **arguments: Any) -> Any:
        if self._is_over():
            return self._client.update_item(**arguments) if self._client else {}
        raise refuse("TransactionConflictException", "UpdateItem", CANCELLATIONS["TransactionConflict"] or "")

    def transact_write_items(self, *, TransactItems: list[Any]) -> Any:
        self.transactions += 1
        if self._is_over():
            return self._client.transact_write_items(TransactItems=TransactItems) if self._client else {}
        codes = [*self._reasons, *["None"] * (len(TransactItems) - len(self._reasons))]
        assert len(codes) == len(TransactItems), "one reason for each write"
        raise self._cancelled(
            [self._reason(code, next(iter(write.values()))) for code, write in zip(codes, TransactItems, strict=True)]
        )

    def _is_over(self) -> bool:
        self.left -= 1
        return self.left < 0

    def _reason(self, code: str, write: Any) -> dict[str, Any]:
        message = CANCELLATIONS[code]
        found: dict[str, Any] = {"Code": code} if message is None else {"Code": code, "Message": message}
        wanted = write.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD"
        if code == "ConditionalCheckFailed" and wanted and self._item is not None:
            found["Item"] = self._item
        return found

    @staticmethod
    def _cancelled(reasons: list[dict[str, Any]]) -> Exception:
        codes = ", ".join(reason["Code"] for reason in reasons)
        message = f"Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]"
        error = refuse("TransactionCanceledException", "TransactWriteItems", message)
        error.response["CancellationReasons"] = reasons  # type: ignore[typeddict-unknown-key]
        return error
