"""Requests for one certificate, to the issuers of its spec in turn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta

from evercert.contracts.issuer import OpenIssuer, SelfIssuer
from evercert.contracts.ports import BreakerState, ClaimedRecord, Ports
from evercert.contracts.record import Delivery, Pending, Reason, Record
from evercert.errors import EvercertError, GaveUp, Misconfigured, Mismatch, NotYet, Rejected, Unavailable
from evercert.issuance.answer_check import UnusableChain
from evercert.issuance.candidates import Candidates, decisive, describe, may_be_accepted
from evercert.issuance.delivery import LONGEST_SLEEP
from evercert.issuance.obtain import first_changes
from evercert.issuance.run_result import MESSAGE_LIMIT
from evercert.issuance.steps import Steps
from evercert.pki.certificate import Chain
from evercert.schema import printable

MOST_STEPS, STEPS_FOR = 20, timedelta(seconds=10)  # of one request in one run; each step is stored before the next


@dataclass
class RunProgress:
    """The record and the revision in progress, as this run last stored them or is about to store them."""

    held: ClaimedRecord
    record: Record
    pending: Pending | None = None
    intended: Mapping[str, Delivery] | None = None  # the deliveries that it stored with the revision


@dataclass
class IssuerRequests:
    """Asks one issuer after the other, until one accepts the request; `progress` shows each stored step."""

    ports: Ports
    steps: Steps
    progress: RunProgress
    candidates: Candidates
    _error: EvercertError | None = None  # the last one that an issuer caused

    def request(self, reason: Reason, resumed: Pending | None = None) -> tuple[Pending, Pending, Chain | None]:
        """Request a new revision, or resume one; return it as it was, as it is now, and its chain if it was issued.

        Raises the error of the only issuer, or that of several which sets the time of the next attempt.
        """
        if resumed is not None and self.candidates.starts_over(resumed, self.ports.clock()):
            resumed = None
        errors: dict[str, EvercertError] = {}
        for opened in self.candidates.order(resumed):
            errors = self.candidates.earlier(opened, resumed) | errors
            try:
                return self._request_from(opened, reason, resumed, errors)
            except EvercertError as error:
                asks_next = self._asks_next(error, opened)
                refused = error is self._error and isinstance(error, Rejected)
                if not asks_next and not (refused and errors):
                    self._count(error, opened)
                    raise
                errors[opened.name] = error
                if not asks_next:
                    break  # a refused name: those that failed before are asked again later, and no further one now
                if error.abandons:
                    self.progress.pending = None
                resumed = None
        raise decisive({**self.candidates.problems, **errors}, self._give_up(opened))

    def _request_from(
        self, opened: OpenIssuer, reason: Reason, resumed: Pending | None, errors: dict[str, EvercertError]
    ) -> tuple[Pending, Pending, Chain | None]:
        state = self._admit(opened)
        if resumed is None:
            requested = self._prepare(opened, reason, state, errors)
        else:  # not issued yet, so this revision serves the latest request
            requested = resumed.model_copy(update={"requested_at": self.progress.record.requested_at})
            self.progress.pending = requested
        try:
            pending, chain = self._ask(requested, opened, state, again=resumed is not None)
        except Exception:
            if resumed is None and isinstance(opened.issuer, SelfIssuer):
                self._store_failed(requested)
            raise
        return requested, pending, chain

    def _store_failed(self, pending: Pending) -> None:
        """Store a revision whose request failed before it was stored; the end of the run can do without."""
        with suppress(Unavailable, Misconfigured):
            self.ports.records.update(self.progress.held, first_changes(self.progress.record, pending))

    def _prepare(
        self, opened: OpenIssuer, reason: Reason, state: BreakerState | None, errors: dict[str, EvercertError]
    ) -> Pending:
        """Give up the revision in progress, if any, and begin a new one."""
        progress, superseded = self.progress, self.progress.pending
        summary = [describe(errors)] if errors else []
        if superseded is not None:
            admitted = self._watch(state)
            summary.append(self.steps.abandonment.abandon(progress.record, superseded, opened, admitted))
        progress.pending = None
        progress.pending = self.steps.obtainer.prepare(
            progress.held,
            progress.record,
            opened,
            reason,
            printable("; ".join(summary), MESSAGE_LIMIT) or None,
            watched=self._watch(state),
        )
        progress.record = progress.record.model_copy(update={"revision": progress.pending.revision})
        return progress.pending

    def _ask(
        self, pending: Pending, opened: OpenIssuer, state: BreakerState | None, *, again: bool
    ) -> tuple[Pending, Chain | None]:
        """Ask for the certificate step by step, until one step needs a pause that is too long for a run."""
        progress, last_start = self.progress, self.ports.clock() + STEPS_FOR
        lasts = self.candidates.request_lasts(opened, progress.record, self.ports.clock())
        for left in reversed(range(MOST_STEPS)):
            pending, answer = self.steps.obtainer.request(
                progress.record, pending, opened, self._watch(state), again=again, lasts=lasts
            )
            if isinstance(answer, Chain):
                return pending, answer
            if left == 0 or answer is None or answer > LONGEST_SLEEP or pending.waits_for is not None:
                break  # the end of the run stores and announces a manual step
            if self.ports.clock() + answer > last_start:
                break
            self.ports.records.update(progress.held, {"pending": pending, "state": "pending"})
            progress.pending = pending
            if state is not None and state.open_until is not None:  # the step has closed the breaker
                state = replace(state, failures=0, open_until=None)
            if answer > timedelta(0):
                self.ports.sleep(answer)
        return pending, None

    def _admit(self, opened: OpenIssuer) -> BreakerState | None:
        """Raise NotYet while the issuer's breaker is open; self-signed issuers have no breaker."""
        if isinstance(opened.issuer, SelfIssuer):
            return None
        with self._caused_by_issuer():
            return self.steps.breaker.admit(opened.service, self.progress.record.uid)

    @contextmanager
    def _watch(self, state: BreakerState | None) -> Iterator[None]:
        with self._caused_by_issuer():
            if state is None:
                yield
            else:
                with self.steps.breaker.watch(state):
                    yield

    @contextmanager
    def _caused_by_issuer(self) -> Iterator[None]:
        try:
            yield
        except EvercertError as error:
            self._error = error
            raise

    def _asks_next(self, error: EvercertError, opened: OpenIssuer) -> bool:
        if error is not self._error and not isinstance(error, (GaveUp, Mismatch, UnusableChain)):
            return False
        return self.candidates.asks_next(error, opened, self._own(opened), self.ports.clock())

    def _give_up(self, opened: OpenIssuer) -> str | None:
        """Cancel the request that an issuer of the round has accepted and that no other replaced; return a summary."""
        left = self.progress.pending
        if left is None or not (left.handle or left.failures):
            return None
        return self.steps.abandonment.abandon(self.progress.record, left, opened, None)

    def _count(self, error: EvercertError, opened: OpenIssuer) -> None:
        """Count a failure of a request that one of several issuers may have accepted; a good answer ends the count."""
        own = self._own(opened)
        if not self.candidates.several or own is None or isinstance(error, NotYet):
            return
        if error is not self._error and not isinstance(error, UnusableChain):
            return  # of another service
        if may_be_accepted(error, own):
            failed = {"failures": (own.failures or 0) + 1}
            self.progress.pending = own.model_copy(update=failed)
            if isinstance(error, UnusableChain):
                error.pending = error.pending.model_copy(update=failed)

    def _own(self, opened: OpenIssuer) -> Pending | None:
        """Return the revision in progress, if it was requested from this issuer."""
        pending = self.progress.pending
        return pending if pending is not None and pending.issuer == opened.name else None
