"""Environment variables, as one checked value per function; plain, because pydantic is a fifth of a cold start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Self

from evercert.environment import Variables

LOCAL_ISSUERS = "EVERCERT_LOCAL_ISSUERS"


@dataclass(frozen=True)
class CheckerSettings:
    """What the checker needs to know."""

    table: str
    queue: str
    stack: str
    redispatch: timedelta  # how long a nudge may take before it is sent again

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        """Raises Misconfigured for the first variable that is missing or out of range."""
        given = Variables(environment)
        return cls(
            table=given.text("CERTIFICATES_TABLE"),
            queue=given.text("QUEUE_URL"),
            stack=given.text("STACK_NAME"),
            redispatch=timedelta(seconds=given.number("REDISPATCH_SECONDS", 30, 43_200)),
        )


@dataclass(frozen=True)
class IssuerSettings:
    """What the issuer needs to know."""

    table: str
    issuers_table: str
    queue: str
    topic: str
    seal_key: str
    stack: str
    stack_id: str
    import_quota: int
    hosts: str  # that issuers may be asked at, separated by commas; none: no issuer asks over the network
    local_issuers: bool  # http and loopback too: for development, and set by no template
    lease: timedelta  # how long one run may hold a certificate; longer than the function's time limit

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        """Raises Misconfigured for the first variable that is missing or out of range."""
        given = Variables(environment)
        return cls(
            table=given.text("CERTIFICATES_TABLE"),
            issuers_table=given.text("ISSUERS_TABLE"),
            queue=given.text("QUEUE_URL"),
            topic=given.text("TOPIC_ARN"),
            seal_key=given.text("SEAL_KEY"),
            stack=given.text("STACK_NAME"),
            stack_id=given.text("STACK_ID"),
            import_quota=given.number("ACM_IMPORT_QUOTA", 1, 999_999_999, default=5_000),
            hosts=environment.get("ISSUER_HOSTS", ""),
            local_issuers=environment.get(LOCAL_ISSUERS) == "1",
            lease=timedelta(seconds=given.number("LEASE_SECONDS", 10, 900)),
        )
