"""Run the reload document on the hosts of a certificate after evercert has stored a new one.

A repeated event runs the document again, which changes nothing: the hosts install the current version once.
"""

from __future__ import annotations

import json
import os
from typing import Any

import boto3
from botocore.config import Config

TYPES = {"certificate.issued", "certificate.renewed", "certificate.delivered", "certificate.rolled-back"}
ssm = boto3.client("ssm", config=Config(connect_timeout=3, read_timeout=10, retries={"total_max_attempts": 2}))


def handler(invocation: dict[str, Any], _context: object) -> None:
    """Process the event of SNS; after an error, Lambda tries twice again and then uses the dead-letter queue."""
    for record in invocation["Records"]:
        reload_hosts(read(record["Sns"]["Message"]))


def read(message: str) -> dict[str, Any]:
    """Return the event; raise ValueError if it is not one of this certificate."""
    event = json.loads(message)
    kind, name = event.get("type"), event.get("data", {}).get("name")
    if kind not in TYPES or name != os.environ["CERTIFICATE"]:
        raise ValueError(f"unexpected event {kind} of {name}: correct the filter policy of the subscription")
    return event


def reload_hosts(event: dict[str, Any]) -> None:
    """Send the command to all hosts with the certificate's tag, a quarter of them at a time; log its id."""
    certificate, revision = event["data"]["name"], event["data"]["revision"]
    command = ssm.send_command(
        DocumentName=os.environ["DOCUMENT"],
        Targets=[{"Key": "tag:evercert-certificate", "Values": [certificate]}],
        Comment=f"evercert: {certificate} revision {revision}"[:100],
        TimeoutSeconds=600,
        MaxConcurrency="25%",
        MaxErrors="0",  # stop after the first host that fails
    )["Command"]
    print(json.dumps({"command": command["CommandId"], "event": event["id"], "revision": revision}))
