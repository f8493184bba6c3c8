"""Normalize an agent document: its known keys, the values that each accepts, and alternative spellings."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from pydantic import ValidationError

from evercert.cli.infisical_agent.durations import interval, span
from evercert.cli.source import WrittenInt
from evercert.documents.document import NOT_A_BOOLEAN, NOT_TEXT, Path, Problem
from evercert.documents.secret_reference import Reference
from evercert.schema import NO_KEY, is_key, nearest, printable
from evercert.timestamps import to_text

Shape = str | dict[str, Any] | list[Any]
HOOKS = ("on-issuance", "on-renewal", "on-failure")
REFERENCE = "aws-secret: evercert/credentials/NAME"
OUTPUTS = ("certificate", "private-key", "chain")

_HOOK: Shape = {"command": "text", "timeout": "count"}
_OUTPUT: dict[str, Shape] = {"path": "text", "permission": "mode"}
CERTIFICATE: dict[str, Shape] = {
    "name": "text",
    "project-slug": "text",
    "application-name": "text",
    "profile-name": "text",
    "certificate-id": "text",
    "csr": "text",
    "csr-path": "text",
    "attributes": {
        "common-name": "text",
        "alt-names": "words",
        "ttl": "span",
        "key-algorithm": "text",
        "signature-algorithm": "text",
        "key-usages": "words",
        "extended-key-usages": "words",
        "not-before": "moment",
        "not-after": "moment",
        "remove-roots-from-chain": "flag",
        "destination-path": "text",
    },
    "lifecycle": {
        "renew-before-expiry": "span",
        "status-check-interval": "interval",
        "failure-retry-interval": "interval",
        "max-failure-retries": "count",
        "replace-on-renewals": "flag",
    },
    "post-hooks": dict.fromkeys(HOOKS, _HOOK),
    "file-output": {
        "certificate": _OUTPUT,
        "private-key": _OUTPUT,
        "chain": {**_OUTPUT, "omit-root": "flag"},
    },
}
DOCUMENT: dict[str, Shape] = {
    "version": "text",
    "infisical": {
        "address": "text",
        "ca-bundle": "text",
        "exit-after-auth": "flag",
        "revoke-credentials-on-shutdown": "flag",
        "retry-strategy": {"max-retries": "count", "base-delay": "delay", "max-delay": "delay"},
    },
    "auth": {
        "type": "text",
        "config": {
            "client-id": "credential",
            "client-secret": "credential",
            "remove-client-secret-on-read": "flag",
            "identity-id": "text",
            "service-account-token": "credential",
            "service-account-key": "key",
            "token": "credential",
            "username": "credential",
            "password": "credential",
        },
    },
    "sinks": "anything",
    "cache": "anything",
    "templates": "anything",
    "certificates": [CERTIFICATE],
}
# The agent's documentation and its program spell this key differently.
_ALIASES = {"service-account-token-path": "service-account-token"}
_KINDS: Mapping[str, tuple[type | tuple[type, ...], str]] = {
    "text": (str, NOT_TEXT),
    "words": (list, "write a list"),
    "count": (int, "write a whole number"),
    "flag": (bool, "write true or false"),
    "mode": ((str, int), "write the octal digits of a file mode in quotes, such as '0600'"),
    "moment": ((str, date), "write a timestamp, such as 2027-01-31T00:00:00Z"),
    "span": (str, "not a duration: a whole number and a unit, such as 90d or 1h30m"),
    "interval": (str, "not a duration: a whole number and a unit, such as 90d or 1h30m"),
    "delay": (str, "not a delay: a whole number and ms, s, m, h, d or w, such as 200ms"),
    "credential": ((str, dict), "write text, the path of a file, or aws-secret: evercert/credentials/NAME"),
    "key": ((str, dict), "write the key, the path of a file, or aws-secret: evercert/credentials/NAME"),
    "anything": (object, ""),
}
_DELAY = re.compile(r"[0-9]{1,9}(?:ms|[smhdw])")
_LARGEST_MODE = 0o7777


@dataclass
class Form:
    """Build a clean copy of a document: known keys in one spelling, no empty values, no values of a wrong type.

    `places` maps each path of the copy to its path in the document.
    """

    problems: list[Problem] = field(default_factory=list)
    notes: list[Problem] = field(default_factory=list)
    places: dict[Path, Path] = field(default_factory=dict)

    def read(self, value: object, shape: Shape, path: Path = (), place: Path = ()) -> Any:  # noqa: ANN401
        """Return the clean value; None if it is empty (as for the agent) or of a wrong type, which adds a problem."""
        self.places[path] = place
        if value is None or (isinstance(value, (str, list, dict)) and not value):
            return None
        if isinstance(shape, dict):
            return self._mapping(value, shape, path, place)
        if isinstance(shape, list):
            if not isinstance(value, list):
                return self._refuse(place, "write a list")
            # Keep None, so that the indexes of the copy match the document.
            return [self.read(item, shape[0], (*path, n), (*place, n)) for n, item in enumerate(value)]
        return self._value(value, shape, path, place)

    def _mapping(self, value: object, shape: dict[str, Any], path: Path, place: Path) -> Any:  # noqa: ANN401
        if not isinstance(value, dict):
            return self._refuse(place, "write a mapping")
        found: dict[str, Any] = {}
        for written, part in value.items():
            key, here = self._key(written, shape), (*place, str(written))
            if key is None and place[:1] == ("auth",) and not is_key(written):
                self.problems.append(Problem(here, f"{place[-1]}: {NO_KEY}"))
            elif key is None:
                hint = nearest(str(written).replace("_", "-"), shape)
                self.problems.append(Problem(here, f"unknown key {printable(str(written), 60)!r}{hint}"))
            elif (*path, key) in self.places:
                self.problems.append(Problem(here, f"{written}: duplicate key {key!r}, written in two spellings"))
            else:
                if str(written) in _ALIASES:
                    self.notes.append(Problem(here, f"{written} is read as {key}, as by the agent's program"))
                clean = self.read(part, shape[key], (*path, key), here)
                if clean is not None:
                    found[key] = clean
        return found or None

    @staticmethod
    def _key(written: object, shape: Mapping[str, Any]) -> str | None:
        if not isinstance(written, str):
            return None
        key = written.replace("_", "-")
        return next((known for known in (key, _ALIASES.get(key, "")) if known in shape), None)

    def _value(self, value: object, kind: str, path: Path, place: Path) -> Any:  # noqa: ANN401
        wanted, rule = _KINDS[kind]
        if not isinstance(value, wanted) or (isinstance(value, bool) and kind in ("count", "mode")):
            return self._refuse(place, NOT_A_BOOLEAN if kind == "text" and isinstance(value, bool) else rule)
        if isinstance(value, list) and kind == "words":
            indexed = [(number, word) for number, word in enumerate(value) if word not in (None, "")]
            words = [self.read(word, "text", (*path, n), (*place, at)) for n, (at, word) in enumerate(indexed)]
            return [word for word in words if word is not None] or None
        try:
            return _READERS[kind](value) if kind in _READERS else value
        except ValueError as error:
            return self._refuse(place, str(error))

    def _refuse(self, place: Path, rule: str) -> None:
        """Add a problem without quoting the value, which may be a credential; readers quote values that cannot be."""
        number = place[-1] if place and isinstance(place[-1], int) else None
        name = next((part for part in reversed(place) if isinstance(part, str)), "document")
        self.problems.append(Problem(place, f"{name}{'' if number is None else f'[{number}]'}: {rule}"))


def _credential(value: object) -> object:
    """Validate a reference; quote nothing, not even a key, because it may be a misplaced secret."""
    if isinstance(value, dict):
        try:
            Reference.model_validate(value)
        except ValidationError:
            raise ValueError(f"write {REFERENCE} or aws-parameter: /evercert/credentials/NAME") from None
    return value


def _key(value: object) -> object:
    """Accept a service account key as a mapping: JSON without quotes is YAML."""
    return value if isinstance(value, dict) and "private_key" in value else _credential(value)


def _moment(value: str | date) -> str:
    """Return a timestamp as it is stored, also for dates that YAML has parsed; UTC by default, as on the server."""
    try:
        found = datetime.fromisoformat(value if isinstance(value, str) else value.isoformat())
        return to_text(found if found.tzinfo else found.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        raise ValueError(
            f"{printable(str(value), 40)!r} is not a timestamp; write one such as 2027-01-31T00:00:00Z"
        ) from None


def _delay(value: str) -> str:
    if not _DELAY.fullmatch(value) or not int(re.sub("[a-z]", "", value)):
        raise ValueError(
            f"{printable(value, 20)!r} is not a delay: a whole number and ms, s, m, h, d or w, such as 200ms"
        )
    return value


def _count(value: int) -> int:
    if value < 0:
        raise ValueError("must be 0 or more")
    return value


def _mode(value: object) -> str:
    """Return the digits as written: YAML parses 0640 as an octal number, and 640 as a decimal one."""
    text = value.written if isinstance(value, WrittenInt) else f"{value:04o}" if isinstance(value, int) else str(value)
    digits = text.removeprefix("0o")
    if not digits or set(digits) - set("01234567") or int(digits, 8) > _LARGEST_MODE:
        raise ValueError(f"{printable(text, 20)!r} is not a file mode; write octal digits in quotes, such as '0600'")
    return text


_READERS: Mapping[str, Callable[[Any], object]] = {
    "moment": _moment,
    "delay": _delay,
    "count": _count,
    "mode": _mode,
    "span": span,
    "interval": interval,
    "credential": _credential,
    "key": _key,
}
