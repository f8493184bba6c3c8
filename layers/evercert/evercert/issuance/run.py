"""One certificate from claim to announcement."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import uuid4

from evercert.contracts.issuer import OpenIssuer, SelfIssuer
from evercert.contracts.ports import BreakerState, ClaimedRecord, Ports, Unclaimed, Unreadable
from evercert.contracts.queue import Nudge
from evercert.contracts.record import Claim, Facts, Pending, Record
from evercert.errors import (
    ClaimLost,
    EvercertError,
    Misconfigured,
    NotYet,
    OutOfTime,
    Rejected,
    Unavailable,
    Unexpected,
)
from evercert.issuance import conclusion, notices
from evercert.issuance.circuit_breaker import Breaker
from evercert.issuance.conclusion import Attempt, Conclusion, WayOut
from evercert.issuance.delivery import Deliveries, Result, next_turn
from evercert.issuance.maintenance import Maintenance, wait, well
from evercert.issuance.obtain import Obtainer
from evercert.issuance.outbox import Report, announce
from evercert.issuance.status_check import StatusCheck
from evercert.pki.certificate import Chain
from evercert.scheduling.decision import Idle, Resume, Start, Wait, decide, held_until, is_held
from evercert.scheduling.loop_guard import require_no_loop, streak
from evercert.scheduling.schedule import next_due, spread

LONGEST_NUDGE = timedelta(minutes=15)
PAUSED_LOOK = timedelta(minutes=15)


class Steps:
    """What a run is made of, put together once."""

    def __init__(self, ports: Ports) -> None:
        self.breaker = Breaker(ports.gates, ports.clock)
        self.obtaining = Obtainer(ports.inventory, ports.seal, ports.issuers, self.breaker, ports.clock)
        self.deliveries = Deliveries(
            ports.inventory, ports.seal, ports.destinations, ports.pace, self.breaker, ports.clock, ports.sleep
        )
        self.upkeep = Maintenance(StatusCheck(ports.destinations, self.breaker))


class Issuance:
    """The use case behind one queue message; safe to run twice, at once, and after dying anywhere."""

    def __init__(self, ports: Ports, lease: timedelta) -> None:
        self._ports = ports
        self._lease = lease
        self._steps = Steps(ports)

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

    def _held(self, held: ClaimedRecord, found: Record | Unreadable) -> Report:
        if isinstance(found, Unreadable):
            end = notices.unreadable(found, self._ports.clock())
        else:
            end = _Run(self._ports, self._steps, held, found).advance()
        if isinstance(end, Conclusion):
            return self._conclude(held, end)
        return self._leave(held, end)

    def _conclude(self, held: ClaimedRecord, end: Conclusion) -> Report:
        moved, outcome = self._ports.inventory.conclude(held, end.changes, end.due_at, end.outcome)
        due_now = moved or (end.due_at is not None and end.due_at <= outcome.at)
        self._come_back(held, outcome.at if due_now else end.again_at)
        report = {"type": outcome.type, "severity": outcome.severity, **outcome.data, **end.measured}
        problem = announce(outcome, self._ports.inventory, self._ports.announcer, self._ports.clock)
        return Report(outcome.type, held.name, report | ({} if problem is None else {"unannounced": problem}))

    def _leave(self, held: ClaimedRecord, end: WayOut) -> Report:
        now = self._ports.clock()
        moved = self._ports.inventory.release(held, end.changes, end.due_at, now)
        self._come_back(held, now if moved else end.again_at)
        return Report(end.word, held.name, {"due_at": end.due_at, **end.facts})

    def _come_back(self, held: ClaimedRecord, at: datetime | None) -> None:
        """A nudge for what cannot wait for the next tick; if it is lost, the due time still holds.

        One that comes too early, because no nudge can be put off for longer, sends the next one.
        """
        if at is None:
            return
        delay = min(max(at - self._ports.clock(), timedelta(0)), LONGEST_NUDGE)
        try:
            self._ports.queue.send_later(Nudge(held.name), delay)
        except EvercertError:
            return  # stored is stored: the checker brings it back


@dataclass
class _Run:
    """One claimed certificate, and how far it has come in this run."""

    ports: Ports
    steps: Steps
    held: ClaimedRecord
    record: Record
    pending: Pending | None = None
    issuer_hash: str | None = None

    def advance(self) -> Conclusion | WayOut:
        """The one place that turns whatever goes wrong into an outcome."""
        self.pending = self.record.pending
        try:
            return self._decided()
        except (ClaimLost, OutOfTime):
            raise
        except NotYet as later:
            return wait(self._attempt(), "put-off", later.until, {"message": str(later)})
        except EvercertError as error:
            return self._failed(error)
        except Exception as error:  # noqa: BLE001 (a bug is recorded and announced like any other failure)
            return self._failed(Unexpected.of(error))

    def _decided(self) -> Conclusion | WayOut:
        now = self.ports.clock()
        try:
            opened = self.ports.issuers.open(self.record.spec.issuer)
        except (Rejected, Unavailable, Misconfigured):
            hold = held_until(self.record, None, now)
            if hold is not None and now < hold:
                return wait(self._attempt(), "waiting", hold)  # still not to be opened, and that was said already
            raise
        self.issuer_hash = opened.identity_hash
        decision = decide(self.record, opened.identity_hash, now)
        if isinstance(decision, Wait):
            return self.steps.upkeep.meanwhile(self._attempt(), opened, decision.until)
        if opened.paused:
            look = now + PAUSED_LOOK - spread(self.record.uid, str(now), PAUSED_LOOK / 3)
            return wait(self._attempt(), "paused", look)
        return self._act(decision, opened, now)

    def _act(self, decision: Idle | Start | Resume, opened: OpenIssuer, now: datetime) -> Conclusion | WayOut:
        match decision:
            case Idle(None):
                return self.steps.upkeep.run(self._attempt(), opened)
            case Idle(given_up):  # also the end of a failure whose cause was taken back, such as an edit
                return well(self._attempt(), {"gave_up": self._give_up(given_up, opened, None)})
            case Start(reason, given_up):
                require_no_loop(self.record, reason, now)
                self.steps.deliveries.check(self.record, reason)
                gate = self._admitted(opened)
                gave_up = self._give_up(given_up, opened, self._watched(gate))
                self.pending = None
                with self._watched(gate):  # which kind of key to make may be the issuer's to say
                    self.pending = self.steps.obtaining.begin(self.held, self.record, opened, reason, gave_up)
                return self._obtain(self.pending, opened, gate, again=False)
            case Resume(pending, chain) if chain is not None:
                self.pending = pending
                return self._deliver(pending, chain)
            case Resume(pending):
                # Not issued yet, so what is asked for now is served by it.
                self.pending = pending.model_copy(update={"requested_at": self.record.requested_at})
                return self._obtain(self.pending, opened, self._admitted(opened), again=True)

    def _give_up(
        self, pending: Pending | None, opened: OpenIssuer, admitted: AbstractContextManager[None] | None
    ) -> str | None:
        return None if pending is None else self.steps.obtaining.give_up(self.record, pending, opened, admitted)

    def _admitted(self, opened: OpenIssuer) -> BreakerState | None:
        """Raises NotYet while the issuer is known not to answer; one that asks nobody is always there."""
        if isinstance(opened.issuer, SelfIssuer):
            return None
        service = f"issuer {self.record.spec.issuer} {opened.identity_hash[:8]}"  # an edit makes another one of it
        return self.steps.breaker.admit(service, self.record.uid)

    def _watched(self, gate: BreakerState | None) -> AbstractContextManager[None]:
        return nullcontext() if gate is None else self.steps.breaker.watch(gate)

    def _obtain(
        self, asked: Pending, opened: OpenIssuer, gate: BreakerState | None, *, again: bool
    ) -> Conclusion | WayOut:
        with self._watched(gate):
            pending, chain = self.steps.obtaining.ask(self.record, asked, opened, again=again)
        if chain is None:
            now, again_at = self.ports.clock(), pending.retry_at
            soon = again_at is not None and again_at <= now + LONGEST_NUDGE  # else the tick is exact enough
            again_at = again_at if soon else None
            if pending.waits_for is not None and pending.waits_for != asked.waits_for:
                return replace(notices.waiting(self._attempt(), pending), again_at=again_at)
            changes = {"pending": pending, "state": "pending"}
            return WayOut("pending", changes, next_due(self.record, now, pending.retry_at), again_at=again_at)
        run = streak(self.record, pending, chain, self.ports.clock())
        self.ports.inventory.update(self.held, {"pending": pending, "streak": run})
        self.pending = pending
        return self._deliver(pending, chain)

    def _deliver(self, pending: Pending, chain: Chain) -> Conclusion | WayOut:
        patient = is_held(self.record, self.issuer_hash, self.ports.clock())
        result = self.steps.deliveries.run(self.held, self.record, pending, chain, patient=patient)
        if self._is_news(result, pending):
            facts = Facts.of(chain, pending.revision, pending.obtained_at, pending.reference)
            return conclusion.delivered(self._attempt(), facts, result)
        if result.errors:
            return conclusion.failed(self._attempt(), conclusion.leading(result.errors), result)
        if (turn := next_turn(result.later)) is not None:
            waiting = wait(self._attempt(), "waiting", turn, {"message": "; ".join(map(str, result.later.values()))})
            return replace(waiting, again_at=turn)
        return well(self._attempt(), {})  # what had failed is no longer wanted

    def _is_news(self, result: Result, pending: Pending) -> bool:
        """A destination took it in this run, or in one that died before it could say so."""
        facts = self.record.facts
        unsaid = facts is None or facts.revision != pending.revision
        return result.taken > 0 or (unsaid and any(d.revision == pending.revision for d in result.deliveries.values()))

    def _failed(self, error: EvercertError) -> Conclusion:
        return conclusion.failed(self._attempt(), error)

    def _attempt(self) -> Attempt:
        return Attempt(self.record, self.ports.clock(), self.pending, self.issuer_hash)
