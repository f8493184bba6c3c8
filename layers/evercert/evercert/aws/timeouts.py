"""How long calls of AWS may take."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from botocore.config import Config


@dataclass(frozen=True)
class Limits:
    """How long one call may take: seconds of each attempt, and between all of them."""

    connect: int
    read: int
    attempts: int
    backoff: int

    @property
    def call(self) -> timedelta:
        """With all its attempts."""
        return timedelta(seconds=self.attempts * (self.connect + self.read) + self.backoff)

    @property
    def config(self) -> Config:
        """For botocore."""
        return Config(
            connect_timeout=self.connect,
            read_timeout=self.read,
            retries={"total_max_attempts": self.attempts, "mode": "standard"},
            user_agent_extra="evercert",
        )


USUAL = Limits(connect=1, read=4, attempts=3, backoff=3)
WAITED_FOR = Limits(connect=1, read=2, attempts=2, backoff=1)  # where somebody waits for the answer
# The signer's own time limit, and its cold start. One attempt: whoever asked us asks again, and two do not fit.
SIGNER = Limits(connect=1, read=18, attempts=1, backoff=0)
