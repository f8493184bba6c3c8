"""Settings of the functions, from environment variables.

Plain dataclasses: importing pydantic takes a fifth of a cold start.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Self

from evercert.environment import LOCAL_ISSUERS, Variables


@dataclass(frozen=True)
class CheckerSettings:
    """Settings of the checker function."""

    table: str
    queue: str
    stack: str
    redispatch: timedelta  # a nudge not served within this time is sent again

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        """Read the settings; raise Misconfigured for the first variable that is missing or out of range."""
        variables = Variables(environment)
        return cls(
            table=variables.text("CERTIFICATES_TABLE"),
            queue=variables.text("QUEUE_URL"),
            stack=variables.text("STACK_NAME"),
            redispatch=timedelta(seconds=variables.number("REDISPATCH_SECONDS", 30, 43_200)),
        )


@dataclass(frozen=True)
class IssuerSettings:
    """Settings of the issuer function."""

    table: str
    issuers_table: str
    queue: str
    topic: str
    seal_key: str
    data_stack: str  # in the encryption context of sealed keys
    stack_id: str
    import_quota: int
    hosts: str  # hosts that issuers may contact, separated by commas; empty: no network issuers
    authority_table: str  # name; empty without an authority
    audit_table: str  # name; empty without an authority
    local_issuers: bool  # allow http and loopback, for development; no template sets it
    validator: str  # function that probes servers; empty if the stack has none for probes
    consumers_table: str  # name; empty without acknowledgements
    responder: bool  # whether the stack serves answers of http-01 challenges
    lease: timedelta  # how long a run may hold a certificate; longer than the function timeout

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        """Read the settings; raise Misconfigured for the first variable that is missing or out of range."""
        variables = Variables(environment)
        return cls(
            table=variables.text("CERTIFICATES_TABLE"),
            issuers_table=variables.text("ISSUERS_TABLE"),
            queue=variables.text("QUEUE_URL"),
            topic=variables.text("TOPIC_ARN"),
            seal_key=variables.text("SEAL_KEY"),
            data_stack=variables.data_stack(),
            stack_id=variables.text("STACK_ID"),
            import_quota=variables.number("ACM_IMPORT_QUOTA", 1, 999_999_999, default=5_000),
            hosts=environment.get("ISSUER_HOSTS", ""),
            local_issuers=environment.get(LOCAL_ISSUERS) == "1",
            authority_table=environment.get("AUTHORITY_TABLE", ""),
            audit_table=environment.get("AUDIT_TABLE", ""),
            validator=environment.get("VALIDATOR_FUNCTION", ""),
            consumers_table=environment.get("CONSUMERS_TABLE", ""),
            responder=environment.get("RESPONDER") == "yes",
            lease=timedelta(seconds=variables.number("LEASE_SECONDS", 10, 900)),
        )
