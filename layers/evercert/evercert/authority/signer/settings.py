"""Settings of the signer, from environment variables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from evercert.environment import Variables


@dataclass(frozen=True)
class SignerSettings:
    """Validated settings of the signer."""

    configuration: str  # table with the CAs, read only
    ledger: str  # table that it writes without read permission
    address: str  # origin where CRLs and CA certificates are served: https://ca.example.com

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        """Read the settings; raises Misconfigured for the first missing variable."""
        variables = Variables(environment)
        return cls(
            configuration=variables.text("AUTHORITY_CONFIGURATION"),
            ledger=variables.text("AUTHORITY_LEDGER"),
            address=variables.text("AUTHORITY_ADDRESS"),
        )
