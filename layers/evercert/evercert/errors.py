"""What can go wrong, sorted by what to do next.

EvercertError
├── Rejected        the spec, CSR or policy will never pass      → record, announce, stop until it is edited
├── Unavailable     throttled, timed out, 5xx                    → record, announce, come back
│   └── GaveUp      it took longer than it may                   → the same, with a new revision
├── Misconfigured   our secret, permission or setting is wrong   → record, announce, come back; an operator must act
│   └── SealBroken  a sealed private key cannot be opened        → the same, with a new revision
├── Unexpected      a bug of ours                                → record, announce, come back; a developer must act
├── ClaimLost       somebody else has taken the certificate over → stop, write nothing more
└── OutOfTime       the next call could outlive our claim        → stop, the claim's own due time brings it back
"""

from __future__ import annotations

import traceback
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

FOREIGN_TEXT_LIMIT = 500


def foreign(text: str, limit: int = FOREIGN_TEXT_LIMIT) -> str:
    """Text that somebody else wrote, made safe for a terminal, a log line and a mail.

    Control characters become spaces (they could move a cursor or forge a line), and the length is capped.
    """
    cleaned = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return cleaned if len(cleaned) <= limit else cleaned[: limit - 1] + "…"


class EvercertError(Exception):
    """Anything evercert raises on purpose."""

    kind: ClassVar[str] = "error"
    abandons: ClassVar[bool] = False  # whether the revision under way is lost with it


class Rejected(EvercertError):
    """The spec, the CSR or a policy will never pass as it stands."""

    kind = "rejected"
    abandons = True


class Unavailable(EvercertError):
    """Somebody we need did not answer, or asked us to come back; `retry_after` is their wish, if they gave one."""

    kind = "unavailable"

    def __init__(self, message: str, *, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class GaveUp(Unavailable):
    """The issuer did not finish before the deadline that it named."""

    abandons = True


class Misconfigured(EvercertError):
    """A permission, a secret or a setting of ours is wrong, and a person has to mend it."""

    kind = "misconfigured"


class SealBroken(Misconfigured):
    """What was sealed does not open, or is not what was sealed: that private key is lost."""

    abandons = True


class Unexpected(EvercertError):
    """An exception that nobody foresaw: names its type and place, never its text, which could hold a secret."""

    kind = "unexpected"

    @classmethod
    def of(cls, error: Exception) -> Unexpected:
        """The same, from the exception as it was caught."""
        frames = traceback.extract_tb(error.__traceback__)
        place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
        return cls(f"a bug in evercert: {type(error).__name__}{place}; please report it with this line")


class ClaimLost(EvercertError):
    """The certificate is no longer ours to write: another run holds it, or it was deleted."""

    kind = "claim-lost"


class OutOfTime(EvercertError):
    """The next outbound call could still be running when our claim ends, so it is not started."""

    kind = "out-of-time"
