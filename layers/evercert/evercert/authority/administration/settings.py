"""Settings of the administration function, from environment variables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from evercert.environment import Variables


@dataclass(frozen=True)
class AdministrationSettings:
    """Settings of the administration function."""

    data_stack: str  # in ids
    configuration: str  # name of the configuration table
    table: str  # name of the state table, which has the access tokens
    audit: str  # name of the table of the audit trail
    address: str  # origin for clients, such as https://ca.example.com

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        """Read the environment; raise Misconfigured for the first missing variable."""
        variables = Variables(environment)
        return cls(
            data_stack=variables.data_stack(),
            configuration=variables.text("AUTHORITY_CONFIGURATION"),
            table=variables.text("AUTHORITY_TABLE"),
            audit=variables.text("AUDIT_TABLE"),
            address=variables.text("AUTHORITY_ADDRESS").rstrip("/"),
        )
