"""A stand-in for AWS, as cheap as possible, so that the figures of a client are its own: DynamoDB, Secrets Manager, CloudFormation.

`python -m tests.bench.aws_stand_in PORT CERTIFICATES` answers reads of these certificates. `POST /renew` delivers the next revision of
all of them; `GET /calls` returns the number of calls by operation, and forgets them.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.doubles.host import UID, secret_value

LIFETIME = timedelta(days=1_000)
ACCOUNT, REGION = "111122223333", "eu-central-1"
STACK = f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/evercert/1"
STACKS = f"""<DescribeStacksResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"><DescribeStacksResult>
<Stacks><member><StackName>evercert</StackName><StackId>{STACK}</StackId><StackStatus>CREATE_COMPLETE</StackStatus>
<CreationTime>2026-01-15T12:00:00Z</CreationTime><Outputs><member><OutputKey>CertificatesTable</OutputKey>
<OutputValue>certificates</OutputValue></member></Outputs></member></Stacks></DescribeStacksResult></DescribeStacksResponse>"""


class StandIn(BaseHTTPRequestHandler):
    """Answers one connection."""

    protocol_version = "HTTP/1.1"
    revision = 1
    calls: Counter[str] = Counter()

    def do_POST(self) -> None:
        """Answer a call of AWS, or deliver the next revision."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        operation = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
        if self.path == "/renew":
            StandIn.revision += 1
            self._answer(b"{}")
        elif operation == "GetItem":
            self.calls["GetItem"] += 1
            self._answer(json.dumps({"Item": item(json.loads(body)["Key"]["pk"]["S"])}).encode())
        elif operation == "GetSecretValue":
            self.calls["GetSecretValue"] += 1
            asked = json.loads(body)
            found = {
                "SecretString": secret_value(self.revision, lasts=LIFETIME),
                "VersionId": asked["VersionId"],
                "Name": "x",
            }
            self._answer(json.dumps({**found, "ARN": asked["SecretId"]}).encode())
        else:
            self.calls["DescribeStacks"] += 1
            self._answer(STACKS.encode(), "text/xml")

    def do_GET(self) -> None:
        """Return the calls so far."""
        found = json.dumps(self.calls).encode()
        self.calls.clear()
        self._answer(found)

    def _answer(self, body: bytes, kind: str = "application/x-amz-json-1.0") -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Print nothing."""


def item(key: str) -> dict[str, Any]:
    """Return the attributes that a host reads."""
    revision = StandIn.revision
    name = key.removeprefix("certificate#")
    arn = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:evercert/certificates/{name}-AbCdEf"
    delivery = {"location": {"S": arn}, "version": {"S": f"{revision:032}"}, "revision": {"N": str(revision)}}
    return {
        "pk": {"S": key},
        "uid": {"S": UID},
        "state": {"S": "ready"},
        "facts": {"M": {"revision": {"N": str(revision)}}},
        "deliveries": {"M": {"a": {"M": delivery}}},
    }


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), StandIn).serve_forever()
