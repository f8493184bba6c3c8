"""Translate the `auth` section of an agent document: issuer settings, and credentials to store in a secret."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evercert.canonical_json import canonical_json, digest
from evercert.cli.infisical_agent import auth_values
from evercert.cli.infisical_agent.auth_values import CONFIG, AuthValues
from evercert.cli.infisical_agent.host import Gathered
from evercert.documents.document import Problem
from evercert.documents.secret_reference import SECRETS, Credential
from evercert.issuers.infisical.logins import LOGINS
from evercert.schema import printable

PREFIX = f"{SECRETS}infisical-"
ALIASES = {"kubernetes-auth": "kubernetes", "azure-auth": "azure"}
ORGANIZATION = "INFISICAL_AUTH_ORGANIZATION_SLUG"
_USED: Mapping[str, set[str]] = {
    "universal-auth": {"client-id", "client-secret", "remove-client-secret-on-read"},
    "aws-iam": {"identity-id"},
    "kubernetes": {"identity-id", "service-account-token"},
    "azure": {"identity-id", "token"},
    "gcp-id-token": {"identity-id", "token"},
    "gcp-iam": {"identity-id", "service-account-key"},
    "ldap-auth": {"identity-id", "username", "password"},
}
# Logins whose proof the host provides: the key that replaces it here, and its source on the host.
_FROM_THE_HOST = {
    "kubernetes": ("service-account-token", "the token file of a pod"),
    "azure": ("token", "the metadata server of a virtual machine"),
    "gcp-id-token": ("token", "the metadata server of a virtual machine"),
}
_KEY_FIELDS = ("client_email", "private_key_id", "private_key")


@dataclass(frozen=True)
class Login:
    """The `auth` settings of an issuer, or None if a value is missing and was reported."""

    settings: dict[str, Any] | None
    credential: Credential | None = None


class Auth:
    """Read one `auth` section; add its problems to `gathered`."""

    def __init__(self, config: Mapping[str, Any], address: str, gathered: Gathered) -> None:
        self._config = config
        self._address = address
        self._gathered = gathered
        self._value = AuthValues(config, gathered).value

    def read(self, written: str) -> Login:
        """Return the login of this type."""
        kind = ALIASES.get(written, written)
        if kind not in LOGINS.entries:
            known = ", ".join(LOGINS.entries)
            self._problem(f"unknown login type {printable(written, 60)!r}; write one of {known}", "auth", "type")
            return Login(None)
        if written != kind:
            self._note(f"{written} is read as {kind}, as by the agent's program", "auth", "type")
        for key in sorted(self._config.keys() - _USED[kind]):
            self._note(f"{key} is ignored: {kind} does not use it", *CONFIG, key)
        if self._config.get("remove-client-secret-on-read") and kind == "universal-auth":
            self._note("evercert deletes no files; delete the file of the client secret yourself", *CONFIG)
        login = self._universal() if kind == "universal-auth" else self._by_identity(kind)
        organization = self._gathered.host.environment.get(ORGANIZATION)
        if login.settings is not None and organization:
            self._note(f"organization is taken from {ORGANIZATION}", "auth")
            login.settings["organization"] = organization
        return login

    def _universal(self) -> Login:
        client, secret = (
            self._value("client-id", auth_values.CLIENT_ID),
            self._value("client-secret", auth_values.CLIENT_SECRET),
        )
        if client is None or secret is None:
            return Login(None)
        if isinstance(secret, dict):
            return Login({"type": "universal-auth", "client-id": client, "client-secret": secret})
        if isinstance(client, str):
            credential = self._credential("universal-auth", client, {"client-id": client, "client-secret": secret})
            return Login({"type": "universal-auth", "credentials": {"aws-secret": credential.name}}, credential)
        credential = self._credential("universal-auth", client, {"client-secret": secret})
        reference = {"aws-secret": f"{credential.name}#client-secret"}
        return Login({"type": "universal-auth", "client-id": client, "client-secret": reference}, credential)

    def _by_identity(self, kind: str) -> Login:
        """Read all values before returning, so that everything missing is reported at once."""
        identity = self._value("identity-id", auth_values.IDENTITY)
        credential, proof = None, self._proof(kind)
        written = proof.get("service-account-key")
        if isinstance(written, str) or (written is not None and "private_key" in written):
            key = self._service_account_key(written)
            proof = {"service-account-key": None}
            if key is not None and isinstance(identity, str):
                credential = self._credential(kind, identity, {"service-account-key": key})
                proof = {"service-account-key": {"aws-secret": f"{credential.name}#service-account-key"}}
        if kind == "ldap-auth" and isinstance(proof["password"], str) and isinstance(identity, str):
            credential = self._credential(kind, identity, {"password": proof["password"]})
            proof["password"] = {"aws-secret": f"{credential.name}#password"}
        if identity is None or None in proof.values():
            return Login(None)
        return Login({"type": kind, "identity-id": identity, **proof}, credential)

    def _proof(self, kind: str) -> dict[str, Any]:
        if kind in _FROM_THE_HOST:
            key, source = _FROM_THE_HOST[kind]
            value = self._config.get(key)
            if (*CONFIG, key) in self._gathered.refused:
                return {key: None}
            if not isinstance(value, dict):
                self._problem(
                    f"{kind} takes its proof from {source}, which a Lambda function does not have; "
                    f"store it in a secret that you keep refreshed: {key}: {{aws-secret: evercert/credentials/…}}",
                    *CONFIG,
                    key,
                )
                return {key: None}
            return {key: value}
        if kind == "gcp-iam":
            return {"service-account-key": self._value("service-account-key", auth_values.KEY_FILE)}
        if kind == "ldap-auth":
            return {
                "username": self._value("username", auth_values.USERNAME),
                "password": self._value("password", auth_values.PASSWORD),
            }
        return {}

    def _service_account_key(self, written: str | dict[str, Any]) -> dict[str, Any] | None:
        """Parse a service account key (JSON or a mapping) and require the fields that the login needs."""
        try:
            key = json.loads(written if isinstance(written, str) else canonical_json(written))
        except (ValueError, TypeError, RecursionError):
            key = None
        if not isinstance(key, dict) or not all(isinstance(key.get(part), str) for part in _KEY_FIELDS):
            self._problem(
                "service-account-key: not a service account key; write JSON with client_email, private_key_id and "
                "private_key",
                *CONFIG,
                "service-account-key",
            )
            return None
        return key

    def _credential(self, kind: str, owner: object, parts: Mapping[str, Any]) -> Credential:
        name = f"{PREFIX}{digest([self._address, kind, owner])[:12]}"
        return Credential(name, {"address": self._address, **parts})

    def _problem(self, message: str, *path: str) -> None:
        self._gathered.problems.append(Problem(path, message))

    def _note(self, message: str, *path: str) -> None:
        self._gathered.notes.append(Problem(path, message))
