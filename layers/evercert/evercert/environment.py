"""Environment variables of a function, checked as they are read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from evercert.errors import Misconfigured


@dataclass(frozen=True)
class Variables:
    """The environment of one function; each method raises Misconfigured with the name of the variable."""

    environment: Mapping[str, str]

    def text(self, name: str) -> str:
        """Never empty."""
        if not (value := self.environment.get(name)):
            raise Misconfigured(f"the function's environment is wrong: {name}: it is not set, or empty")
        return value

    def number(self, name: str, least: int, most: int, default: int | None = None) -> int:
        """A whole number in this range."""
        if default is not None and name not in self.environment:
            return default
        text = self.text(name)
        if not re.fullmatch(r"[0-9]{1,9}", text) or not least <= int(text) <= most:
            raise Misconfigured(f"the function's environment is wrong: {name}: it is no number from {least} to {most}")
        return int(text)
