"""Settings of the authority function, from environment variables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from evercert.environment import Variables


@dataclass(frozen=True)
class AuthoritySettings:
    """Settings of the authority function."""

    data_stack: str  # in encryption contexts and ids
    configuration: str  # name of the configuration table
    table: str  # name of the state table
    bucket: str  # of CRLs and CA certificates
    seal_key: str
    signer: str  # function name
    address: str  # origin for clients, such as https://ca.example.com
    sts_regions: tuple[str, ...]
    validations: str  # URL of the validator's queue

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        """Read the environment; raise Misconfigured for the first missing variable."""
        variables = Variables(environment)
        regions = variables.text("STS_REGIONS").split(",")
        return cls(
            data_stack=variables.data_stack(),
            configuration=variables.text("AUTHORITY_CONFIGURATION"),
            table=variables.text("AUTHORITY_TABLE"),
            bucket=variables.text("AUTHORITY_BUCKET"),
            seal_key=variables.text("AUTHORITY_SEAL_KEY"),
            signer=variables.text("SIGNER_FUNCTION"),
            address=variables.text("AUTHORITY_ADDRESS").rstrip("/"),
            sts_regions=tuple(region.strip() for region in regions if region.strip()),
            validations=variables.text("VALIDATION_QUEUE"),
        )
