"""Client secrets of identities with universal auth."""

from __future__ import annotations

import hashlib
import secrets
import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from evercert.authority.administration.bodies import read as parse
from evercert.authority.administration.changes import Changes, Plan
from evercert.authority.administration.identity_logins import managed_identity, require_universal_login
from evercert.authority.administration.login_bodies import SecretBody
from evercert.authority.api_errors import bad_request, not_found
from evercert.authority.configuration.identity import ClientSecret, Identity, UniversalLogin
from evercert.authority.contracts.management import ManagedConfiguration
from evercert.authority.registration.access import uuid_of
from evercert.timestamps import to_text

_MOST_SECRETS = 10
_SECRET_BYTES = 32


@dataclass(frozen=True)
class ClientSecrets:
    """Manage the client secrets of identities whose projects the caller manages."""

    changes: Changes

    def create(self, identity: Identity, name: str, data: object) -> dict[str, Any]:
        """Create a client secret; only this answer contains it."""
        body = parse(SecretBody, {} if data is None else data)
        text, now = secrets.token_urlsafe(_SECRET_BYTES), self.changes.clock()
        values = {
            "id": str(uuid.uuid4()),
            "digest": hashlib.sha256(text.encode()).hexdigest(),
            "created-at": now,
            "expires-at": now + timedelta(seconds=body.ttl) if body.ttl else None,
            "uses": body.num_uses_limit,
            "description": body.description,
        }
        made = ClientSecret.model_validate(values)

        def plan(configuration: ManagedConfiguration) -> Plan:
            before = managed_identity(configuration, identity, name, "edit")
            login = require_universal_login(before)
            valid = [one for one in login.secrets if one.expires_at is None or one.expires_at > now]
            if len(valid) >= _MOST_SECRETS:
                raise bad_request(f"The identity has {len(valid)} client secrets, the maximum: revoke one first")
            after = _with_secrets(before, login, (*valid, made))
            return Plan(before, after, {"clientSecret": text, "clientSecretData": _secret_body(made, login)})

        return self.changes.run(identity, plan)

    def list(self, identity: Identity, name: str) -> dict[str, Any]:
        """Return the client secrets of an identity, without the secrets."""
        login = require_universal_login(managed_identity(self.changes.open(), identity, name, "read"))
        return {"clientSecretData": [_secret_body(one, login) for one in login.secrets]}

    def read(self, identity: Identity, name: str, secret_id: str) -> dict[str, Any]:
        """Return one client secret, without the secret."""
        login = require_universal_login(managed_identity(self.changes.open(), identity, name, "read"))
        return {"clientSecretData": _secret_body(_secret(login, secret_id), login)}

    def revoke(self, identity: Identity, name: str, secret_id: str) -> dict[str, Any]:
        """Delete a client secret."""

        def plan(configuration: ManagedConfiguration) -> Plan:
            before = managed_identity(configuration, identity, name, "edit")
            login = require_universal_login(before)
            gone = _secret(login, secret_id)
            after = _with_secrets(before, login, tuple(one for one in login.secrets if one.id != gone.id))
            return Plan(before, after, {"clientSecretData": _secret_body(gone, login, revoked=True)})

        return self.changes.run(identity, plan)


def _secret(login: UniversalLogin, secret_id: str) -> ClientSecret:
    found = next((one for one in login.secrets if one.id == uuid_of(secret_id)), None)
    if found is None:
        raise not_found("Client secret not found")
    return found


def _with_secrets(identity: Identity, login: UniversalLogin, found: tuple[ClientSecret, ...]) -> Identity:
    return identity.model_copy(update={"universal": login.model_copy(update={"secrets": found})})


def _secret_body(secret: ClientSecret, login: UniversalLogin, *, revoked: bool = False) -> dict[str, Any]:
    expires = secret.expires_at
    return {
        "id": secret.id,
        "clientId": login.client_id,
        "description": secret.description,
        "clientSecretNumUsesLimit": secret.uses,
        "clientSecretTTL": 0 if expires is None else int((expires - secret.created_at).total_seconds()),
        "isClientSecretRevoked": revoked,
        "createdAt": to_text(secret.created_at),
    }
