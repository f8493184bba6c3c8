"""What can go wrong, sorted by what to do next.

EvercertError
├── Rejected        the spec, CSR or policy will never pass      → record, announce, stop until it is edited
├── Unavailable     throttled, timed out, 5xx                    → record, announce, come back
│   ├── GaveUp      it took longer than it may                   → the same, with a new revision
│   ├── Busy        one thing there is in use; the rest answers  → the same
│   ├── Gone        what a destination held is no more           → deliver there as for the first time
│   └── AnswerLost  it may have been done, nobody said so        → look whether it was, before asking again
├── Misconfigured   our secret, permission or setting is wrong   → record, announce, come back; an operator must act
│   ├── SealBroken  a sealed private key cannot be opened        → the same, with a new revision
│   ├── LoginRefused a server does not let us in               → the same; the others there wait, or it locks us out
│   └── Looping     issued again and again without anybody asking → stop until it is edited or asked for
├── Unexpected      a bug of ours                                → record, announce, come back; a developer must act
├── NotYet          its turn comes later                         → come back then; nothing failed
├── ClaimLost       somebody else has taken the certificate over → stop, write nothing more
└── OutOfTime       the next call could outlive our claim        → stop, the claim's own due time brings it back
"""

from __future__ import annotations

import traceback
from datetime import datetime, timedelta
from pathlib import Path
from typing import ClassVar


class EvercertError(Exception):
    """Anything evercert raises on purpose."""

    kind: ClassVar[str] = "error"
    abandons: ClassVar[bool] = False  # whether the revision under way is lost with it
    stops: ClassVar[bool] = False  # whether only an edit, a request or a day makes another try worth while


class Rejected(EvercertError):
    """The spec, the CSR or a policy will never pass as it stands."""

    kind = "rejected"
    abandons = True
    stops = True


class Unavailable(EvercertError):
    """Somebody we need did not answer, or asked us to come back; `retry_after` is their wish, if they gave one."""

    kind = "unavailable"

    def __init__(self, message: str, *, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class GaveUp(Unavailable):
    """The issuer did not finish before the deadline that it named."""

    abandons = True


class Busy(Unavailable):
    """One certificate, secret or item is being written by somebody; its service answers."""


class Gone(Unavailable):
    """The place that a destination had for this certificate was deleted."""


class AnswerLost(Unavailable):
    """A server may have done what it was asked for once, and its answer did not reach us."""


class Misconfigured(EvercertError):
    """A permission, a secret or a setting of ours is wrong, and a person has to mend it."""

    kind = "misconfigured"


class SealBroken(Misconfigured):
    """What was sealed does not open, or is not what was sealed: that private key is lost."""

    abandons = True


class LoginRefused(Misconfigured):
    """A server did not believe who we are, and will not believe the next certificate either."""


class Looping(Misconfigured):
    """The same certificate was issued again and again; the next one would be one more."""

    stops = True


class Unexpected(EvercertError):
    """An exception that nobody foresaw: names its type and place, never its text, which could hold a secret."""

    kind = "unexpected"

    @classmethod
    def of(cls, error: Exception) -> Unexpected:
        """The same, from the exception as it was caught."""
        frames = traceback.extract_tb(error.__traceback__)
        place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
        return cls(f"a bug in evercert: {type(error).__name__}{place}; please report it with this line")


class NotYet(EvercertError):
    """Somebody's pace, or an outage, says when to come back; nothing was tried, and nothing failed."""

    kind = "not-yet"

    def __init__(self, message: str, until: datetime) -> None:
        super().__init__(message)
        self.until = until


class ClaimLost(EvercertError):
    """The certificate is no longer ours to write: another run holds it, or it was deleted."""

    kind = "claim-lost"


class OutOfTime(EvercertError):
    """The next outbound call could still be running when our claim ends, so it is not started."""

    kind = "out-of-time"
