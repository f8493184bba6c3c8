"""One certificate from claim to announcement."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from evercert import conclusion
from evercert.announcing import Report, announce
from evercert.certificate import Chain
from evercert.conclusion import Attempt, Conclusion
from evercert.deadline import Clock, Deadline
from evercert.decision import Idle, Resume, Start, Wait, decide, held_until, renewal_time
from evercert.delivery import Deliveries, Result
from evercert.dispatch import Nudge, Queue
from evercert.errors import ClaimLost, EvercertError, Misconfigured, OutOfTime, Rejected, Unavailable, Unexpected
from evercert.obtaining import Obtaining
from evercert.ports import (
    Announcer,
    Destinations,
    Held,
    Inventory,
    Issuers,
    OpenIssuer,
    Seal,
    Unclaimed,
    Unreadable,
)
from evercert.record import Claim, Facts, Pending, Record

LONGEST_NUDGE = timedelta(minutes=15)


@dataclass(frozen=True)
class Ports:
    """Everything that one issuance needs from outside."""

    inventory: Inventory
    queue: Queue
    seal: Seal
    issuers: Issuers
    destinations: Destinations
    announcer: Announcer
    clock: Clock
    deadline: Deadline


@dataclass(frozen=True)
class WayOut:
    """A run that ends without an outcome: what to write, and when to come back."""

    word: str
    changes: dict[str, Any]
    due_at: datetime | None
    facts: dict[str, Any] = field(default_factory=dict)


class Issuance:
    """The use case behind one queue message; safe to run twice, at once, and after dying anywhere."""

    def __init__(self, ports: Ports, lease: timedelta) -> None:
        self._ports = ports
        self._lease = lease
        self._obtaining = Obtaining(ports.inventory, ports.seal, ports.clock)
        self._deliveries = Deliveries(ports.inventory, ports.seal, ports.destinations)

    def run(self, name: str) -> Report:
        """Takes the certificate as far as one message can; raises only what the inventory raises."""
        now = self._ports.clock()
        claim = Claim(id=str(uuid4()), until=now + self._lease)
        claimed = self._ports.inventory.claim(name, claim, now)
        if isinstance(claimed, Unclaimed):
            return Report(claimed, name)
        self._ports.deadline.begin(claim.until)
        try:
            return self._held(*claimed)
        except ClaimLost as error:
            return Report("overtaken", name, {"message": str(error)})
        except OutOfTime as error:
            return Report("out-of-time", name, {"message": str(error)})
        finally:
            self._ports.deadline.end()

    def _held(self, held: Held, found: Record | Unreadable) -> Report:
        if isinstance(found, Unreadable):
            return self._conclude(held, conclusion.unreadable(found, self._ports.clock()))
        run = _Run(self._ports, self._obtaining, self._deliveries, held, found)
        end = run.advance()
        if isinstance(end, Conclusion):
            return self._conclude(held, end)
        return self._leave(held, end)

    def _conclude(self, held: Held, end: Conclusion) -> Report:
        moved = self._ports.inventory.conclude(held, end.changes, end.due_at, end.outcome)
        due_now = moved or (end.due_at is not None and end.due_at <= end.outcome.at)
        self._come_back(held, end.outcome.at if due_now else None)
        report = {"type": end.outcome.type, "severity": end.outcome.severity, **end.outcome.data}
        problem = announce(end.outcome, self._ports.inventory, self._ports.announcer, self._ports.clock)
        return Report(end.outcome.type, held.name, report | ({} if problem is None else {"unannounced": problem}))

    def _leave(self, held: Held, end: WayOut) -> Report:
        now = self._ports.clock()
        moved = self._ports.inventory.release(held, end.changes, end.due_at, now)
        self._come_back(held, now if moved else end.due_at if end.word == "pending" else None)
        return Report(end.word, held.name, {"due_at": end.due_at, **end.facts})

    def _come_back(self, held: Held, at: datetime | None) -> None:
        """A nudge for what cannot wait for the next tick; if it is lost, the due time still holds."""
        if at is None or (delay := at - self._ports.clock()) > LONGEST_NUDGE:
            return
        try:
            self._ports.queue.send_later(Nudge(held.name), max(delay, timedelta(0)))
        except EvercertError:
            return  # stored is stored: the checker brings it back


@dataclass
class _Run:
    """One claimed certificate, and how far it has come in this run."""

    ports: Ports
    obtaining: Obtaining
    deliveries: Deliveries
    held: Held
    record: Record
    pending: Pending | None = None
    issuer_hash: str | None = None

    def advance(self) -> Conclusion | WayOut:
        """The one place that turns whatever goes wrong into an outcome."""
        self.pending = self.record.pending
        try:
            return self._steps()
        except (ClaimLost, OutOfTime):
            raise
        except EvercertError as error:
            return self._failed(error)
        except Exception as error:  # noqa: BLE001 (a bug is recorded and announced like any other failure)
            return self._failed(Unexpected.of(error))

    def _steps(self) -> Conclusion | WayOut:
        now = self.ports.clock()
        try:
            opened = self.ports.issuers.open(self.record.spec.issuer)
        except (Rejected, Unavailable, Misconfigured):
            hold = held_until(self.record, None)
            if hold is not None and now < hold:
                return WayOut("waiting", {}, hold)  # still not to be opened, and that was said already
            raise
        self.issuer_hash = opened.identity_hash
        match decide(self.record, opened.identity_hash, now):
            case Wait(until):
                return WayOut("waiting", {}, until)
            case Idle(until, given_up):
                return self._nothing_to_do(opened, until, given_up)
            case Start(reason, given_up):
                gave_up = None if given_up is None else self._give_up(given_up, opened)
                self.pending = None
                self.deliveries.check(self.record)
                self.pending = self.obtaining.begin(self.held, self.record, opened, reason, gave_up)
            case Resume(pending) if pending.chain is None:
                # Not issued yet, so what is asked for now is served by it.
                self.pending = pending.model_copy(update={"requested_at": self.record.requested_at})
            case Resume(pending):
                self.pending = pending
        return self._obtain(self.pending, opened)

    def _nothing_to_do(self, opened: OpenIssuer, until: datetime | None, given_up: Pending | None) -> WayOut:
        """Also the end of a failure whose cause was taken back, such as an edit that was reverted."""
        gave_up = None if given_up is None else self._give_up(given_up, opened)
        return self._well(until, {"gave_up": gave_up} if gave_up else {})

    def _well(self, until: datetime | None, facts: dict[str, Any] | None = None) -> WayOut:
        well = {"state": "ready", "pending": None, "failures": 0, "last_error": None, "retry_at": None}
        return WayOut("nothing-to-do", {**well, "renew_at": until}, until, facts or {})

    def _give_up(self, pending: Pending, opened: OpenIssuer) -> str:
        """A revision that some destination already holds is in use, and is never taken back."""
        if any(delivery.revision == pending.revision for delivery in self.record.deliveries.values()):
            return f"revision {pending.revision} ({pending.reason}): left, it is in use"
        return self.obtaining.give_up(pending, self._asked(pending, opened))

    def _asked(self, pending: Pending, opened: OpenIssuer) -> OpenIssuer | None:
        """The issuer that was asked for this revision, if it is still there as it was."""
        if pending.issuer_hash == opened.identity_hash:
            return opened
        try:
            former = self.ports.issuers.open(pending.issuer)
        except (Rejected, Unavailable, Misconfigured):
            return None
        return former if former.identity_hash == pending.issuer_hash else None

    def _obtain(self, pending: Pending, opened: OpenIssuer) -> Conclusion | WayOut:
        if pending.chain is None:
            pending = self.obtaining.ask(self.record, pending, opened)
            if pending.chain is None:
                return WayOut("pending", {"pending": pending, "state": "pending"}, pending.retry_at)
            self.ports.inventory.update(self.held, {"pending": pending})
            self.pending = pending
        return self._deliver(pending)

    def _deliver(self, pending: Pending) -> Conclusion | WayOut:
        result = self.deliveries.run(self.held, self.record, pending)
        attempt = self._attempt()
        if not self._is_news(result, pending):
            if result.errors:
                return conclusion.failed(attempt, conclusion.leading(result.errors), result.errors)
            return self._well(renewal_time(self.record))  # what had failed is no longer wanted
        facts = Facts.of(Chain.from_pem(pending.chain or ""), pending.revision, pending.obtained_at)
        return conclusion.delivered(attempt, facts, result.deliveries, result.errors)

    def _is_news(self, result: Result, pending: Pending) -> bool:
        """A destination took it in this run, or in one that died before it could say so."""
        facts = self.record.facts
        unsaid = facts is None or facts.revision != pending.revision
        return result.taken > 0 or (unsaid and any(d.revision == pending.revision for d in result.deliveries.values()))

    def _failed(self, error: EvercertError) -> Conclusion:
        return conclusion.failed(self._attempt(), error)

    def _attempt(self) -> Attempt:
        return Attempt(self.record, self.ports.clock(), self.pending, self.issuer_hash)
