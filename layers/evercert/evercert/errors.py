"""Exceptions that evercert raises, grouped by how the caller reacts.

EvercertError
├── Rejected         the spec, CSR or policy can never pass       → record, announce, stop until the spec changes
│   ├── Mismatch     the issued certificate can never be used     → revoke it; ask again ever less often
│   ├── Unsuited     this issuer never issues such certificates   → ask the next issuer of the spec, if there is one
│   └── NoRoom       the record would exceed the size of an item  → announce, rest until an operator shortens it
├── Unavailable      timed out or 5xx                             → record, announce, retry with back-off
│   ├── GaveUp       the issuer missed its own deadline           → retry with a new revision
│   │   └── ExpiredUnread  expired before it was read            → request a new one at once
│   ├── Busy         one resource is locked, the service is up    → retry; the service's breaker stays closed
│   ├── Throttled    too many requests, the service is up         → retry; all runs slow down, the breaker stays closed
│   ├── ClockWrong   AWS refuses the time of a signature          → retry; the service's breaker stays closed
│   ├── PassedOver   an earlier run passed over the issuer        → ask it again after the issuers that follow
│   ├── Gone         the destination's resource was deleted       → deliver as for the first time
│   └── AnswerLost   the request may have succeeded               → look for its result before sending it again
├── Misconfigured    a secret, permission or setting is wrong     → record, announce, retry; an operator must act
│   ├── SealBroken   a sealed private key cannot be decrypted     → retry with a new revision
│   ├── NotProven    the CA could not verify control of a name    → retry with a new revision
│   ├── QuotaExceeded  a quota of AWS is used up                 → announce it once, and again as it becomes critical
│   ├── LoginRefused the server refuses the credentials           → pause every certificate there: avoid a lockout
│   └── Looping      reissued repeatedly without a request        → stop until the spec changes or a renewal request
├── Unexpected       a bug in evercert                            → record, announce, retry; a developer must act
├── NotYet           a rate limit or an outage delays the call    → retry at the given time; not a failure
│   ├── Slowed       the service receives too many requests       → retry within a minute
│   └── CircuitOpen  the service did not answer a moment ago      → retry after the outage, or ask the next issuer
├── ClaimLost        another run took over the certificate        → stop without further writes
└── OutOfTime        the next call could outlast the claim        → stop; the claim's due time resumes the work
"""

from __future__ import annotations

import traceback
from datetime import datetime, timedelta
from pathlib import Path
from typing import ClassVar


class EvercertError(Exception):
    """Base class of every exception that evercert raises on purpose."""

    kind: ClassVar[str] = "error"
    abandons: ClassVar[bool] = False  # whether the revision in progress is lost
    stops: ClassVar[bool] = False  # whether to retry only after an edit, a renewal request or a day


class Rejected(EvercertError):
    """The spec, the CSR or a policy cannot pass without a change."""

    kind = "rejected"
    abandons = True
    stops = True


class Mismatch(Rejected):
    """The issuer's certificate does not match the request, or no peer would ever accept it."""


class Unsuited(Rejected):
    """The issuer never issues certificates of this kind; another issuer may."""


class NoRoom(Rejected):
    """The table refuses a write because the item would exceed its largest size (DynamoDB: 400 KB)."""


class Unavailable(EvercertError):
    """A service did not answer or asked to retry; `retry_after` is the delay that it named, if any.

    `outage_until`: the end of the pause of all calls to the service, which began with this error.
    """

    kind = "unavailable"
    outage_until: datetime | None = None

    def __init__(self, message: str, *, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class GaveUp(Unavailable):
    """The issuer did not finish before its own deadline."""

    abandons = True


class ExpiredUnread(GaveUp):
    """A certificate that an earlier run requested expired before this run could read it."""


class Busy(Unavailable):
    """Another writer holds one certificate, secret or item; the service itself is available."""


class Throttled(Unavailable):
    """A service refused a request because it gets too many; the service itself is available."""


class ClockWrong(Unavailable):
    """The clock of this machine differs from that of AWS: the service itself is available."""


class PassedOver(Unavailable):
    """An earlier run passed over an issuer in favor of the one that failed now."""


class Gone(Unavailable):
    """The destination's resource for this certificate was deleted."""


class AnswerLost(Unavailable):
    """A request that must not be repeated may have succeeded: its response was lost."""


class Misconfigured(EvercertError):
    """A permission, a secret or a setting is wrong, and an operator has to fix it."""

    kind = "misconfigured"


class SealBroken(Misconfigured):
    """A sealed private key cannot be decrypted or was changed: the key is lost."""

    abandons = True


class NotProven(Misconfigured):
    """A CA looked for the proof that the operator controls a name, and did not find it."""

    abandons = True


class QuotaExceeded(Misconfigured):
    """A quota of writes is used up for all certificates, perhaps for months."""


class LoginRefused(Misconfigured):
    """A server refused the credentials, and would refuse them for every other certificate."""


class Looping(Misconfigured):
    """The same certificate was reissued too often without a request."""

    stops = True


class Unexpected(EvercertError):
    """An unforeseen exception; names its type and place, never its text, which could contain a secret."""

    kind = "unexpected"

    @classmethod
    def of(cls, error: Exception) -> Unexpected:
        """Return an Unexpected for a caught exception."""
        frames = traceback.extract_tb(error.__traceback__)
        place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
        return cls(f"a bug in evercert: {type(error).__name__}{place}; please report it with this line")


class NotYet(EvercertError):
    """A rate limit or an outage delays the call until `until`; nothing was tried."""

    kind = "not-yet"

    def __init__(self, message: str, until: datetime) -> None:
        super().__init__(message)
        self.until = until


class Slowed(NotYet):
    """A service receives too many requests, so all runs slow down; the call was refused or not made."""


class CircuitOpen(NotYet):
    """A service did not answer a moment ago, so the call was not made."""


class ClaimLost(EvercertError):
    """The run no longer holds the claim: another run took it, or the record was deleted."""

    kind = "claim-lost"


class OutOfTime(EvercertError):
    """The next outbound call could outlast the claim, so it is not started."""

    kind = "out-of-time"
