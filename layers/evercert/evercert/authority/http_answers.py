"""Answers of the authority's function over HTTP, and their log lines."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Answer:
    """An HTTP response; `kind` is its content type."""

    status: int
    kind: str
    body: str | bytes
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def for_gateway(self) -> dict[str, Any]:
        """Return the response for API Gateway (payload 2.0), which decodes a body of bytes from base64."""
        encoded = isinstance(self.body, bytes)
        body = base64.b64encode(self.body).decode() if isinstance(self.body, bytes) else self.body
        headers = {"Content-Type": self.kind, **self.headers}
        return {"statusCode": self.status, "headers": headers, "body": body, "isBase64Encoded": encoded}


@dataclass
class CallLog:
    """Log line of a call; never contains a body, a token or a header."""

    method: str
    route: str
    outcome: str = "answered"
    status: int = 200
    facts: dict[str, str] = field(default_factory=dict)

    @property
    def line(self) -> dict[str, Any]:
        """Return the fields of the log line."""
        return {
            "outcome": self.outcome,
            "method": self.method,
            "route": self.route,
            "status": self.status,
            **self.facts,
        }
