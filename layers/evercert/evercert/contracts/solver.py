"""The protocols of a solver, which proves to a CA that the operator controls a name (RFC 8555 §8)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

LONGEST_LEASE = timedelta(seconds=60)


@dataclass(frozen=True)
class Challenge:
    """A challenge to solve.

    `name` is a DNS name without `*.`, or an IP address. `fields` are all members of the challenge object, for types
    that have more than a token, such as dns-persist-01. `expires`: the CA may use it until then.
    """

    certificate: str
    name: str
    wildcard: bool
    token: str
    key_authorization: str = field(repr=False)
    account: str  # its URL
    expires: datetime
    fields: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Presented:
    """The state of a presented challenge: the solver's notes, and when to look again; None if the CA may look now."""

    notes: str = ""
    look_at: datetime | None = None


class Solver(Protocol):
    """Presents challenges of one type. Each method raises Rejected, Unavailable, Misconfigured or NotYet."""

    challenge_type: str  # such as http-01

    def present(self, challenge: Challenge) -> Presented:
        """Publish the answer. Idempotent: a run that died after it presents the same challenge again."""

    def look(self, challenge: Challenge, notes: str) -> Presented:
        """Return whether the CA will find the answer; `notes` are those of the last call. Changes nothing."""

    def clean_up(self, challenge: Challenge, notes: str) -> None:
        """Remove the answer of this challenge only. Idempotent; succeeds if it is missing."""

    def check(self, name: str) -> None:
        """Raise Misconfigured if a challenge for this name cannot be presented. Changes nothing."""


class Solvers(Protocol):
    """Opens the solvers that an issuer's definition chooses."""

    def open(self, kind: str, settings: Mapping[str, Any]) -> Solver:
        """Return the solver; raise Misconfigured if the type is unknown or its settings are invalid."""


class AnswerStore(Protocol):
    """Answers of http-01 challenges, which the responder function serves.

    Methods raise Unavailable or Misconfigured.
    """

    def put(self, token: str, answer: str, expires: datetime) -> None:
        """Store the answer. Idempotent; raises Rejected if the token has another answer."""

    def delete(self, token: str, answer: str) -> None:
        """Delete this answer; succeeds if it is missing or is another one."""


@dataclass(frozen=True)
class LeasedValue:
    """A value that a run puts into a resource, and the time after which no run needs it."""

    text: str
    ends: datetime


@dataclass(frozen=True)
class Lease:
    """A lease of a resource, with the values that runs put there and have not reported as removed; at least one.

    `values` has several ends of a value if it was put there several times.
    """

    resource: str
    owner: str
    until: datetime
    values: frozenset[LeasedValue]


class Leases(Protocol):
    """Leases of resources that two runs must not change at the same time.

    Methods raise Unavailable or Misconfigured.
    """

    def take(self, lease: Lease, now: datetime) -> Lease | None:
        """Take the lease, and remember its values beside those of earlier ones; return it with all of them.

        Return None if another owner holds it. It ends at most LONGEST_LEASE ahead.
        """

    def release(self, lease: Lease, removed: Collection[LeasedValue]) -> None:
        """Release the lease, and forget removed values; succeeds if it is missing or has another owner."""


class CNAMEs(Protocol):
    """CNAME records of the DNS."""

    def target(self, name: str) -> str | None:
        """Return the target of the name's CNAME, without a final dot, or None; raise Unavailable if DNS fails."""
