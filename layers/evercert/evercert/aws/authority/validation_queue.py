"""SQS: challenges that wait for the validator."""

from __future__ import annotations

import json
import math
from datetime import timedelta
from typing import TYPE_CHECKING

from evercert import json_parser
from evercert.aws.clients import translated
from evercert.errors import Rejected

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient

LONGEST_DELAY = 900  # seconds; the maximum of SQS


class SQSValidations:
    """Messages with the place of a challenge: at least once, in any order."""

    def __init__(self, client: SQSClient, url: str) -> None:
        self._client = client
        self._url = url

    def send(self, order_id: str, place: int, kind: str, delay: timedelta) -> None:
        """Send a message after a delay in whole seconds, rounded up."""
        seconds = min(max(math.ceil(delay.total_seconds()), 0), LONGEST_DELAY)
        body = json.dumps({"order": order_id, "authorization": place, "challenge": kind})
        with translated("have a challenge validated"):
            self._client.send_message(QueueUrl=self._url, MessageBody=body, DelaySeconds=seconds)


def read(body: str) -> tuple[str, int, str]:
    """Return order, place and type of a message; raise Rejected for anything else."""
    try:
        found = json_parser.parse(body)
        order_id, place, kind = found["order"], found["authorization"], found["challenge"]
    except (ValueError, TypeError, KeyError):
        order_id = place = kind = None
    if not (isinstance(order_id, str) and isinstance(kind, str) and isinstance(place, int) and place >= 0):
        raise Rejected('invalid message: expected {"order": ID, "authorization": NUMBER, "challenge": TYPE}')
    return order_id, place, kind
