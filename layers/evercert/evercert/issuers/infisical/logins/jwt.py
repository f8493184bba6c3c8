"""JSON web tokens that somebody else made and keeps fresh (RFC 7519)."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from evercert.errors import Misconfigured
from evercert.issuers.infisical.logins.login import text
from evercert.timestamps import to_text

if TYPE_CHECKING:
    from evercert.documents.secret_reference import Reference
    from evercert.issuers.infisical.logins.login import LoginContext

LONGEST = 8_192  # what servers take


def fresh(outside: LoginContext, reference: Reference, key: str, address: str, *, audience: str | None = None) -> str:
    """The token, read anew; raises Misconfigured if it is none, is for others, or if nobody has refreshed it in time.

    Its signature is for the server to verify; we have no keys to do it with.
    """
    token = text(outside, reference, key, address)
    expires, audiences = _read(token, reference)
    if expires is not None and expires <= outside.clock():
        raise Misconfigured(
            f"{reference}: the token expired at {to_text(expires)}; whatever refreshes it has to store a new one"
        )
    if audience is not None and audience not in audiences:
        raise Misconfigured(f"{reference}: the token is not for {audience}; it has to be made with that audience")
    return token


def _read(token: str, reference: Reference) -> tuple[datetime | None, list[Any]]:
    """When it ends, and whom it is for."""
    try:
        claims = _claims(token)
        expires, audience = claims.get("exp"), claims.get("aud")
        return (
            None if expires is None else datetime.fromtimestamp(int(expires), UTC),
            audience if isinstance(audience, list) else [audience],
        )
    except (ValueError, TypeError, AttributeError, OverflowError, OSError, RecursionError):
        raise Misconfigured(f"{reference} holds no JSON web token of at most {LONGEST} characters") from None


def _claims(token: str) -> Any:  # noqa: ANN401 (whatever its middle part holds)
    if len(token) > LONGEST:
        raise ValueError
    _, payload, _ = token.split(".")
    return json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
