"""Kinds of issuers and destinations by name, loaded only when one is used."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from evercert.canonical_json import digest
from evercert.errors import Misconfigured
from evercert.schema import first_problem, nearest


class Component(BaseModel):
    """An issuer or a destination as its document names it: a type, and settings that only that type understands."""

    model_config = ConfigDict(frozen=True, extra="allow", defer_build=True)

    type: Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,40}$")]

    @property
    def settings(self) -> dict[str, Any]:
        """What only its type understands, in the spelling of the document."""
        return dict(self.model_extra or {})

    @property
    def key(self) -> str:
        """A name that stays the same while type and settings do, wherever it stands in the document."""
        return f"{self.type}-{digest(self.settings)[:16]}"


class Registry:
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
