"""Names of certificates whose events arrive in a queue of this host; the queue is subscribed to the stack's topic."""

from __future__ import annotations

from collections.abc import Iterator

from evercert import json_parser
from evercert.aws.clients import Clients, translated

WAIT_SECONDS = 20  # the longest that SQS offers; below the time limit of `LISTENING`


class CertificateEvents:
    """Reads a queue that only this host reads; events only say what to check, so a lost one costs one interval."""

    def __init__(self, clients: Clients, url: str) -> None:
        """`clients` have the limits `LISTENING`."""
        self._sqs = clients.sqs
        self._url = url

    def receive(self) -> Iterator[str]:
        """Wait a little for events, delete them, and yield the names; raise Unavailable or Misconfigured."""
        with translated(f"receive from queue {self._url}"):
            answer = self._sqs.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10, WaitTimeSeconds=WAIT_SECONDS)
        for message in answer.get("Messages", []):
            name = name_of(message.get("Body", ""))
            with translated(f"delete a message of queue {self._url}"):
                self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
            if name is not None:
                yield name


def name_of(body: str) -> str | None:
    """Return the certificate of an event, delivered raw or in the envelope of SNS; None for other messages."""
    try:
        found = json_parser.parse(body)
        if isinstance(found, dict) and isinstance(found.get("Message"), str):
            found = json_parser.parse(found["Message"])
    except ValueError:
        return None
    name = found.get("subject") if isinstance(found, dict) else None
    return name if isinstance(name, str) else None
