"""The issuers of a spec: which one to ask, and when to ask the next one instead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    PassedOver,
    Rejected,
    Slowed,
    Unavailable,
    Unsuited,
)
from evercert.issuance.answer_check import UnusableChain
from evercert.scheduling.schedule import TRIES_LEFT

PATIENCE = timedelta(minutes=10)  # with a limit of the CA, before the next issuer is asked
# Until an accepted request is cancelled: if an issuer follows, and at the last one.
REQUEST_LASTS, LAST_REQUEST_LASTS = timedelta(hours=1), timedelta(days=1)
APPROVAL_LASTS = timedelta(days=30)  # until a request that waits for a person is cancelled
MOST_DOUBLINGS = 5
# Failures in a row until then: if an issuer follows, and at the last one.
FAILURES, LAST_FAILURES = 2, 6


@dataclass(frozen=True)
class RequestLasts:
    """How long one of several issuers may work on an accepted request, and how long a person may."""

    issuer: timedelta
    person: timedelta


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
                opened.append(issuers.open(name, spec.name))
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
    def several(self) -> bool:
        """Whether the spec lists more than one issuer."""
        return len(self.names) > 1

    def request_lasts(self, opened: OpenIssuer, record: Record, now: datetime) -> RequestLasts | None:
        """Return how long an accepted request may take before it is given up; None for an only issuer.

        Longer after each failure of all issuers, because another one may have given up too early; and shorter if
        little time is left until the certificate in use expires.
        """
        if not self.several:
            return None
        issuer = LAST_REQUEST_LASTS
        if self._after(opened):
            issuer = min(REQUEST_LASTS * 2 ** min(record.failures, MOST_DOUBLINGS), LAST_REQUEST_LASTS)
        person = APPROVAL_LASTS
        if record.facts is not None:
            left = max(record.facts.not_after - now, timedelta(0))
            issuer = min(issuer, max(left / TRIES_LEFT, PATIENCE))
            person = min(person, max(left / 2, PATIENCE))
        return RequestLasts(issuer, person)

    def of_certificate(self, record: Record) -> OpenIssuer | None:
        """Return the issuer of the delivered certificate; the first one if it is none of them.

        None if it may be one that cannot be opened.
        """
        found = next((one for one in self.opened if one.identity_hash == record.issuer_hash), None)
        return found if found is not None or self.problems else self.opened[0]

    def name_of_certificate(self, record: Record) -> str:
        """Return the name of the issuer of the delivered certificate, or of the one that it may be."""
        found = self.of_certificate(record)
        return found.name if found is not None else next(iter(self.problems))

    def order(self, resumed: Pending | None = None) -> tuple[OpenIssuer, ...]:
        """Return the issuers in the order to ask them: all, or that of the revision in progress and those after it.

        Those before it are asked again after all others have failed, so that each round ends with a recorded failure.
        Omits paused ones, unless all are paused.
        """
        if resumed is None:
            return tuple(self._active())
        asked = self.of_request(resumed)
        return (asked, *self._after(asked))

    def earlier(self, opened: OpenIssuer, resumed: Pending | None) -> dict[str, EvercertError]:
        """Return why the issuers before this one were passed over, as far as it happened before this run."""
        before = self.names[: self.names.index(opened.name)]
        found = {name: error for name, error in self.problems.items() if name in before}
        if resumed is not None and before and not found:
            found[before[0]] = PassedOver(f"passed over before ({resumed.gave_up or 'by an earlier run'})")
        return found

    def knows(self, pending: Pending) -> bool:
        """Whether the issuer of the revision can be opened."""
        return pending.issuer_hash in self.hashes

    def of_request(self, pending: Pending) -> OpenIssuer:
        """Return the issuer that the revision was requested from; the decision requires that there is one."""
        same = [one for one in self.opened if one.identity_hash == pending.issuer_hash]
        return next((one for one in same if one.name == pending.issuer), same[0])

    def starts_over(self, pending: Pending, now: datetime) -> bool:
        """Whether the issuers are asked from the first one on instead of resuming this request.

        That is so if its issuer is paused; an accepted request has its time before.
        """
        waiting = pending.handle is not None and pending.deadline is not None and not is_overdue(pending, now)
        return self.of_request(pending).paused and not waiting

    def asks_next(self, error: EvercertError, opened: OpenIssuer, pending: Pending | None, now: datetime) -> bool:
        """Whether the next issuer is asked after this error of `opened`; `pending` is its revision, if it has one.

        A request that it has or may have accepted is given up only after several failures in a row. A refused name
        would be refused by every issuer.
        """
        soon = isinstance(error, Slowed) and error.until <= now + PATIENCE  # an own limit of the stack, mostly
        if not self.several or soon or isinstance(error, ExpiredUnread):
            return False
        accepted = may_be_accepted(error, pending)
        match error:
            case NotYet():
                overdue = pending is not None and is_overdue(pending, now)
                return overdue or (not accepted and (isinstance(error, CircuitOpen) or error.until > now + PATIENCE))
            case Rejected():
                return isinstance(error, (Mismatch, Unsuited))
            case Unavailable() | Misconfigured():
                failures = 1 + (pending.failures or 0 if pending is not None else 0)
                repeated = failures >= (FAILURES if self._after(opened) else LAST_FAILURES)
                return not accepted or error.abandons or repeated
        return False

    def _active(self) -> list[OpenIssuer]:
        return [one for one in self.opened if not one.paused] or list(self.opened)

    def _after(self, opened: OpenIssuer) -> list[OpenIssuer]:
        place = self.names.index(opened.name)
        return [one for one in self._active() if self.names.index(one.name) > place]


def may_be_accepted(error: EvercertError, pending: Pending | None) -> bool:
    """Whether the issuer may have accepted the request; a lock or a wrong clock would meet the next issuer too."""
    unknown = isinstance(error, (AnswerLost, Busy, ClockWrong, UnusableChain))
    return unknown or (pending is not None and (pending.handle is not None or bool(pending.failures)))


def is_overdue(pending: Pending, now: datetime) -> bool:
    """Whether the time for this request is over: of the issuer to finish it, or to accept it at all."""
    return pending.deadline is not None and now >= pending.deadline


def decisive(errors: Mapping[str, EvercertError], given_up: str | None = None) -> EvercertError:
    """Return the error that sets the time of the next attempt, with the messages of all and what was given up.

    A refusal by one issuer must not stop the attempts at the others, and a limit of one must not hide the failures of
    the others: only if all are limited, this is no failure. No request of the round is resumed.
    """
    chosen = _decisive(list(errors.values()))
    found = type(chosen).__new__(type(chosen))  # with its attributes, and another message
    found.__dict__.update(vars(chosen), abandons=True)
    found.args = ("; ".join(filter(None, (describe(errors), given_up))),)
    return found


def _decisive(errors: Sequence[EvercertError]) -> EvercertError:
    limits = [error for error in errors if isinstance(error, NotYet)]
    if len(limits) == len(errors):
        return min(limits, key=lambda error: error.until)
    failures = [error for error in errors if not isinstance(error, NotYet)]
    if limits and all(isinstance(error, Rejected) for error in failures):
        return PassedOver("")
    return min(failures, key=_rank)


def _rank(error: EvercertError) -> int:
    kinds = (Unavailable, Misconfigured, PassedOver, Mismatch)
    known = kinds[2:] if isinstance(error, PassedOver) else kinds
    return next((kinds.index(kind) for kind in known if isinstance(error, kind)), len(kinds))


def describe(errors: Mapping[str, EvercertError]) -> str:
    """Return the issuers that were passed over, with the reasons."""
    return "; ".join(f"{name}: {error}" for name, error in errors.items())
