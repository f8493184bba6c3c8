"""The state of a certificate, as a host may read it: without the revision in progress and without keys."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class DeliveredSecret:
    """A secret that holds a revision: its ARN and the version of its value."""

    location: str
    version: str
    revision: int


@dataclass(frozen=True)
class StackFailure:
    """The last failure of the stack for this certificate."""

    kind: str
    message: str
    at: datetime | None


@dataclass(frozen=True)
class CertificateStatus:
    """The state of one certificate; `secrets` lists the secrets that hold it, `revoked`: by its issuer."""

    uid: str
    state: str
    revision: int
    secrets: tuple[DeliveredSecret, ...] = ()
    failure: StackFailure | None = None
    revoked: bool = False
