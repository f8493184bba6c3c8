"""Settings of the authority function, from environment variables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from evercert.environment import LOCAL_ISSUERS, Variables


@dataclass(frozen=True)
class AuthoritySettings:
    """Settings of the authority function."""

    data_stack: str  # in encryption contexts and ids
    configuration: str  # name of the configuration table
    table: str  # name of the state table
    audit: str  # name of the table of the issuance trail
    bucket: str  # of CRLs and CA certificates
    seal_key: str
    signer: str  # function name
    address: str  # origin for clients, such as https://ca.example.com
    sts_regions: tuple[str, ...]
    validations: str  # URL of the validator's queue
    queue: str  # URL of the issuer's queue
    local_issuers: bool = False  # whether issuers of tokens may be on loopback, for development

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        """Read the environment; raise Misconfigured for the first missing variable."""
        variables = Variables(environment)
        regions = variables.text("STS_REGIONS").split(",")
        return cls(
            data_stack=variables.data_stack(),
            configuration=variables.text("AUTHORITY_CONFIGURATION"),
            table=variables.text("AUTHORITY_TABLE"),
            audit=variables.text("AUDIT_TABLE"),
            bucket=variables.text("AUTHORITY_BUCKET"),
            seal_key=variables.text("AUTHORITY_SEAL_KEY"),
            signer=variables.text("SIGNER_FUNCTION"),
            address=variables.text("AUTHORITY_ADDRESS").rstrip("/"),
            sts_regions=tuple(region.strip() for region in regions if region.strip()),
            validations=variables.text("VALIDATION_QUEUE"),
            queue=variables.text("QUEUE_URL"),
            local_issuers=environment.get(LOCAL_ISSUERS) == "1",
        )
