"""SQS: challenges that wait for the validator."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from evercert import json_parser
from evercert.aws.clients import translated
from evercert.errors import Rejected

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient

    from evercert.authority.acme.records import Order

LONGEST_DELAY = 900  # seconds; the maximum of SQS


class SQSValidations:
    """Messages with the place of a challenge and the number of its failed tries: at least once, in any order.

    The account is their message group: a fair queue delivers those of other accounts first while one account has many.
    """

    def __init__(self, client: SQSClient, url: str) -> None:
        self._client = client
        self._url = url

    def send(self, order: Order, place: int, kind: str, delay: timedelta) -> None:
        """Send a message after a delay in whole seconds, rounded up; raise ValueError for an unknown challenge."""
        challenge = order.authorizations[place].challenge(kind)
        if challenge is None:
            raise ValueError(f"the order has no challenge {kind} there")
        seconds = min(max(math.ceil(delay.total_seconds()), 0), LONGEST_DELAY)
        members = {"order": order.id, "authorization": place, "challenge": kind, "tries": challenge.tries}
        with translated("have a challenge validated"):
            self._client.send_message(
                QueueUrl=self._url, MessageBody=json.dumps(members), DelaySeconds=seconds, MessageGroupId=order.account
            )


@dataclass(frozen=True)
class Message:
    """A message: the challenge, and how many of its tries had failed when it was sent."""

    order: str
    authorization: int
    challenge: str
    tries: int


def read(body: str) -> Message:
    """Parse a message; raise Rejected for anything else."""
    try:
        found = json_parser.parse(body)
        message = Message(found["order"], found["authorization"], found["challenge"], found["tries"])
    except (ValueError, TypeError, KeyError):
        raise _invalid() from None
    texts, numbers = (message.order, message.challenge), (message.authorization, message.tries)
    if not all(isinstance(one, str) for one in texts) or not all(type(one) is int and one >= 0 for one in numbers):
        raise _invalid()
    return message


def _invalid() -> Rejected:
    return Rejected(
        'invalid message: expected {"order": ID, "authorization": NUMBER, "challenge": TYPE, "tries": NUMBER}'
    )
