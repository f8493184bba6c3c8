"""A service account's token, which the server shows to its cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evercert.documents.secret_reference import Reference
from evercert.issuers.infisical.logins.jwt import fresh
from evercert.issuers.infisical.logins.login import IdentitySettings, Proof, proof

if TYPE_CHECKING:
    from evercert.issuers.infisical.logins.login import LoginContext


class Kubernetes:
    """A function has no token file: something in the cluster stores a fresh token for it."""

    class Settings(IdentitySettings):
        """Tokens of a cluster live for an hour or so."""

        service_account_token: Reference

    def __init__(self, settings: Settings, outside: LoginContext) -> None:
        self._settings = settings
        self._outside = outside

    def proof(self, address: str) -> Proof:
        """The token as it is now."""
        jwt = fresh(self._outside, self._settings.service_account_token, "service-account-token", address)
        return proof("/v1/auth/kubernetes-auth/login", self._settings, jwt=jwt)
