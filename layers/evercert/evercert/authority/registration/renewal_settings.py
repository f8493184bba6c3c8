"""Settings of the renewal function, from environment variables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from evercert.environment import Variables


@dataclass(frozen=True)
class RenewalFunctionSettings:
    """Settings of the renewal function."""

    data_stack: str  # in encryption contexts
    configuration: str  # name of the configuration table
    table: str  # name of the state table
    audit: str  # name of the table of the issuance trail
    seal_key: str
    signer: str  # function name
    topic: str
    queue: str  # URL of the issuer's queue
    stack_id: str  # source of events

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        """Read the environment; raise Misconfigured for the first missing variable."""
        variables = Variables(environment)
        return cls(
            data_stack=variables.data_stack(),
            configuration=variables.text("AUTHORITY_CONFIGURATION"),
            table=variables.text("AUTHORITY_TABLE"),
            audit=variables.text("AUDIT_TABLE"),
            seal_key=variables.text("AUTHORITY_SEAL_KEY"),
            signer=variables.text("SIGNER_FUNCTION"),
            topic=variables.text("TOPIC_ARN"),
            queue=variables.text("QUEUE_URL"),
            stack_id=variables.text("STACK_ID"),
        )
