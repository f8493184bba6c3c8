"""An identity token of a Google service account, whose audience is the identity's id."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evercert.documents.secret_reference import Reference
from evercert.issuers.infisical.logins.jwt import fresh
from evercert.issuers.infisical.logins.login import IdentitySettings, Proof, proof

if TYPE_CHECKING:
    from evercert.issuers.infisical.logins.login import LoginContext


class GCPIDToken:
    """A function has no metadata server of Google: something there stores a fresh token for it."""

    class Settings(IdentitySettings):
        """Made with `format=full`; such tokens live for an hour."""

        token: Reference

    def __init__(self, settings: Settings, outside: LoginContext) -> None:
        self._settings = settings
        self._outside = outside

    def proof(self, address: str) -> Proof:
        """The token as it is now."""
        settings = self._settings
        # Infisical answers 500 to a token for another audience, which would look like an outage for ever.
        jwt = fresh(self._outside, settings.token, "token", address, audience=settings.identity_id)
        return proof("/v1/auth/gcp-auth/login", settings, jwt=jwt)
