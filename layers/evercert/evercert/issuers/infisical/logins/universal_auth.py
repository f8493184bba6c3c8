"""Login with the client ID and client secret of an Infisical identity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from pydantic import model_validator

from evercert.documents.secret_reference import Reference
from evercert.issuers.infisical.logins.login import LoginSettings, Proof, TextOrReference, proof, text, text_of
from evercert.schema import misplaced

if TYPE_CHECKING:
    from evercert.issuers.infisical.logins.login import LoginContext


class UniversalAuth:
    """Login `universal-auth`; the client secret is always a reference to a credential."""

    class Settings(LoginSettings):
        """`credentials`: one credential with both values; or `client-id` and `client-secret` separately."""

        client_id: TextOrReference | None = None
        client_secret: Reference | None = None
        credentials: Reference | None = None

        @model_validator(mode="after")
        def _one_way(self) -> Self:
            both = (self.client_id is not None, self.client_secret is not None)
            if (self.credentials is None) != all(both) or (self.credentials is not None and any(both)):
                raise misplaced({(): "either credentials, or both client-id and client-secret"})
            if self.credentials is not None and self.credentials.key is not None:
                raise misplaced({("credentials",): "no #key: the object has client-id and client-secret"})
            return self

    def __init__(self, settings: Settings, context: LoginContext) -> None:
        self._settings = settings
        self._context = context

    def proof(self, address: str) -> Proof:
        """Read client ID and client secret and return the login request."""
        client_id, client_secret = self._read(address)
        return proof("/v1/auth/universal-auth/login", self._settings, clientId=client_id, clientSecret=client_secret)

    def _read(self, address: str) -> tuple[str, str]:
        settings = self._settings
        if (reference := settings.credentials) is not None:
            found = self._context.credentials.read(reference, address)
            return (
                text_of(found.get("client-id"), reference, "client-id"),
                text_of(found.get("client-secret"), reference, "client-secret"),
            )
        # `_one_way` ensures that both are set without `credentials`
        return (
            text(self._context, settings.client_id or "", "client-id", address),
            text(self._context, settings.client_secret or "", "client-secret", address),
        )
