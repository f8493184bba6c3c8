"""Settings of the report function, from environment variables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from evercert.environment import Variables


@dataclass(frozen=True)
class ReportSettings:
    """Settings of the report function."""

    table: str
    issuers_table: str
    stack: str
    region: str
    bucket: str
    key: str

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        """Read the settings; raise Misconfigured for the first variable that is missing."""
        variables = Variables(environment)
        return cls(
            table=variables.text("CERTIFICATES_TABLE"),
            issuers_table=variables.text("ISSUERS_TABLE"),
            stack=variables.text("STACK_NAME"),
            region=variables.text("AWS_REGION"),
            bucket=variables.text("REPORT_BUCKET"),
            key=variables.text("REPORT_KEY"),
        )
