"""Read a value of an agent's `auth.config` from a variable, from a file, or from the document itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from evercert.cli.infisical_agent.host import Gathered
from evercert.documents.document import Path, Problem
from evercert.documents.placeholders import UNRENDERED, is_unrendered

CONFIG = ("auth", "config")
# Environment variables of the agent; each takes precedence over the document.
CLIENT_ID, CLIENT_SECRET = "INFISICAL_UNIVERSAL_AUTH_CLIENT_ID", "INFISICAL_UNIVERSAL_CLIENT_SECRET"
IDENTITY = "INFISICAL_MACHINE_IDENTITY_ID"
KEY_FILE = "INFISICAL_GCP_IAM_SERVICE_ACCOUNT_KEY_FILE_PATH"
USERNAME, PASSWORD = "INFISICAL_LDAP_USERNAME", "INFISICAL_LDAP_PASSWORD"
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
# Infisical issues 64 hexadecimal digits; paths contain an excluded character.
_CLIENT_SECRET = re.compile(r"[^\s./\\]{16,}")
# Words without a digit: a bare file name, or a sample's `your-client-secret`.
_FILE_NAME = re.compile(r"[A-Za-z]+(?:[-_][A-Za-z]+)+")
_ALMOST_UUID = re.compile(r"[0-9a-fA-F{}-]{8,}")  # a mistyped id rather than the name of a file
_IDS, _FREE = ("client-id", "identity-id"), ("username", "password")
_SECRET = ("client-secret", "password", "service-account-key")
Value = str | dict[str, Any] | None


class AuthValues:
    """The values of one `auth.config`.

    Messages quote no value, not even one that looks like a path: it may be a misplaced secret.
    """

    def __init__(self, config: Mapping[str, Any], gathered: Gathered) -> None:
        self._config = config
        self._gathered = gathered
        self._environment = gathered.host.environment
        self.files: dict[str, str] = {}  # by key, where the value is the content of a file

    def value(self, key: str, variable: str) -> Value:
        """Return text or a mapping (a reference), or None if the value is missing or invalid and was reported."""
        place = (*CONFIG, key)
        text = self._environment.get(variable)
        if text:
            self._gathered.notes.append(Problem(place, f"{key} is taken from {variable}"))
            if variable == KEY_FILE and not text.lstrip().startswith("{"):
                text = self._from_file(text, place, variable)
        else:
            written = self._config.get(key)
            if isinstance(written, dict):
                return written
            if written is None:
                self._report_absent(place, f"missing key {key!r}: add it, or set {variable}")
            text = None if written is None else self._from_document(written, place)
        return None if text is None else self._checked(key, text.strip())

    def _from_file(self, name: str, place: Path, variable: str) -> str | None:
        reported = len(self._gathered.absent)
        found = self._gathered.look(name, place, variable)
        if found is None and len(self._gathered.absent) == reported:
            self._report_absent(place, f"{variable}: no such file on this host")
        return found

    def _from_document(self, written: str, place: Path) -> str | None:
        key, reported = str(place[-1]), len(self._gathered.absent)
        is_key = key == "service-account-key" and written.lstrip().startswith("{")
        found = None if is_key else self._gathered.look(written, place, key)
        if found is not None or len(self._gathered.absent) > reported:
            if found is not None:
                self.files[key] = written
            return found
        if is_unrendered(key, written):
            self._gathered.problems.append(Problem(place, f"{key}: {UNRENDERED}"))
            return None
        if not is_key and (expected := _expected(key, written)) is not None:
            self._report_absent(place, f"{key}: the value is neither {expected} nor a file on this host")
            return None
        if key in _SECRET:
            message = f"{key} is written in the document; it is stored in a secret: refer to that secret instead"
            self._gathered.notes.append(Problem(place, message))
        return written

    def _checked(self, key: str, text: str) -> str | None:
        if is_unrendered(key, text):
            message = f"{key}: {UNRENDERED}"
        elif key in _IDS and not _UUID.fullmatch(text):
            message = f"{key}: the value is neither a UUID nor a file on this host"
        elif key != "service-account-key" and (not text.isprintable() or not text):
            message = f"{key}: the value must be a single line of text"
        else:
            return text
        self._gathered.problems.append(Problem((*CONFIG, key), message))
        return None

    def _report_absent(self, place: Path, message: str) -> None:
        """Report a value that is absent on this host; another host or environment may have it."""
        self._gathered.absent.append(Problem(place, message))


def _expected(key: str, text: str) -> str | None:
    """Return what the text should be, given that it names no file; None if it may be the value itself."""
    if key in _FREE:
        return None
    if key in _IDS:
        return None if _UUID.fullmatch(text) or _ALMOST_UUID.fullmatch(text) or "\n" in text.strip() else "a UUID"
    if key == "client-secret":
        # Several lines are reported by `_checked`.
        is_secret = _CLIENT_SECRET.fullmatch(text) is not None and not _FILE_NAME.fullmatch(text)
        return None if is_secret or "\n" in text.strip() else "a client secret"
    return "a service account key in JSON"
