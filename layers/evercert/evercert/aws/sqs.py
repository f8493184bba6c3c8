"""SQS: nudges from the checker to the issuer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from evercert import json_parser
from evercert.aws.clients import translated
from evercert.contracts.queue import Nudge
from evercert.errors import Rejected

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient

EXTERNAL_REQUEST = "external-request"  # key of a message about a request of the authority
LONGEST_DELAY = 900  # seconds; the maximum of SQS


class SQSQueue:
    """Nudges on one standard queue: at least once, in any order."""

    def __init__(self, client: SQSClient, url: str) -> None:
        self._client = client
        self._url = url

    def send(self, nudges: Sequence[Nudge]) -> list[Nudge]:
        """Send one batch; return the nudges that SQS accepted."""
        by_id = {str(number): nudge for number, nudge in enumerate(nudges)}
        entries = [{"Id": number, "MessageBody": write(nudge)} for number, nudge in by_id.items()]
        with translated("put nudges on the queue"):
            answer = self._client.send_message_batch(QueueUrl=self._url, Entries=entries)  # type: ignore[arg-type]
        accepted = {entry["Id"] for entry in answer.get("Successful", [])}
        return [nudge for number, nudge in by_id.items() if number in accepted]

    def send_later(self, nudge: Nudge, delay: timedelta) -> None:
        """Send after a delay in whole seconds, rounded up: a message that arrives early would be delayed again."""
        seconds = -int(-delay.total_seconds() // 1)
        with translated(f"nudge {nudge.certificate}"):
            self._client.send_message(
                QueueUrl=self._url,
                MessageBody=write(nudge),
                DelaySeconds=min(max(seconds, 0), LONGEST_DELAY),
            )


def write(nudge: Nudge) -> str:
    """Return the body of a message; it contains only names and a count."""
    more = {"outcome": nudge.outcome, "repeats": nudge.repeats}
    return json.dumps({"certificate": nudge.certificate, **{key: value for key, value in more.items() if value}})


def request_of(body: str) -> str | None:
    """Return the id of the authority's request that a message names, or None for a nudge."""
    try:
        message = json_parser.parse(body)
    except ValueError:
        return None
    found = message.get(EXTERNAL_REQUEST) if isinstance(message, dict) else None
    return found if isinstance(found, str) else None


def read(body: str) -> Nudge:
    """Parse the body of a message; raises Rejected for anything else."""
    try:
        message = Nudge(**json_parser.parse(body))
    except (ValueError, TypeError):
        message = None
    if message is None or not (
        isinstance(message.certificate, str)
        and isinstance(message.outcome, str | None)
        and isinstance(message.repeats, int)
        and message.repeats >= 0
    ):
        raise Rejected('invalid message: expected {"certificate": NAME}')
    return message
