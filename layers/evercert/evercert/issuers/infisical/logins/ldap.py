"""Login with user name and password of an LDAP directory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evercert.documents.secret_reference import Reference
from evercert.issuers.infisical.logins.login import IdentitySettings, Proof, TextOrReference, proof, text

if TYPE_CHECKING:
    from evercert.issuers.infisical.logins.login import LoginContext


class LDAPAuth:
    """Login `ldap-auth`; the password is always a reference to a credential."""

    class Settings(IdentitySettings):
        """`username`: the name itself, or a reference to a credential."""

        username: TextOrReference
        password: Reference

    def __init__(self, settings: Settings, context: LoginContext) -> None:
        self._settings = settings
        self._context = context

    def proof(self, address: str) -> Proof:
        """Read user name and password and return the login request."""
        return proof(
            "/v1/auth/ldap-auth/login",
            self._settings,
            username=text(self._context, self._settings.username, "username", address),
            password=text(self._context, self._settings.password, "password", address),
        )
