"""A process that dies before or after one of its calls to the outside, once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.doubles.world import Killed


@dataclass
class Life:
    """Counts calls; dies at the moment `dies_at`: each call has one before it takes effect, and one after."""

    dies_at: int
    moments: int = 0
    died_in: list[str] = field(default_factory=list)

    def reach(self, place: str) -> None:
        self.moments += 1
        if self.moments == self.dies_at:
            self.died_in.append(place)
            raise Killed


class Mortal:
    """A port whose calls count; its other attributes are those of the inner object."""

    def __init__(self, inner: Any, life: Life) -> None:
        self._inner, self._life = inner, life

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if not callable(found):
            return found
        place = f"{type(self._inner).__name__}.{name}"

        def call(*given: Any, **named: Any) -> Any:
            self._life.reach(f"before {place}")
            result = found(*given, **named)
            self._life.reach(f"after {place}")
            return result

        return call
