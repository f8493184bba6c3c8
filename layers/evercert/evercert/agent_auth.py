"""The login of an agent document: its settings as an issuer has them, and credentials that are to be kept apart."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from evercert.agent_host import Gathered, looks_like_a_path
from evercert.canonical import digest
from evercert.document import Problem
from evercert.errors import foreign

PREFIX = "evercert/credentials/infisical-"
TYPES = ("universal-auth", "aws-iam", "kubernetes", "azure", "gcp-id-token", "gcp-iam", "ldap-auth")
ALIASES = {"kubernetes-auth": "kubernetes", "azure-auth": "azure"}
# The agent's variables; each wins over the document.
CLIENT_ID, CLIENT_SECRET = "INFISICAL_UNIVERSAL_AUTH_CLIENT_ID", "INFISICAL_UNIVERSAL_CLIENT_SECRET"
IDENTITY = "INFISICAL_MACHINE_IDENTITY_ID"
KEY_FILE = "INFISICAL_GCP_IAM_SERVICE_ACCOUNT_KEY_FILE_PATH"
USERNAME, PASSWORD = "INFISICAL_LDAP_USERNAME", "INFISICAL_LDAP_PASSWORD"
ORGANIZATION = "INFISICAL_AUTH_ORGANIZATION_SLUG"
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
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
_SECRET, _CONFIG = {"client-secret", "password", "service-account-key"}, ("auth", "config")
Value = str | dict[str, str] | None


@dataclass(frozen=True)
class Credential:
    """What is stored in the secret of that name, with the address that it is for; never printed."""

    name: str
    value: Mapping[str, Any] = field(repr=False)


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
        self._environment = gathered.host.environment

    def read(self, written: str) -> Login:
        """The login of that type."""
        kind = ALIASES.get(written, written)
        if kind not in TYPES:
            known = ", ".join(TYPES)
            self._problem(f"there is no login {foreign(written, 60)!r}; write one of {known}", "auth", "type")
            return Login(None)
        if written != kind:
            self._note(f"{written} is {kind} to the agent's program; read as that", "auth", "type")
        for key in sorted(self._config.keys() - _USED[kind]):
            self._note(f"{key} means nothing to {kind}, and is not used", *_CONFIG, key)
        if "remove-client-secret-on-read" in self._config and kind == "universal-auth":
            self._note("evercert deletes no file; delete the client secret's yourself", *_CONFIG)
        login = self._universal() if kind == "universal-auth" else self._of_identity(kind)
        organization = self._environment.get(ORGANIZATION)
        if login.settings is not None and organization:
            login.settings["organization"] = organization
        return login

    def _universal(self) -> Login:
        client, secret = self._value("client-id", CLIENT_ID), self._value("client-secret", CLIENT_SECRET)
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
        identity = self._value("identity-id", IDENTITY)
        credential, proof = None, self._proof(kind)
        if kind == "gcp-iam" and isinstance(proof["service-account-key"], str):
            key = self._service_account_key(proof["service-account-key"])
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
            if not isinstance(value, dict):
                self._problem(
                    f"{kind} takes its proof from {source}, which no function has; "
                    f"keep it in a secret that somebody refreshes: {key}: {{aws-secret: evercert/credentials/…}}",
                    *_CONFIG,
                    key,
                )
                return {key: None}
            return {key: value}
        if kind == "gcp-iam":
            return {"service-account-key": self._value("service-account-key", KEY_FILE)}
        if kind == "ldap-auth":
            return {"username": self._value("username", USERNAME), "password": self._value("password", PASSWORD)}
        return {}

    def _value(self, key: str, variable: str) -> Value:
        """From the variable, else from the file that the document names, else from the document."""
        place = (*_CONFIG, key)
        given = self._environment.get(variable) or self._config.get(key)
        if given is None:
            self._problem(f"the key {key!r} is missing; give it, or set {variable}", *place)
            return None
        if isinstance(given, dict):
            return given
        from_document = not self._environment.get(variable)
        if variable == KEY_FILE and not from_document:
            return self._gathered.file(given, place, variable)
        if from_document and not given.lstrip().startswith("{"):
            told = len(self._gathered.absent)
            found = self._gathered.look(given, place, key)
            if found is None and len(self._gathered.absent) > told:
                return None
            if found is None and looks_like_a_path(given):
                return self._gathered.file(given, place, key)
            if found is None and key in _SECRET:
                self._note(
                    f"{key} stands in the document; it is stored in a secret, and better kept there only", *place
                )
            given = found or given
        return self._fitting(key, given.strip())

    def _fitting(self, key: str, text: str) -> str | None:
        """Never quoted: people mix them up."""
        if key in ("client-id", "identity-id") and not _UUID.fullmatch(text):
            self._problem(f"{key}: what is given is neither a UUID nor a file that is here", *_CONFIG, key)
            return None
        if key != "service-account-key" and (not text.isprintable() or not text):
            self._problem(f"{key}: what is given is no single line of text", *_CONFIG, key)
            return None
        return text

    def _service_account_key(self, text: str) -> dict[str, Any] | None:
        try:
            key = json.loads(text)
        except (ValueError, RecursionError):
            key = None
        if not isinstance(key, dict) or not all(
            isinstance(key.get(part), str) for part in ("client_email", "private_key")
        ):
            self._problem(
                "service-account-key: no key of a service account is given (JSON with client_email and private_key)",
                *_CONFIG,
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
