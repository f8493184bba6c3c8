"""The responder function: answer http-01 challenges of ACME CAs (RFC 8555 §8.3)."""

from __future__ import annotations

import evercert.layer_target  # noqa: F401 (first: a wrong runtime fails here, in one clear line)
from evercert import cold_start

# isort: split
import os
from functools import cache
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger

from evercert.acme.challenges import HTTP_PATH, is_token
from evercert.aws.clients import Clients
from evercert.aws.dynamodb.http_answers import DynamoDBHTTPAnswers
from evercert.aws.lambda_clock import now
from evercert.aws.timeouts import WAITED_FOR
from evercert.environment import Variables
from evercert.errors import EvercertError, Misconfigured

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger(service="responder")
OK, NOT_FOUND, UNAVAILABLE = 200, 404, 503
HEADERS = {"Content-Type": "application/octet-stream", "Cache-Control": "no-store"}


def handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Return the key authorization of the token in the path; 404 for every other request.

    Accepts events of an HTTP API or function URL (payload 2.0), and of a REST API or load balancer (payload 1.0).
    """
    status, body = _answer(event.get("rawPath") or event.get("path"))
    response = {"statusCode": status, "body": body, "isBase64Encoded": False}
    if event.get("multiValueHeaders") and not event.get("headers"):  # a load balancer that accepts no `headers`
        return {**response, "multiValueHeaders": {name: [value] for name, value in HEADERS.items()}}
    return {**response, "headers": HEADERS}


def _answer(path: object) -> tuple[int, str]:
    """Return status and body; read the table only for a path with a valid token."""
    token = path.removeprefix(HTTP_PATH) if isinstance(path, str) and path.startswith(HTTP_PATH) else ""
    if not is_token(token):
        return NOT_FOUND, "not found"
    try:
        answer = _answers().read(token, now())
    except EvercertError as error:
        logger.error({"outcome": "unanswered", "error": str(error)})  # noqa: TRY400 (the text suffices)
        return UNAVAILABLE, "try again"
    if answer is None:
        return NOT_FOUND, "not found"
    logger.info({"outcome": "answered"})
    return OK, answer


@cache
def _answers() -> DynamoDBHTTPAnswers:
    clients = Clients(limits=WAITED_FOR).ready("dynamodb")
    return DynamoDBHTTPAnswers(clients.dynamodb, Variables(os.environ).text("CERTIFICATES_TABLE"))


cold_start.finish(_answers, Misconfigured)
