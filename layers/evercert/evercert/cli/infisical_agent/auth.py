"""The login of an agent document: its settings as an issuer has them, and credentials that are to be kept apart."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evercert.canonical_json import canonical_json, digest
from evercert.cli.infisical_agent import auth_values as given
from evercert.cli.infisical_agent.auth_values import CONFIG, Given
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
# Logins whose proof the host makes, by the key that takes its place here.
_FROM_THE_HOST = {
    "kubernetes": ("service-account-token", "the token file of a pod"),
    "azure": ("token", "the metadata server of a virtual machine"),
    "gcp-id-token": ("token", "the metadata server of a virtual machine"),
}
_OF_A_KEY = ("client_email", "private_key_id", "private_key")


@dataclass(frozen=True)
class Login:
    """`auth` of an issuer; None: something is missing, and was told."""

    settings: dict[str, Any] | None
    credential: Credential | None = None


class Auth:
    """Reads one `auth` section; what it lacks goes to `gathered`."""

    def __init__(self, config: Mapping[str, Any], address: str, gathered: Gathered) -> None:
        self._config = config
        self._address = address
        self._gathered = gathered
        self._value = Given(config, gathered).value

    def read(self, written: str) -> Login:
        """The login of that type."""
        kind = ALIASES.get(written, written)
        if kind not in LOGINS.entries:
            known = ", ".join(LOGINS.entries)
            self._problem(f"there is no login {printable(written, 60)!r}; write one of {known}", "auth", "type")
            return Login(None)
        if written != kind:
            self._note(f"{written} is {kind} to the agent's program; read as that", "auth", "type")
        for key in sorted(self._config.keys() - _USED[kind]):
            self._note(f"{key} means nothing to {kind}, and is not used", *CONFIG, key)
        if self._config.get("remove-client-secret-on-read") and kind == "universal-auth":
            self._note("evercert deletes no file; delete the client secret's yourself", *CONFIG)
        login = self._universal() if kind == "universal-auth" else self._of_identity(kind)
        organization = self._gathered.host.environment.get(ORGANIZATION)
        if login.settings is not None and organization:
            self._note(f"organization is taken from {ORGANIZATION}", "auth")
            login.settings["organization"] = organization
        return login

    def _universal(self) -> Login:
        client, secret = (
            self._value("client-id", given.CLIENT_ID),
            self._value("client-secret", given.CLIENT_SECRET),
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

    def _of_identity(self, kind: str) -> Login:
        """Read whole, so that everything that is missing is told at once."""
        identity = self._value("identity-id", given.IDENTITY)
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
                    f"{kind} takes its proof from {source}, which no function has; "
                    f"keep it in a secret that somebody refreshes: {key}: {{aws-secret: evercert/credentials/…}}",
                    *CONFIG,
                    key,
                )
                return {key: None}
            return {key: value}
        if kind == "gcp-iam":
            return {"service-account-key": self._value("service-account-key", given.KEY_FILE)}
        if kind == "ldap-auth":
            return {
                "username": self._value("username", given.USERNAME),
                "password": self._value("password", given.PASSWORD),
            }
        return {}

    def _service_account_key(self, written: str | dict[str, Any]) -> dict[str, Any] | None:
        """As JSON, or as a mapping of the document; what its login would need is looked for before it is stored."""
        try:
            key = json.loads(written if isinstance(written, str) else canonical_json(written))
        except (ValueError, TypeError, RecursionError):
            key = None
        if not isinstance(key, dict) or not all(isinstance(key.get(part), str) for part in _OF_A_KEY):
            self._problem(
                "service-account-key: no key of a service account is given (JSON with client_email, private_key_id and "
                "private_key)",
                *CONFIG,
                "service-account-key",
            )
            return None
        return key

    def _credential(self, kind: str, whose: object, parts: Mapping[str, Any]) -> Credential:
        name = f"{PREFIX}{digest([self._address, kind, whose])[:12]}"
        return Credential(name, {"address": self._address, **parts})

    def _problem(self, message: str, *path: str) -> None:
        self._gathered.problems.append(Problem(path, message))

    def _note(self, message: str, *path: str) -> None:
        self._gathered.notes.append(Problem(path, message))
