"""Kinds of issuers and destinations by name, loaded only when one is used."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from evercert.canonical_json import digest
from evercert.errors import Misconfigured

if TYPE_CHECKING:
    from evercert.component import Component


class Register:
    """`"module:Class"` by type; each class has a `Settings` model, and takes it as its first argument."""

    def __init__(self, what: str, entries: Mapping[str, str]) -> None:
        self.what = what
        self.entries = entries

    def load(self, kind: str) -> Any:  # noqa: ANN401 (a class with a Settings model)
        """The class; raises Misconfigured with the nearest known type."""
        if kind not in self.entries:
            raise Misconfigured(f"there is no {self.what} type {kind!r}{nearest(kind, self.entries)}")
        module, _, name = self.entries[kind].partition(":")
        return getattr(import_module(module), name)

    def settings(self, component: Component, **context: str) -> Any:  # noqa: ANN401
        """The checked settings; raises Misconfigured."""
        try:
            return self.load(component.type).Settings.model_validate(component.settings, context=context)
        except ValidationError as error:
            raise Misconfigured(f"{self.what} of type {component.type}: {first_problem(error)}") from error

    def identity_hash(self, component: Component) -> str:
        """What tells one issuer from another; time limits are not in it. Raises Misconfigured."""
        settings = self.settings(component)
        return digest(self.load(component.type).identity(settings))


def nearest(word: str, known: Mapping[str, Any] | list[str]) -> str:
    """`; did you mean …?`, or what is known, for the end of a message."""
    import difflib  # noqa: PLC0415 (5 ms of every cold start, for a mistake that is rare)

    close = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else f" (known: {', '.join(sorted(known))})"


def first_problem(error: ValidationError) -> str:
    """One line for the first thing that is wrong, with its place. Never the input: it may be a secret.

    Rules of our own may quote what they refuse; a setting that is a secret has none but pydantic's.
    """
    problem = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in problem["loc"])
    return f"{place}: {problem['msg']}" if place else str(problem["msg"])
