"""DynamoDB: writes that are repeated after short pauses if they conflict with others or are throttled."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import ClientError

from evercert.aws.error_codes import CONDITION, cancellation_reasons, code, is_transient

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

ATTEMPTS = 4
PATIENT_ATTEMPTS = 9  # of a write that others must not be able to delay: its pauses take 2 s at most
FIRST_PAUSE = 0.025  # seconds; doubled each time: the pauses of a usual write take 175 ms at most
LONGEST_PAUSE = 0.4
T = TypeVar("T")
Pause = Callable[[float], None]


class ConditionsFailed(Exception):
    """The transaction was cancelled because conditions failed; `items` are the current items of those writes."""

    def __init__(self, failed: list[bool], items: list[dict[str, Any] | None]) -> None:
        super().__init__("conditions failed")
        self.failed = failed
        self.items = items


def transact(
    client: DynamoDBClient, writes: Sequence[Any], pause: Pause = time.sleep, attempts: int = ATTEMPTS
) -> None:
    """Run the writes in one transaction; raise ConditionsFailed, or the error of the client.

    botocore does not retry cancelled transactions.
    """
    try:
        retried(lambda: client.transact_write_items(TransactItems=list(writes)), pause, attempts)
    except ClientError as error:
        reasons = cancellation_reasons(error)
        failed = [reason.get("Code") == CONDITION for reason in reasons]
        if not any(failed):
            raise
        raise ConditionsFailed(failed, [reason.get("Item") for reason in reasons]) from error


def retried(write: Callable[[], T], pause: Pause = time.sleep, attempts: int = ATTEMPTS) -> T:
    """Run a write; repeat it after a random pause if it conflicts or is throttled. Raise the last error."""
    for attempt in range(1, attempts):
        try:
            return write()
        except ClientError as error:
            if not _may_pass(error):
                raise
        # Random, so that two writers in step do not meet again.
        longest = min(FIRST_PAUSE * 2 ** (attempt - 1), LONGEST_PAUSE)
        pause(longest * random.uniform(0.5, 1))  # noqa: S311 (jitter, not a secret)
    return write()


def _may_pass(error: ClientError) -> bool:
    """Whether a repeated write may pass: every reason for a cancellation is transient."""
    reasons = cancellation_reasons(error)
    if not reasons:
        return is_transient(code(error))
    names = {str(reason.get("Code")) for reason in reasons} - {"None"}
    return bool(names) and all(map(is_transient, names))
