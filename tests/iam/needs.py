"""One permission that a call needs, and the account and region of the call."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Need:
    """An action on a resource, with the condition keys that the service supplies."""

    action: str
    resource: str
    context: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Where:
    """Partition, region and account of a call."""

    region: str
    account: str
    partition: str = "aws"

    def arn(self, service: str, rest: str) -> str:
        """Return the ARN of a resource in this account and region."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{rest}"
