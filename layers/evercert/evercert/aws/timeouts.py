"""Time limits of AWS calls."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from botocore import __version__ as VERSION  # noqa: N812
from botocore.config import Config

# The functions' operations of these services send parameters in the body; only Lambda has one in the URL, the name of
# our own function. S3 and Route 53 are not among them: a request for an object without a name is one for its bucket.
LEAN_SERVICES = {"acm", "acm-pca", "dynamodb", "kms", "lambda", "secretsmanager", "sns", "sqs", "ssm", "sts"}
_LEAN: Any = {"parameter_validation": False, "user_agent": f"Botocore/{VERSION}"}


@dataclass(frozen=True)
class Limits:
    """Time limits of one call, in seconds: of each attempt, and of the pauses between attempts.

    `early`: a connection that fails within this time gets one more attempt, even if `attempts` is 1. `lean`: with
    `LEAN_SERVICES`, botocore does not check parameters, sends a fixed user agent, and resolves the endpoint once.
    Together this saves an eighth of the processor time of a renewal. The tests check the parameters.
    """

    connect: int
    read: int
    attempts: int
    backoff: int
    early: int = 0
    lean: bool = False

    @property
    def call(self) -> timedelta:
        """Return the longest duration of a call with all attempts."""
        return timedelta(seconds=self.early + self.attempts * (self.connect + self.read) + self.backoff)

    @property
    def once(self) -> Limits:
        """Return the limits of a call that creates something at each attempt: one attempt, with the time of all."""
        return replace(self, read=self.attempts * self.read, attempts=1, backoff=0)

    @property
    def config(self) -> Config:
        """Return the configuration for botocore."""
        return Config(
            connect_timeout=self.connect,
            read_timeout=self.read,
            retries={"total_max_attempts": self.attempts, "mode": "standard"},
            user_agent_extra="evercert",
            **(_LEAN if self.lean else {}),
        )


USUAL = Limits(connect=1, read=4, attempts=3, backoff=3)
UNATTENDED = replace(USUAL, lean=True)  # for functions that no client waits for
WAITED_FOR = Limits(connect=1, read=2, attempts=2, backoff=1, lean=True)  # for calls that a client waits for
LISTENING = Limits(connect=2, read=25, attempts=1, backoff=0)  # for long polls of a queue
# The signer's own time limit, and its cold start. One attempt: two do not fit, and the client retries. A connection
# that is refused or closed at once costs no time, so the order, which is idempotent, is sent again.
SIGNER = Limits(connect=1, read=18, attempts=1, backoff=0, early=2, lean=True)
