"""Environment variables of a Lambda function, validated when read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from evercert.errors import Misconfigured

LOCAL_ISSUERS = "EVERCERT_LOCAL_ISSUERS"  # "1" allows issuers on loopback, for development


@dataclass(frozen=True)
class Variables:
    """The environment of one Lambda function; each method raises Misconfigured with the variable's name."""

    environment: Mapping[str, str]

    def text(self, name: str) -> str:
        """Return the value of a required variable; never empty."""
        if not (value := self.environment.get(name)):
            raise Misconfigured(f"invalid environment variable {name}: not set or empty; deploy the stack again")
        return value

    def data_stack(self) -> str:
        """Return the name in encryption contexts and ids: that of the stack that created the data."""
        return self.environment.get("DATA_STACK_NAME") or self.text("STACK_NAME")

    def number(self, name: str, least: int, most: int, default: int | None = None) -> int:
        """Return a whole number in this range, or the default if the variable is not set."""
        if default is not None and name not in self.environment:
            return default
        text = self.text(name)
        if not re.fullmatch(r"[0-9]{1,9}", text) or not least <= int(text) <= most:
            raise Misconfigured(f"invalid environment variable {name}: must be a number from {least} to {most}")
        return int(text)
