"""Start a new deployment of an ECS service after evercert has stored a new certificate.

The tasks of the new deployment read the secret when they start. A repeated event starts no second deployment.
"""

from __future__ import annotations

import json
import os
from datetime import datetime
from typing import Any

import boto3
from botocore.config import Config

TYPES = {"certificate.issued", "certificate.renewed", "certificate.delivered", "certificate.rolled-back"}
ecs = boto3.client("ecs", config=Config(connect_timeout=3, read_timeout=10, retries={"total_max_attempts": 2}))


def handler(invocation: dict[str, Any], _context: object) -> None:
    """Process the event of SNS; after an error, Lambda tries twice again and then uses the dead-letter queue."""
    for record in invocation["Records"]:
        event = read(record["Sns"]["Message"])
        redeploy(event, datetime.fromisoformat(record["Sns"]["Timestamp"]))


def read(message: str) -> dict[str, Any]:
    """Return the event; raise ValueError if it is not one of this certificate."""
    event = json.loads(message)
    kind, name = event.get("type"), event.get("data", {}).get("name")
    if kind not in TYPES or name != os.environ["CERTIFICATE"]:
        raise ValueError(f"unexpected event {kind} of {name}: correct the filter policy of the subscription")
    return event


def redeploy(event: dict[str, Any], published: datetime) -> None:
    """Start a deployment, unless the current one began after the publication, when the secret was new already."""
    cluster, service = os.environ["CLUSTER"], os.environ["SERVICE"]
    found = ecs.describe_services(cluster=cluster, services=[service])["services"]
    if not found or found[0]["status"] != "ACTIVE":
        raise LookupError(f"no active service {service} in the cluster {cluster}: correct the parameters of this stack")
    current = next(each for each in found[0]["deployments"] if each["status"] == "PRIMARY")
    started = current["createdAt"] <= published
    if started:
        answer = ecs.update_service(cluster=cluster, service=service, forceNewDeployment=True)
        current = next(each for each in answer["service"]["deployments"] if each["status"] == "PRIMARY")
    print(json.dumps({"deployment": current["id"], "started": started, "event": event["id"]}))
