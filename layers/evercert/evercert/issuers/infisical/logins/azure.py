"""An access token of a managed identity, for the resource that the server is set to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evercert.documents.secret_reference import Reference
from evercert.issuers.infisical.logins.jwt import fresh
from evercert.issuers.infisical.logins.login import IdentitySettings, Proof, proof

if TYPE_CHECKING:
    from evercert.issuers.infisical.logins.login import LoginContext


class Azure:
    """A function has no metadata server of Azure: something there stores a fresh token for it."""

    class Settings(IdentitySettings):
        """For `https://management.azure.com/` unless the identity says otherwise; they live for about a day."""

        token: Reference

    def __init__(self, settings: Settings, outside: LoginContext) -> None:
        self._settings = settings
        self._outside = outside

    def proof(self, address: str) -> Proof:
        """The token as it is now."""
        jwt = fresh(self._outside, self._settings.token, "token", address)
        return proof("/v1/auth/azure-auth/login", self._settings, jwt=jwt)
