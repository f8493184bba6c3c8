"""The front's environment variables, as one checked value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from evercert.environment import Variables


@dataclass(frozen=True)
class AuthoritySettings:
    """What the front needs to know."""

    stack: str
    configuration: str  # table that it reads
    table: str  # of its state
    seal_key: str
    signer: str  # function
    address: str  # the origin that clients know: https://ca.example.com
    sts_regions: tuple[str, ...]

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        """Raises Misconfigured for the first variable that is missing."""
        given = Variables(environment)
        regions = given.text("STS_REGIONS").split(",")
        return cls(
            stack=given.text("STACK_NAME"),
            configuration=given.text("AUTHORITY_CONFIGURATION"),
            table=given.text("AUTHORITY_TABLE"),
            seal_key=given.text("AUTHORITY_SEAL_KEY"),
            signer=given.text("SIGNER_FUNCTION"),
            address=given.text("AUTHORITY_ADDRESS").rstrip("/"),
            sts_regions=tuple(region.strip() for region in regions if region.strip()),
        )
