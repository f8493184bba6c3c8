"""Conditional writes of the authority in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from evercert.aws.clients import code, translated
from evercert.errors import Unavailable

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

CONFLICTS = 5  # attempts of writes that conflict with others


def refused(client: DynamoDBClient, writes: Sequence[Any], doing: str) -> list[bool]:
    """Run the writes in one transaction; return the indexes of those whose condition failed, empty on success.

    Raise Unavailable after repeated conflicts.
    """
    for _ in range(CONFLICTS):
        with translated(doing):
            try:
                client.transact_write_items(TransactItems=list(writes))
            except ClientError as error:
                if code(error) != "TransactionCanceledException":
                    raise
                reasons: list[Any] = error.response.get("CancellationReasons", [])
                found = [reason.get("Code") == "ConditionalCheckFailed" for reason in reasons]
                if any(found):
                    return found
                if not any(reason.get("Code") == "TransactionConflict" for reason in reasons):
                    raise
            else:
                return []
    raise Unavailable(f"cannot {doing}: other writes interfered {CONFLICTS} times")
