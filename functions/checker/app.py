"""The checker function: send a nudge for each due certificate, and run the daily sweep."""

from __future__ import annotations

import evercert.layer_target  # noqa: F401 (first: a wrong runtime fails here, in one clear line)
from evercert import cold_start

# isort: split
import os
from dataclasses import asdict
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger, Metrics

from evercert.aws.clients import Clients
from evercert.aws.dynamodb.due_index import DynamoDBDueIndex
from evercert.aws.dynamodb.sweep import DynamoDBPages
from evercert.aws.lambda_clock import now
from evercert.aws.sqs import SQSQueue
from evercert.aws.timeouts import UNATTENDED
from evercert.errors import Misconfigured
from evercert.issuance.metrics import tick_metrics
from evercert.issuance.settings import CheckerSettings
from evercert.scheduling.checker import check
from evercert.scheduling.sweeper import sweep
from evercert.scheduling.workers import in_threads

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger(service="checker")
WORKERS = 8  # threads; botocore keeps ten connections
SHARE = 0.8  # of the remaining time; the next tick continues the work


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Run a tick, or a part of the sweep; return its counts. An error of AWS ends it, and the next one resumes."""
    settings, index, queue, pages = _wired()
    stop_at = now() + timedelta(milliseconds=context.get_remaining_time_in_millis() * SHARE)
    if event.get("task") == "sweep":
        counts = asdict(sweep(pages, clock=now, stop_at=stop_at))
        log = logger.warning if counts["restarted"] else logger.info
        log({"outcome": "swept", **counts})
        return counts
    workers = in_threads(WORKERS)
    tick = check(index, queue, clock=now, stop_at=stop_at, redispatch=settings.redispatch, workers=workers)
    soonest = next((entry.not_after for entry in index.expiring(page=1)), None)
    logger.info({"outcome": "checked", **asdict(tick), "soonest_expiry": soonest})
    metrics = Metrics(namespace="evercert", service="checker")
    metrics.add_dimension("stack", settings.stack)
    for name, unit, value in tick_metrics(tick, soonest, now()):
        metrics.add_metric(name, unit, value)
    metrics.flush_metrics()
    return asdict(tick)


@cache
def _wired() -> tuple[CheckerSettings, DynamoDBDueIndex, SQSQueue, DynamoDBPages]:
    settings = CheckerSettings.of(os.environ)
    clients = Clients(limits=UNATTENDED).ready("dynamodb")
    index, pages = DynamoDBDueIndex(clients.dynamodb, settings.table), DynamoDBPages(clients.dynamodb, settings.table)
    return settings, index, SQSQueue(clients.sqs, settings.queue), pages


cold_start.finish(_wired, Misconfigured)
