"""The signer's environment variables, as one checked value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from evercert.environment import Variables


@dataclass(frozen=True)
class SignerSettings:
    """What the signer needs to know."""

    configuration: str  # table that it reads CAs from
    ledger: str  # table that it writes, and does not read
    address: str  # origin where CRLs and CA certificates are served: https://ca.example.com

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        """Raises Misconfigured for the first variable that is missing."""
        given = Variables(environment)
        return cls(
            configuration=given.text("AUTHORITY_CONFIGURATION"),
            ledger=given.text("AUTHORITY_LEDGER"),
            address=given.text("AUTHORITY_ADDRESS"),
        )
