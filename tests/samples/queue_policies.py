"""Policies of queues and keys that let a topic send, and a policy that lets another topic send."""

from __future__ import annotations

import json
from typing import Any

SNS = {"Service": "sns.amazonaws.com"}


def queue_policy(queue: str, topic: str) -> str:
    """Return the policy of docs/how-to/receive-events.md."""
    statement = {
        "Effect": "Allow", "Principal": SNS, "Action": "sqs:SendMessage", "Resource": queue,
        "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
    }  # fmt: skip
    return policy(statement)


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
