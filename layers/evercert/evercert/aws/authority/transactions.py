"""Several conditional writes of the authority, all or none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from evercert.aws.clients import code, translated
from evercert.errors import Unavailable

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

CONFLICTS = 5  # tries of writes that meet others


def refused(client: DynamoDBClient, writes: Sequence[Any], doing: str) -> list[bool]:
    """Which of the writes did not find what they wanted; empty: all are done.

    Raises Unavailable when other writes get in the way again and again.
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
    raise Unavailable(f"cannot {doing}: other writes got in the way {CONFLICTS} times")
