"""An issuer or a destination, as far as nobody but its own type has to understand it."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, StringConstraints

from evercert.canonical_json import digest


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
