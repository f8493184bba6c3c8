"""Schedule → certificates that are due → queue."""

from __future__ import annotations

import os
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger

from evercert.aws.clients import Clients
from evercert.aws.due_index import DynamoDBDueIndex
from evercert.aws.queue import SQSQueue
from evercert.checking import check
from evercert.settings import CheckerSettings

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger(service="checker")
SHARE = 0.8  # of the time that is left; the rest of the work waits for the next tick


def handler(_event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    """One tick; answers its counts. Raises what the index or the queue raises: the next tick tries again."""
    settings, index, queue = _wired()
    stop_at = now() + timedelta(milliseconds=context.get_remaining_time_in_millis() * SHARE)
    tick = asdict(check(index, queue, clock=now, stop_at=stop_at, redispatch=settings.redispatch))
    logger.info({"outcome": "checked", **tick})
    return tick


def now() -> datetime:
    """The one clock of this function."""
    return datetime.now(UTC)


@cache
def _wired() -> tuple[CheckerSettings, DynamoDBDueIndex, SQSQueue]:
    settings = CheckerSettings.of(os.environ)
    clients = Clients()
    return settings, DynamoDBDueIndex(clients.dynamodb, settings.table), SQSQueue(clients.sqs, settings.queue)
