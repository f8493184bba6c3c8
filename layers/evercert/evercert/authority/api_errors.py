"""What the API refuses, in the status codes and bodies that clients of Infisical's API know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evercert.errors import EvercertError


class Refusal(EvercertError):
    """An answer that is no success; its message is shown to the client, so it holds no secret."""

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
        """The contract's error body."""
        found = {"reqId": request_id, "statusCode": self.status, "message": self.message, "error": self.error}
        return {**found, "details": list(self.details)} if self.details else found


def bad_request(message: str) -> Refusal:
    """What is asked for can never be had."""
    return Refusal(400, "BadRequest", message)


def unauthorized(message: str) -> Refusal:
    """Nobody knows who asks."""
    return Refusal(401, "Unauthorized", message)


def token_error(message: str) -> Refusal:
    """The access token is none of ours, or no longer."""
    return Refusal(403, "TokenError", message)


def permission_denied(action: str, subject: str) -> Refusal:
    """Known, and not allowed to."""
    details = [{"action": action, "subject": subject, "inverted": False, "conditions": {}}]
    return Refusal(403, "PermissionDenied", f"You are not allowed to {action} on {subject}", details=details)


def forbidden(message: str) -> Refusal:
    """It exists, and is not meant for this."""
    return Refusal(403, "ForbiddenRequestError", message)


def not_found(message: str) -> Refusal:
    """There is none, or none that the identity may know of."""
    return Refusal(404, "NotFound", message)


def too_large(message: str) -> Refusal:
    """More than anybody needs."""
    return Refusal(413, "PayloadTooLarge", message)


def invalid(issues: Sequence[tuple[Sequence[str | int], str]]) -> Refusal:
    """A body that is not what the contract says: every mistake with the path of its field."""
    found = [{"code": "custom", "path": list(path), "message": message} for path, message in issues]
    return Refusal(422, "ValidationFailure", found)
