"""Translate the `auth` section of an agent document: issuer settings, and credentials to store in a secret."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evercert.canonical_json import canonical_json, digest
from evercert.cli.infisical_agent import auth_values
from evercert.cli.infisical_agent.auth_values import CONFIG, AuthValues
from evercert.cli.infisical_agent.host import Gathered, looks_like_a_path
from evercert.documents.document import Problem
from evercert.documents.secret_reference import SECRETS, Credential, CredentialFile
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
# Logins whose proof the host provides: the key that replaces it here, its source on the host, and who stores it.
_FROM_THE_HOST = {
    "kubernetes": (
        "service-account-token",
        "the token file of a pod",
        "a CronJob of the cluster stores with `kubectl create token`, at least once an hour",
    ),
    "azure": (
        "token",
        "the metadata server of a virtual machine",
        "a job on the machine stores from its metadata server, at least once a day",
    ),
    "gcp-id-token": (
        "token",
        "the metadata server of a virtual machine",
        "a job on the machine stores from its metadata server, for the audience identity-id, at least once an hour",
    ),
}
# Names that the agent's program accepts in a document, and then cannot log in with.
_WITHOUT_LOGIN = ("oidc-auth", "jwt-auth")
_KEY_FIELDS = ("client_email", "private_key_id", "private_key")


REMOVE = "remove-client-secret-on-read"


@dataclass(frozen=True)
class Login:
    """The `auth` settings of an issuer, or None if a value is missing and was reported.

    `remove`: the file that `remove-client-secret-on-read` deletes. `stored`: the secret that an earlier `apply` wrote,
    if it deleted the file.
    """

    settings: dict[str, Any] | None
    credential: Credential | None = None
    remove: CredentialFile | None = None
    stored: str | None = None


class Auth:
    """Read one `auth` section; add its problems to `gathered`."""

    def __init__(self, config: Mapping[str, Any], address: str, gathered: Gathered) -> None:
        self._config = config
        self._address = address
        self._gathered = gathered
        self._values = AuthValues(config, gathered)
        self._value = self._values.value

    def read(self, written: str) -> Login:
        """Return the login of this type."""
        kind = ALIASES.get(written, written)
        if kind not in LOGINS.entries:
            known, more = ", ".join(LOGINS.entries), ""
            if written in _WITHOUT_LOGIN:
                more = " (the agent's program knows the name, but has no login for it)"
            why = f"unknown login type {printable(written, 60)!r}; write one of {known}{more}"
            self._problem(why, "auth", "type")
            return Login(None)
        if written != kind:
            self._note(f"{written} is read as {kind}, as by the agent's program", "auth", "type")
        for key in sorted(self._config.keys() - _USED[kind]):
            self._note(f"{key} is ignored: {kind} does not use it", *CONFIG, key)
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
        if client is None:
            return Login(None)
        if secret is None:
            return self._stored_earlier(client)
        if isinstance(secret, dict):
            return Login({"type": "universal-auth", "client-id": client, "client-secret": secret})
        parts = {"client-id": client} if isinstance(client, str) else {}
        credential = self._credential("universal-auth", client, {**parts, "client-secret": secret})
        return Login(_universal_settings(client, credential.name), credential, self._removal(secret, credential))

    def _removal(self, secret: str, credential: Credential) -> CredentialFile | None:
        """Return the file to delete after its content is stored."""
        if not self._config.get(REMOVE):
            return None
        file = self._values.files.get("client-secret")
        if file is None:
            self._note(f"{REMOVE} has no effect: the client secret is not from a file", *CONFIG, REMOVE)
            return None
        self._note(f"{REMOVE}: apply deletes the file after the client secret is stored", *CONFIG, REMOVE)
        return CredentialFile(file, secret, credential)

    def _stored_earlier(self, client: str | dict[str, Any]) -> Login:
        """Return the login with the secret of an earlier `apply`, if that deleted the file."""
        place, written = (*CONFIG, "client-secret"), self._config.get("client-secret")
        absent = self._gathered.absent
        if not (self._config.get(REMOVE) and isinstance(written, str) and looks_like_a_path(written)):
            return Login(None)
        if not any(problem.path == place and problem.message.endswith("on this host") for problem in absent):
            return Login(None)  # the file is there, but empty or unreadable
        absent[:] = [problem for problem in absent if problem.path != place]
        name = self._credential_name("universal-auth", client)
        self._note(f"client-secret: the file is gone, as {REMOVE} requests; secret {name} is used", *place)
        return Login(_universal_settings(client, name), stored=name)

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
            return self._from_the_host(kind)
        if kind == "gcp-iam":
            return {"service-account-key": self._value("service-account-key", auth_values.KEY_FILE)}
        if kind == "ldap-auth":
            return {
                "username": self._value("username", auth_values.USERNAME),
                "password": self._value("password", auth_values.PASSWORD),
            }
        return {}

    def _from_the_host(self, kind: str) -> dict[str, Any]:
        """Return the reference that replaces the proof of the host; without it only `validate` accepts the document."""
        key, source, by = _FROM_THE_HOST[kind]
        value = self._config.get(key)
        if isinstance(value, dict):
            return {key: value}
        message = (
            f"{kind} takes its proof from {source}, which a Lambda function does not have; write {key}: "
            f"{{aws-secret: evercert/credentials/NAME}}, a secret "
            f'{{"address": "{self._address}", "{key}": "…"}} that {by}'
        )
        self._gathered.absent.append(Problem((*CONFIG, key), message))
        return {key: None}

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
        return Credential(self._credential_name(kind, owner), {"address": self._address, **parts})

    def _credential_name(self, kind: str, owner: object) -> str:
        return f"{PREFIX}{digest([self._address, kind, owner])[:12]}"

    def _problem(self, message: str, *path: str) -> None:
        self._gathered.problems.append(Problem(path, message))

    def _note(self, message: str, *path: str) -> None:
        self._gathered.notes.append(Problem(path, message))


def _universal_settings(client: str | dict[str, Any], secret: str) -> dict[str, Any]:
    if isinstance(client, str):
        return {"type": "universal-auth", "credentials": {"aws-secret": secret}}
    return {"type": "universal-auth", "client-id": client, "client-secret": {"aws-secret": f"{secret}#client-secret"}}
