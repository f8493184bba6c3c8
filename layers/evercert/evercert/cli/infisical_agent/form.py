"""Normalize an agent document: its known keys, the values that each accepts, and alternative spellings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from evercert.cli.infisical_agent.notes import Notes
from evercert.cli.infisical_agent.shapes import Shape
from evercert.cli.infisical_agent.values import NoEffectError, convert, scalar
from evercert.documents.problem import MOST_PROBLEMS, Path, Problem
from evercert.schema import NO_KEY, is_key, suggestion

# The agent's documentation and its program spell these keys differently.
_ALIASES = {"service-account-token-path": "service-account-token"}
_CRITICAL: dict[Path, str] = {
    (): "infisical",
    ("infisical",): "address",
}  # where a credential is sent
_OF_THE_PROGRAM = {"remove-client-secret-on-read": "remove_client_secret_on_read"}


@dataclass
class Form:
    """Build a clean copy of a document: known keys in one spelling, no empty values, no values of a wrong type.

    `places` maps each path of the copy to its path in the document; all other paths are of the document. `mistyped`
    holds the keys that are left out and resemble a known key.
    """

    problems: list[Problem] = field(default_factory=list)
    notes: Notes = field(default_factory=Notes)
    mistyped: list[Problem] = field(default_factory=list)
    places: dict[Path, Path] = field(default_factory=dict)
    _unknown: int = 0

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
        return self._value(scalar(value), shape, path, place)

    def _mapping(self, value: object, shape: dict[str, Any], path: Path, place: Path) -> Any:  # noqa: ANN401
        if not isinstance(value, dict):
            return self._refuse(place, "write a mapping")
        found: dict[str, Any] = {}
        for written, key, part in self._known(value, shape, place):
            if written in _ALIASES:
                self.notes.add(f"{written} is read as {key}, as by the agent's program", *place, written)
            clean = self.read(part, shape[key], (*path, key), (*place, written))
            if clean is not None:
                found[key] = clean
        return found or None

    def _known(
        self, value: Mapping[Any, Any], shape: Mapping[str, Any], place: Path
    ) -> Iterator[tuple[str, str, object]]:
        """Yield the keys that are read (as written, and as known) with their values; report all others."""
        spellings: dict[str, list[str]] = {}
        for written in value:
            spellings.setdefault(_key(written, shape) or "", []).append(str(written))
        chosen = {key: _spelling(key, written) for key, written in spellings.items()}
        for text, part in ((str(written), part) for written, part in value.items()):
            key = _key(text, shape)
            if key is None:
                self._leave_out(text, shape, place)
            elif chosen[key] != text:
                self.notes.add(f"{text} is left out: the agent reads {chosen[key]}", *place, text)
            else:
                yield text, key, part

    def _leave_out(self, written: str, shape: Mapping[str, Any], place: Path) -> None:
        """Leave out an unknown key, as the agent does; refuse one that may contain a credential."""
        here = (*place, written)
        self._unknown += 1
        if self._unknown > MOST_PROBLEMS:
            if self._unknown == MOST_PROBLEMS + 1:
                self.problems.append(Problem(here, f"has more than {MOST_PROBLEMS} unknown keys; remove them"))
            return
        if place[:1] == ("auth",) and not is_key(written):
            self.problems.append(Problem(here, f"{place[-1]}: {NO_KEY}"))
            return
        hint = suggestion(written.replace("_", "-"), shape)
        shown = f"unknown key {written!r}" if is_key(written) else "an unknown key"  # others may hold a value
        message = f"{shown} is left out{hint}"
        if hint and (critical := _CRITICAL.get(place)) and f"'{critical}'" in hint:
            why = "without it the login would be sent to app.infisical.com"
            self.problems.append(Problem(here, f"{shown}{hint}; {why}"))
            return
        self.notes.add(message, *here)
        if hint:
            self.mistyped.append(Problem(here, message))

    def _value(self, value: object, kind: str, path: Path, place: Path) -> Any:  # noqa: ANN401
        try:
            found = convert(value, kind)
        except NoEffectError as error:
            self.notes.add(f"{place[-1]} is left out: {error}", *place)
            return None
        except ValueError as error:
            return self._refuse(place, str(error))
        if kind != "words":
            return found
        indexed = [(number, word) for number, word in enumerate(found) if word not in (None, "")]
        words = [self.read(word, "text", (*path, n), (*place, at)) for n, (at, word) in enumerate(indexed)]
        return [word for word in words if word is not None] or None

    def _refuse(self, place: Path, rule: str) -> None:
        """Add a problem without quoting the value, which may be a credential; readers quote values that cannot be."""
        number = place[-1] if place and isinstance(place[-1], int) else None
        name = next((part for part in reversed(place) if isinstance(part, str)), "document")
        self.problems.append(Problem(place, f"{name}{'' if number is None else f'[{number}]'}: {rule}"))


def _key(written: object, shape: Mapping[str, Any]) -> str | None:
    key = str(written).replace("_", "-")
    return next((known for known in (key, _ALIASES.get(key, "")) if known in shape), None)


def _spelling(key: str, written: list[str]) -> str:
    """Return the spelling that the agent's program reads, if a key is written in several."""
    first = _OF_THE_PROGRAM.get(key, key)
    return first if first in written else written[0]
