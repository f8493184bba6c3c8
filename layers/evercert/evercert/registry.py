"""Registries of issuer and destination types; a type's module is imported at first use."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from evercert.canonical_json import digest
from evercert.errors import Misconfigured
from evercert.schema import first_problem, nearest


class Component(BaseModel):
    """An opaque issuer or destination definition: a type and its settings."""

    model_config = ConfigDict(frozen=True, extra="allow", defer_build=True)

    type: Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,40}$")]

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of the type, with the keys as the document spells them."""
        return dict(self.model_extra or {})

    @property
    def key(self) -> str:
        """A stable key, derived from type and settings and independent of the position in the document."""
        return f"{self.type}-{digest(self.settings)[:16]}"


class Registry:
    """Map types to `"module:Class"`; each class has a `Settings` model, its first constructor argument."""

    def __init__(self, what: str, entries: Mapping[str, str]) -> None:
        self.what = what
        self.entries = entries

    def load(self, kind: str) -> Any:  # noqa: ANN401 (a class with a Settings model)
        """Import and return the class; raise Misconfigured with the nearest known type if there is none."""
        if kind not in self.entries:
            raise Misconfigured(f"there is no {self.what} type {kind!r}{nearest(kind, self.entries)}")
        module, _, name = self.entries[kind].partition(":")
        return getattr(sys.modules.get(module), name, None) or getattr(import_module(module), name)

    def settings(self, component: Component, **context: str) -> Any:  # noqa: ANN401
        """Validate and return the component's settings; raise Misconfigured if they are invalid."""
        try:
            return self.load(component.type).Settings.model_validate(component.settings, context=context)
        except ValidationError as error:
            raise Misconfigured(f"{self.what} of type {component.type}: {first_problem(error)}") from error

    def identity_hash(self, component: Component) -> str:
        """Return a hash of the settings that identify an issuer, without time limits; raise Misconfigured."""
        settings = self.settings(component)
        return digest(self.load(component.type).identity(settings))
