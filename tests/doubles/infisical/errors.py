"""Error responses of the Infisical API."""

from __future__ import annotations

import json
import uuid
from typing import Any

NAMES = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "ForbiddenRequestError",
    404: "NotFound",
    408: "RequestTimeout",
    422: "ValidationFailure",
    425: "TooEarly",
    429: "RateLimitExceeded",
    500: "InternalServerError",
    502: "BadGateway",
    503: "ServiceUnavailable",
    504: "GatewayTimeout",
}


class Refusal(Exception):
    """A 4xx or 5xx response; `message` is text, or a list of issues for 422."""

    def __init__(self, status: int, message: Any, *, error: str | None = None, details: Any = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.error = error or NAMES[status]
        self.details = details

    def body(self) -> bytes:
        said = {
            "reqId": f"req-{uuid.uuid4().hex[:14]}",
            "statusCode": self.status,
            "message": self.message,
            "error": self.error,
        }
        if self.details is not None:
            said["details"] = self.details
        return json.dumps(said).encode()


def token_error(message: str) -> Refusal:
    """Return the error of an invalid or expired access token: 403, not 401."""
    return Refusal(403, message, error="TokenError")


def denied(action: str, subject: str) -> Refusal:
    """Return the error of a missing permission."""
    rule = {"action": [action], "subject": subject, "inverted": False, "conditions": None}
    return Refusal(403, f"You are not allowed to {action} on {subject}", error="PermissionDenied", details=[rule])


def broken() -> Refusal:
    """Return the 500 of an unclassified error."""
    return Refusal(500, "Something went wrong")
