"""User name and password of a directory that the server asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evercert.documents.secret_reference import Reference
from evercert.issuers.infisical.logins.login import IdentitySettings, Proof, Text, proof, text

if TYPE_CHECKING:
    from evercert.issuers.infisical.logins.login import LoginContext


class LDAPAuth:
    """The password is never in a document."""

    class Settings(IdentitySettings):
        """The name may be written down, or stand beside the password."""

        username: Text | Reference
        password: Reference

    def __init__(self, settings: Settings, outside: LoginContext) -> None:
        self._settings = settings
        self._outside = outside

    def proof(self, address: str) -> Proof:
        """Both, read anew."""
        return proof(
            "/v1/auth/ldap-auth/login",
            self._settings,
            username=text(self._outside, self._settings.username, "username", address),
            password=text(self._outside, self._settings.password, "password", address),
        )
