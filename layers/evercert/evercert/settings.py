"""Environment variables, as one checked model per function."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from evercert.errors import Misconfigured
from evercert.register import first_problem


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True)

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        """From the environment of the function; raises Misconfigured with the variable's name."""
        try:
            return cls.model_validate(environment)
        except ValidationError as error:
            raise Misconfigured(f"the function's environment is wrong: {first_problem(error)}") from error


class CheckerSettings(_Settings):
    """What the checker needs to know."""

    table: str = Field(alias="CERTIFICATES_TABLE", min_length=1)
    queue: str = Field(alias="QUEUE_URL", min_length=1)
    stack: str = Field(alias="STACK_NAME", min_length=1)
    redispatch_seconds: int = Field(alias="REDISPATCH_SECONDS", ge=30, le=43_200)

    @property
    def redispatch(self) -> timedelta:
        """How long a nudge may take before it is sent again."""
        return timedelta(seconds=self.redispatch_seconds)


class IssuerSettings(_Settings):
    """What the issuer needs to know."""

    table: str = Field(alias="CERTIFICATES_TABLE", min_length=1)
    issuers_table: str = Field(alias="ISSUERS_TABLE", min_length=1)
    queue: str = Field(alias="QUEUE_URL", min_length=1)
    topic: str = Field(alias="TOPIC_ARN", min_length=1)
    seal_key: str = Field(alias="SEAL_KEY", min_length=1)
    stack: str = Field(alias="STACK_NAME", min_length=1)
    stack_id: str = Field(alias="STACK_ID", min_length=1)
    import_quota: int = Field(alias="ACM_IMPORT_QUOTA", default=5_000, ge=1)
    lease_seconds: int = Field(alias="LEASE_SECONDS", ge=10, le=900)

    @property
    def lease(self) -> timedelta:
        """How long one run may hold a certificate; longer than the function's time limit."""
        return timedelta(seconds=self.lease_seconds)
