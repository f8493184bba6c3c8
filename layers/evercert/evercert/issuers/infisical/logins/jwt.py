"""Logins with a JSON web token (RFC 7519) that another system issues, stores as a credential and refreshes.

A Lambda function has neither a metadata server of Azure or Google nor a token file of Kubernetes.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar

from evercert.documents.secret_reference import Reference
from evercert.errors import Misconfigured
from evercert.issuers.infisical.logins.login import IdentitySettings, Proof, proof, text
from evercert.timestamps import to_text

if TYPE_CHECKING:
    from evercert.issuers.infisical.logins.login import LoginContext

MAX_CHARACTERS = 8_192  # the limit of servers


class JWTLogin:
    """A login that sends the stored token; subclasses define the endpoint and the setting with the token."""

    Settings: ClassVar[type[IdentitySettings]]
    path: ClassVar[str]
    setting: ClassVar[str] = "token"
    audience_is_identity: ClassVar[bool] = False

    def __init__(self, settings: IdentitySettings, context: LoginContext) -> None:
        self._settings = settings
        self._context = context

    def proof(self, address: str) -> Proof:
        """Read the current token and return the login request."""
        settings = self._settings
        reference = getattr(settings, self.setting.replace("-", "_"))
        audience = settings.identity_id if self.audience_is_identity else None
        token = read_token(self._context, reference, self.setting, address, audience=audience)
        return proof(self.path, settings, jwt=token)


class Azure(JWTLogin):
    """Login with an access token of a managed identity."""

    path = "/v1/auth/azure-auth/login"

    class Settings(IdentitySettings):
        """`token`: for `https://management.azure.com/` or the identity's own resource; valid for about a day."""

        token: Reference


class GCPIDToken(JWTLogin):
    """Login with an identity token of a Google service account."""

    path = "/v1/auth/gcp-auth/login"
    # Infisical answers a token with another audience with 500, which would look like an outage.
    audience_is_identity = True

    class Settings(IdentitySettings):
        """`token`: requested with `format=full` and the identity's id as its audience; valid for an hour."""

        token: Reference


class Kubernetes(JWTLogin):
    """Login with a service account's token, which the server verifies with the cluster."""

    path = "/v1/auth/kubernetes-auth/login"
    setting = "service-account-token"

    class Settings(IdentitySettings):
        """`service-account-token`: valid for about an hour."""

        service_account_token: Reference


def read_token(
    context: LoginContext, reference: Reference, key: str, address: str, *, audience: str | None = None
) -> str:
    """Read the token; raise Misconfigured if it is invalid, expired or for another audience.

    The signature is not verified: only the server has the keys for that.
    """
    token = text(context, reference, key, address)
    expires, audiences = _expiry_and_audiences(token, reference)
    if expires is not None and expires <= context.clock():
        raise Misconfigured(
            f"{reference}: the token expired at {to_text(expires)}; the system that refreshes it has to store a new one"
        )
    if audience is not None and audience not in audiences:
        raise Misconfigured(f"{reference}: the token is not for {audience}; request one with that audience")
    return token


def _expiry_and_audiences(token: str, reference: Reference) -> tuple[datetime | None, list[Any]]:
    try:
        claims = _claims(token)
        expires, audience = claims.get("exp"), claims.get("aud")
        return (
            None if expires is None else datetime.fromtimestamp(int(expires), UTC),
            audience if isinstance(audience, list) else [audience],
        )
    except (ValueError, TypeError, AttributeError, OverflowError, OSError, RecursionError):
        raise Misconfigured(
            f"invalid token in {reference}: must be a JSON web token of at most {MAX_CHARACTERS} characters"
        ) from None


def _claims(token: str) -> Any:  # noqa: ANN401 (any JSON value)
    if len(token) > MAX_CHARACTERS:
        raise ValueError
    _, payload, _ = token.split(".")
    return json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
