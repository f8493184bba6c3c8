"""The issuers of a spec: which one to ask, and when to ask the next one instead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Self

from evercert.contracts.issuer import Issuers, OpenIssuer
from evercert.contracts.record import Pending, Record
from evercert.documents.spec import Spec
from evercert.errors import (
    AnswerLost,
    Busy,
    CircuitOpen,
    ClockWrong,
    EvercertError,
    ExpiredUnread,
    Misconfigured,
    Mismatch,
    NotYet,
    Rejected,
    Slowed,
    Unavailable,
    Unsuited,
)
from evercert.issuance.answer_check import UnusableChain

PATIENCE = timedelta(minutes=10)  # with a limit of the CA, before the next issuer is asked
REQUEST_LASTS = timedelta(hours=1)  # until an accepted request is cancelled, and the next issuer asked


@dataclass(frozen=True)
class Candidates:
    """The issuers of a spec in their order; `problems` has those that cannot be opened."""

    names: tuple[str, ...]
    opened: tuple[OpenIssuer, ...]
    problems: Mapping[str, EvercertError] = field(default_factory=dict)

    @classmethod
    def open(cls, issuers: Issuers, spec: Spec) -> Self:
        """Open all of them; raise the error of the first one if none opens.

        Raises Unavailable if one cannot be read now: it is unknown whether a certificate or request is of it.
        """
        opened, problems = [], dict[str, EvercertError]()
        for name in spec.issuer_names:
            try:
                opened.append(issuers.open(name))
            except (Rejected, Misconfigured) as error:
                problems[name] = error
        if not opened:
            raise next(iter(problems.values()))
        return cls(spec.issuer_names, tuple(opened), problems)

    @property
    def first_hash(self) -> str | None:
        """The identity hash of the first issuer of the spec; None if it cannot be opened."""
        return self.opened[0].identity_hash if self.opened[0].name == self.names[0] else None

    @property
    def hashes(self) -> tuple[str, ...]:
        """The identity hashes of all that can be opened."""
        return tuple(issuer.identity_hash for issuer in self.opened)

    @property
    def request_lasts(self) -> timedelta | None:
        """How long an accepted request may take before the next issuer is asked; None if there is only one."""
        return REQUEST_LASTS if len(self.names) > 1 else None

    def of_certificate(self, record: Record) -> OpenIssuer:
        """Return the issuer of the delivered certificate; the first one if it is none of them."""
        return next((one for one in self.opened if one.identity_hash == record.issuer_hash), self.opened[0])

    def order(self, resumed: Pending | None = None) -> tuple[OpenIssuer, ...]:
        """Return the issuers in the order to ask them: first the one of the revision in progress.

        Omits paused ones, unless all are paused.
        """
        active = [one for one in self.opened if not one.paused] or list(self.opened)
        if resumed is None:
            return tuple(active)
        asked = self.of_request(resumed)
        return (asked, *(one for one in active if one.name != asked.name))

    def of_request(self, pending: Pending) -> OpenIssuer:
        """Return the issuer that the revision was requested from; the decision requires that there is one."""
        same = [one for one in self.opened if one.identity_hash == pending.issuer_hash]
        return next((one for one in same if one.name == pending.issuer), same[0])

    def starts_over(self, record: Record, pending: Pending) -> bool:
        """Whether the issuers are asked from the first one on, because the last request was not accepted.

        That is so after all have failed, and if an operator paused the issuer of the request.
        """
        asked = self.of_request(pending)
        failed = record.last_error is not None and asked is not self.opened[0]
        return pending.handle is None and (failed or asked.paused)

    def asks_next(self, error: EvercertError, record: Record, pending: Pending | None, now: datetime) -> bool:
        """Whether the next issuer is asked after this error of one of them.

        A request that an issuer has or may have accepted is given up only after a second failure in a row. A refused
        name would be refused by every issuer.
        """
        if len(self.names) == 1 or isinstance(error, (Slowed, UnusableChain, ExpiredUnread)):
            return False
        # A lock or a wrong clock would meet the next issuer too.
        accepted = isinstance(error, (AnswerLost, Busy, ClockWrong)) or (
            pending is not None and pending.handle is not None
        )
        match error:
            case NotYet():
                return not accepted and (isinstance(error, CircuitOpen) or error.until > now + PATIENCE)
            case Rejected():
                return isinstance(error, (Mismatch, Unsuited))
            case Unavailable() | Misconfigured():
                return not accepted or error.abandons or record.failures > 0
        return False


def decisive(errors: Mapping[str, EvercertError]) -> EvercertError:
    """Return the error that sets the time of the next attempt, with the messages of all.

    A refusal by one issuer must not stop the attempts at the others.
    """
    chosen = min(errors.values(), key=_rank)
    found = type(chosen).__new__(type(chosen))  # with its attributes, and another message
    found.__dict__.update(vars(chosen))
    found.args = (describe(errors),)
    return found


def _rank(error: EvercertError) -> tuple[int, float]:
    kinds = (Unavailable, Misconfigured, NotYet)
    rank = next((number for number, kind in enumerate(kinds) if isinstance(error, kind)), len(kinds))
    return rank, error.until.timestamp() if isinstance(error, NotYet) else 0.0


def describe(errors: Mapping[str, EvercertError]) -> str:
    """Return the issuers that were passed over, with the reasons."""
    return "; ".join(f"{name}: {error}" for name, error in errors.items())
