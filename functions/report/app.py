"""The report function: write the page of all certificates into a bucket of the operator, daily."""

from __future__ import annotations

import evercert.layer_target  # noqa: F401 (first: a wrong runtime fails here, in one clear line)
from evercert import cold_start

# isort: split
import os
from functools import cache
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger

from evercert.aws.clients import Clients
from evercert.aws.dynamodb.report_reader import DynamoDBReportReader
from evercert.aws.lambda_clock import now
from evercert.aws.report_bucket import S3ReportBucket
from evercert.aws.timeouts import UNATTENDED
from evercert.errors import EvercertError, Misconfigured, Unexpected
from evercert.operations.report.page import Report, render
from evercert.operations.report.settings import ReportSettings

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger(service="report")


def handler(_event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Publish the report; return what was published. Raise any error, so that Lambda tries again."""
    try:
        done = _publish()
    except Exception as error:  # noqa: BLE001 (its text could hold a secret)
        known = error if isinstance(error, EvercertError) else Unexpected.of(error)
        logger.error({"outcome": "unpublished", "kind": known.kind, "message": str(known)})  # noqa: TRY400
        raise known from None
    logger.info({"outcome": "published", **done})
    return done


def _publish() -> dict[str, Any]:
    settings, source, bucket = _wired()
    at = now()
    report = Report.of(settings.stack, settings.region, at, source.records(), source.pauses(at))
    return {"certificates": len(report.rows), "bytes": bucket.put(render(report)), "key": settings.key}


@cache
def _wired() -> tuple[ReportSettings, DynamoDBReportReader, S3ReportBucket]:
    settings, clients = ReportSettings.of(os.environ), Clients(limits=UNATTENDED).ready("dynamodb", "s3")
    source = DynamoDBReportReader(clients.dynamodb, settings.table, settings.issuers_table)
    return settings, source, S3ReportBucket(clients.s3, settings.bucket, settings.key)


cold_start.finish(_wired, Misconfigured)
