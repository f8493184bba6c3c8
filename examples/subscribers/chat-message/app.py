"""Post events of evercert to a chat by an incoming webhook.

The text holds names, dates and error messages; events contain no keys or credentials. An event that was posted is not
posted again.
"""

from __future__ import annotations

import http.client
import json
import os
import time
import urllib.error
import urllib.request
from typing import Any

import boto3
from botocore.config import Config

CONFIG = Config(connect_timeout=3, read_timeout=5, retries={"total_max_attempts": 2})
secrets = boto3.client("secretsmanager", config=CONFIG)
dynamodb = boto3.client("dynamodb", config=CONFIG)

ICONS = {"info": "✅", "warning": "⚠️", "critical": "🚨"}
FACTS = {"not_after": "valid until", "message": "problem", "next_attempt": "next attempt", "waits_for": "waits for"}
LONGEST = 1_000  # characters of one fact
REMEMBER_SECONDS = 30 * 86_400


class PostError(Exception):
    """The chat did not accept the message."""


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would send the message to another host."""

    def redirect_request(self, *_: object) -> None:
        """Refuse."""


opener = urllib.request.build_opener(NoRedirect)


def handler(invocation: dict[str, Any], _context: object) -> None:
    """Process the event of SNS; after an error, Lambda tries twice again and then uses the dead-letter queue."""
    for record in invocation["Records"]:
        severity = record["Sns"]["MessageAttributes"]["severity"]["Value"]
        event = json.loads(record["Sns"]["Message"])
        posted = is_posted(event["id"])
        if not posted:
            post(text(event, severity))
            remember(event["id"])
        print(json.dumps({"event": event["id"], "type": event["type"], "posted": not posted}))


def text(event: dict[str, Any], severity: str) -> str:
    """Return the message, without anything that the chat would take for a link or a mention."""
    data = event["data"]
    lines = [f"{ICONS.get(severity, '')} {event['type']}: {data['name']}"]
    lines += [f"{label}: {data[key]}" for key, label in FACTS.items() if data.get(key)]
    return "\n".join(map(plain, lines)).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def plain(line: str) -> str:
    """Return one line without control characters, mentions and links of others."""
    printable = "".join(c if c.isprintable() else " " for c in line[:LONGEST])
    return printable.replace("@", "@\u200b").replace("://", ":\u200b//").replace("](", "]\u200b(")


def post(message: str) -> None:
    """Send the message; raise PostError without the URL, which is a secret."""
    url = secrets.get_secret_value(SecretId=os.environ["WEBHOOK_SECRET"])["SecretString"].strip()
    if not url.startswith("https://"):
        raise PostError(f"the secret {os.environ['WEBHOOK_SECRET']} is not an https:// URL: store the webhook's URL")
    body = json.dumps({"text": message}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310 (https only)
    try:
        with opener.open(request, timeout=10):
            return
    except urllib.error.HTTPError as error:
        why = f"HTTP {error.code}"
    except (OSError, ValueError, http.client.HTTPException) as error:
        why = type(getattr(error, "reason", error)).__name__
    raise PostError(f"the chat did not accept the message: {why}")


def is_posted(event_id: str) -> bool:
    """Whether an earlier invocation posted this event."""
    found = dynamodb.get_item(TableName=os.environ["POSTED"], Key={"id": {"S": event_id}}, ConsistentRead=True)
    return "Item" in found


def remember(event_id: str) -> None:
    """Store the id until SNS no longer repeats the event."""
    expires = str(int(time.time()) + REMEMBER_SECONDS)
    dynamodb.put_item(TableName=os.environ["POSTED"], Item={"id": {"S": event_id}, "expires": {"N": expires}})
