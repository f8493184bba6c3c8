"""Error responses of the API, with the status codes and bodies of the Infisical API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evercert.errors import EvercertError


class Refusal(EvercertError):
    """An error response. Clients see the message, so it must not contain a secret."""

    kind = "refused"

    def __init__(
        self, status: int, error: str, message: str | Sequence[Mapping[str, Any]], *, details: Sequence[Any] = ()
    ) -> None:
        super().__init__(message if isinstance(message, str) else "; ".join(str(one.get("message")) for one in message))
        self.status = status
        self.error = error
        self.message = message
        self.details = details

    def body(self, request_id: str) -> dict[str, Any]:
        """Return the error body of the Infisical API."""
        found = {"reqId": request_id, "statusCode": self.status, "message": self.message, "error": self.error}
        return {**found, "details": list(self.details)} if self.details else found


def bad_request(message: str) -> Refusal:
    """Return a 400: the request can never succeed."""
    return Refusal(400, "BadRequest", message)


def compromised_key() -> Refusal:
    """Return a 400: the key was revoked as compromised."""
    return bad_request("the key was revoked as compromised: it cannot be certified again; generate a new key")


def unauthorized(message: str) -> Refusal:
    """Return a 401: the caller is not authenticated."""
    return Refusal(401, "Unauthorized", message)


def token_error(message: str) -> Refusal:
    """Return a 403: the access token is unknown or expired."""
    return Refusal(403, "TokenError", message)


def permission_denied(action: str, subject: str, *, hint: str = "") -> Refusal:
    """Return a 403: the identity lacks the permission."""
    details = [{"action": action, "subject": subject, "inverted": False, "conditions": {}}]
    message = f"You are not allowed to {action} on {subject}{': ' if hint else ''}{hint}"
    return Refusal(403, "PermissionDenied", message, details=details)


def forbidden(message: str) -> Refusal:
    """Return a 403: the object exists, but does not allow this operation."""
    return Refusal(403, "ForbiddenRequestError", message)


def not_found(message: str) -> Refusal:
    """Return a 404: the object is missing, or hidden from the identity."""
    return Refusal(404, "NotFound", message)


def not_implemented(message: str) -> Refusal:
    """Return a 501: the Infisical API offers this call, and this authority does not."""
    return Refusal(501, "NotImplemented", message)


def too_large(message: str) -> Refusal:
    """Return a 413: the body exceeds the limit."""
    return Refusal(413, "PayloadTooLarge", message)


def invalid(issues: Sequence[tuple[Sequence[str | int], str]]) -> Refusal:
    """Return a 422 that lists every invalid field with its path."""
    found = [{"code": "custom", "path": list(path), "message": message} for path, message in issues]
    return Refusal(422, "ValidationFailure", found)
