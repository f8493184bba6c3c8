"""One value of an agent's `auth.config`: from a variable, from the file that it names, or written in place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from evercert.cli.infisical_agent.host import Gathered, looks_like_a_path
from evercert.documents.document import Path, Problem

CONFIG = ("auth", "config")
# The agent's variables; each wins over the document.
CLIENT_ID, CLIENT_SECRET = "INFISICAL_UNIVERSAL_AUTH_CLIENT_ID", "INFISICAL_UNIVERSAL_CLIENT_SECRET"
IDENTITY = "INFISICAL_MACHINE_IDENTITY_ID"
KEY_FILE = "INFISICAL_GCP_IAM_SERVICE_ACCOUNT_KEY_FILE_PATH"
USERNAME, PASSWORD = "INFISICAL_LDAP_USERNAME", "INFISICAL_LDAP_PASSWORD"
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_CLIENT_SECRET = re.compile(r"[^\s./\\]{16,}")  # Infisical's are 64 hexadecimal digits; a path has one of the others
_IDS, _FREE = ("client-id", "identity-id"), ("username", "password")
_SECRET = ("client-secret", "password", "service-account-key")
Value = str | dict[str, Any] | None


class Given:
    """Quotes nothing of what is given, not even what looks like a path: people mix keys up, and passwords look so."""

    def __init__(self, config: Mapping[str, Any], gathered: Gathered) -> None:
        self._config = config
        self._gathered = gathered
        self._environment = gathered.host.environment

    def value(self, key: str, variable: str) -> Value:
        """Text, or a mapping as it is written; None: something is wrong with it, and was told."""
        place = (*CONFIG, key)
        text = self._environment.get(variable)
        if text:
            self._gathered.notes.append(Problem(place, f"{key} is taken from {variable}"))
            if variable == KEY_FILE and not text.lstrip().startswith("{"):
                text = self._from_file(text, place, variable)
        else:
            given = self._config.get(key)
            if isinstance(given, dict):
                return given
            if given is None:
                self._lacks(place, f"the key {key!r} is missing; give it, or set {variable}")
            text = None if given is None else self._from_document(given, place)
        return None if text is None else self._fitting(key, text.strip())

    def _from_file(self, name: str, place: Path, variable: str) -> str | None:
        told = len(self._gathered.absent)
        found = self._gathered.look(name, place, variable)
        if found is None and len(self._gathered.absent) == told:
            self._lacks(place, f"{variable}: the file that it names is not here")
        return found

    def _from_document(self, given: str, place: Path) -> str | None:
        key, told = str(place[-1]), len(self._gathered.absent)
        is_key = key == "service-account-key" and given.lstrip().startswith("{")
        found = None if is_key else self._gathered.look(given, place, key)
        if found is not None or len(self._gathered.absent) > told:
            return found
        if not is_key and (what := _what_it_is_not(key, given)) is not None:
            self._lacks(place, f"{key}: what is given is neither {what} nor a file that is here")
            return None
        if key in _SECRET:
            message = f"{key} stands in the document; it is stored in a secret, and better kept there only"
            self._gathered.notes.append(Problem(place, message))
        return given

    def _fitting(self, key: str, text: str) -> str | None:
        if key in _IDS and not _UUID.fullmatch(text):
            message = f"{key}: what is given is neither a UUID nor a file that is here"
        elif key != "service-account-key" and (not text.isprintable() or not text):
            message = f"{key}: what is given is no single line of text"
        else:
            return text
        self._gathered.problems.append(Problem((*CONFIG, key), message))
        return None

    def _lacks(self, place: Path, message: str) -> None:
        """Another host, or another environment, may have it."""
        self._gathered.absent.append(Problem(place, message))


def _what_it_is_not(key: str, text: str) -> str | None:
    """For text that names no file here; None: it may be the value itself."""
    if key in _FREE:
        return None
    if key in _IDS:
        return "a UUID" if looks_like_a_path(text) else None
    if key == "client-secret":
        # A missing line break is told where lines are.
        return None if _CLIENT_SECRET.fullmatch(text) or "\n" in text.strip() else "a client secret"
    return "a service account's key as JSON"
