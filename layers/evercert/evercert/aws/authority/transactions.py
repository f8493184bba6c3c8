"""Conditional writes of the authority in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from evercert.aws.clients import translated
from evercert.aws.dynamodb.retries import ATTEMPTS, ConditionsFailed, transact

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient


def refused(client: DynamoDBClient, writes: Sequence[Any], doing: str, attempts: int = ATTEMPTS) -> list[bool]:
    """Run the writes in one transaction; return the indexes of those whose condition failed, empty on success.

    Raise Busy after repeated conflicts, Throttled if the table gets too many requests.
    """
    try:
        with translated(doing):
            transact(client, writes, attempts=attempts)
    except ConditionsFailed as error:
        return error.failed
    return []
