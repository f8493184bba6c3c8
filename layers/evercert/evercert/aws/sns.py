"""SNS: publish one message per event, with attributes for filter policies."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from evercert.aws.clients import translated
from evercert.contracts.events import Outcome

if TYPE_CHECKING:
    from types_boto3_sns import SNSClient


class SNSAnnouncer:
    """Publisher on one topic; `source` is the CloudEvents source."""

    def __init__(self, client: SNSClient, topic: str, source: str) -> None:
        self._client = client
        self._topic = topic
        self._source = source

    def announce(self, outcome: Outcome) -> None:
        """Publish the event: text for e-mail subscribers, JSON for all others."""
        event = json.dumps(outcome.cloud_event(self._source), allow_nan=False)
        attributes: dict[str, Any] = {
            name: {"DataType": "String.Array", "StringValue": json.dumps(value)}
            if isinstance(value, list)
            else {"DataType": "String", "StringValue": value}
            for name, value in outcome.attributes().items()
        }
        with translated(f"announce {outcome.type} of {outcome.name}"):
            self._client.publish(
                TopicArn=self._topic,
                Subject=outcome.subject,
                MessageStructure="json",
                Message=json.dumps({"default": event, "email": outcome.text()}),
                MessageAttributes=attributes,
            )
