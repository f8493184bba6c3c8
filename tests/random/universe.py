"""The whole loop in memory: real use cases and destinations, strict AWS doubles, messages in any order."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from evercert.aws.dynamodb import items
from evercert.aws.kms import KMSSeal
from evercert.contracts.ports import Ports
from evercert.contracts.queue import Nudge
from evercert.contracts.record import Record
from evercert.contracts.spec_store import Change
from evercert.deadline import Deadline
from evercert.destinations.context import DestinationContext, RegisteredDestinations
from evercert.documents.spec import Spec
from evercert.errors import EvercertError, Misconfigured, Unavailable
from evercert.issuance.outbox import RunReport, announce_stored
from evercert.issuance.run import Issuance
from evercert.scheduling.checker import check
from evercert.timestamps import from_text
from tests.doubles.fakes import LEASE, FakeAnnouncer, FakeBreakers, FakePace, FakeQueue, FakeTable, HandClock
from tests.doubles.revisions import FakeRevisions
from tests.doubles.strict_aws import ACCOUNT, REGION, StrictKMS, StrictSecretsManager
from tests.random.issuers import Definitions
from tests.random.memory_acm import MemoryACM
from tests.random.processes import Board, Killed, Port, Service, Strike

REDISPATCH = timedelta(minutes=10)
STACK_ID = f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/random/1"
NAMES = ("web", "api")


class WatchedKMS(StrictKMS):
    """Stores every sealed private key, to search for it where it must not be."""

    def __init__(self) -> None:
        super().__init__()
        self.sealed: set[bytes] = set()

    def encrypt(self, *, KeyId: str, Plaintext: bytes, EncryptionContext: dict[str, str]) -> dict[str, Any]:
        self.sealed.add(Plaintext)
        return super().encrypt(KeyId=KeyId, Plaintext=Plaintext, EncryptionContext=EncryptionContext)


@dataclass(eq=False)
class Message:
    """One message on the queue."""

    nudge: Nudge
    arrives: datetime


class Universe:
    """World of one schedule; steps are in `operator_steps` and `manual_edits`."""

    def __init__(self, seed: int) -> None:
        self.seed, self.made = seed, 0
        self.clock = HandClock()
        self.board = Board(self.clock)
        self.table, self.queue, self.announcer = FakeTable(), FakeQueue(), FakeAnnouncer()
        self.secrets, self.acm, self.kms = StrictSecretsManager(), MemoryACM(self.clock), WatchedKMS()
        self.definitions = Definitions(self.board, self.asked)
        self.messages: list[Message] = []
        self._known: dict[str, tuple[str, Record]] = {}
        self.reports: list[RunReport] = []
        self.uids: dict[str, str] = {}  # uid → name, of every record that ever was
        self.tokens: dict[str, tuple[str, int]] = {}  # token of each request to the CA, with its revision
        self.documents: dict[str, dict[str, Any]] = {}
        self.listed: set[str] = set()  # records that had several issuers: one may issue after the next was asked
        self.disturbed: set[tuple[str, int]] = set()  # revisions disturbed by an operator or a manual edit
        self.touched: set[str] = set()  # names whose destinations may differ from the record until a status check
        self.hand_made: set[str] = set()  # values of secrets
        self.hits: Counter[str] = Counter()  # faults by kind
        self.before_set = self.clock()  # the latest time at which a step set the clock, perhaps within a run
        self.went_back = False  # a clock that went back hides what began in its future
        self.struck = 0  # deaths, lost answers, and calls that outlived their claim
        board = self.board
        acm = Service(board, self.acm, "acm")
        clients = SimpleNamespace(secretsmanager=Service(board, self.secrets, "secretsmanager"), acm=acm, acm_once=acm)
        self.ports = Ports(
            records=Port(board, self.table, "records"),
            revisions=Port(board, FakeRevisions(self.table.items), "revisions"),
            queue=Port(board, self.queue, "queue"),
            seal=KMSSeal(Service(board, self.kms, "kms"), "seal", "random"),
            issuers=Port(board, self.definitions, "issuers"),
            destinations=RegisteredDestinations(DestinationContext(STACK_ID, clients)),
            announcer=Port(board, self.announcer, "announcer"),
            rate_limiter=Port(board, FakePace(), "rate_limiter"),
            breakers=Port(board, FakeBreakers(), "breakers"),
            clock=self.clock,
            sleep=lambda span: self.clock.advance(seconds=span.total_seconds()),
            deadline=Deadline(self.clock),
        )

    # -- the functions ----------------------------------------------------------------------------------------------
    def tick(self, strike: Strike | None = None) -> None:
        """Run the checker; the next tick retries what failed."""
        stop_at = self.clock() + timedelta(seconds=48)
        index = Port(self.board, self.table, "index")
        with self.board.process(strike):
            try:
                check(index, self.ports.queue, clock=self.clock, stop_at=stop_at, redispatch=REDISPATCH)
            except (EvercertError, Killed):
                self.struck += 1
        self._collect()

    def issue(self, nudge: Nudge, strike: Strike | None = None) -> bool:
        """Run the issuer; return whether it survived."""
        alive, began, before = True, self.clock(), self.record(nudge.certificate)
        with self.board.process(strike) as process:
            ports = replace(self.ports, deadline=process.deadline)
            try:
                report = self._one(nudge, ports)
            except (Unavailable, Misconfigured) as error:
                self.struck += 1
                report = RunReport(error.kind, nudge.certificate, {"message": str(error)})
            except Killed:
                self.struck += 1
                alive, report = False, RunReport("killed", nudge.certificate, {"calls": process.calls[-3:]})
            self.struck += report.outcome in {"overtaken", "out-of-time"}
        after = self.record(nudge.certificate)
        same = before is not None and after is not None and before.uid == after.uid
        if report.outcome == "overtaken" and same and self.clock() - began < LEASE:
            self.board.violations.append(f"{nudge.certificate} was taken over while it was held")
        self.reports.append(report)
        self._collect()
        return alive

    @staticmethod
    def _one(nudge: Nudge, ports: Ports) -> RunReport:
        if nudge.outcome is not None:
            return announce_stored(nudge.certificate, nudge.outcome, ports.records, ports.announcer, ports.clock)
        return Issuance(ports, LEASE).run(nudge.certificate, nudge.repeats)

    def deliver(self, message: Message, strike: Strike | None = None) -> None:
        """Redeliver the message of a killed run."""
        if self.issue(message.nudge, strike) and message in self.messages:
            self.messages.remove(message)

    def deliver_arrived(self, most: int = 40) -> None:
        for _ in range(most):
            arrived = [message for message in self.messages if message.arrives <= self.clock()]
            if not arrived:
                return
            self.deliver(arrived[0])

    def _collect(self) -> None:
        """Move sent nudges to the queue."""
        sent = [(nudge, timedelta(0)) for nudge in self.queue.sent] + self.queue.later
        self.queue.sent, self.queue.later = [], []
        self.messages += [Message(nudge, self.clock() + delay) for nudge, delay in sent]

    # -- state -----------------------------------------------------------------------------------------------------
    def record(self, name: str) -> Record | None:
        item = self.table.items.get((items.pk(name), items.SK))
        if item is None:
            return None
        text, known = str(item), self._known.get(name)
        if known is None or known[0] != text:  # parsing takes longer than most checks
            found = items.read_record(item)
            assert isinstance(found, Record), found
            known = self._known[name] = text, found
        return known[1]

    def records(self) -> list[Record]:
        return [record for name in NAMES if (record := self.record(name)) is not None]

    def next_due(self) -> datetime | None:
        moments = [from_text(item["due_at"]["S"]) for item in self.table.items.values() if "due_at" in item]
        return min(moments, default=None)

    def asked(self, token: str) -> None:
        """Record a request to the CA; the stored wait must be over."""
        for record in self.records():
            pending = record.pending
            if pending is None or record.token(pending.revision, pending.csr) != token:
                continue
            self.tokens[token] = record.uid, pending.revision
            if self.went_back:
                continue
            if pending.retry_at is not None and self.clock() < pending.retry_at:
                self.board.violations.append(f"the CA was asked before {pending.retry_at}")

    # -- the operators ----------------------------------------------------------------------------------------------
    def create(self, spec: Spec) -> None:
        self.made += 1
        uid = str(uuid5(NAMESPACE_URL, f"schedule {self.seed} record {self.made}"))
        self.uids[uid] = spec.name
        self.listed |= {uid} if spec.issuers else set()
        self.table.write([Change(Record(name=spec.name, uid=uid, spec=spec, generation=1), None)], self.clock())

    def edit(self, spec: Spec) -> None:
        seen = self.record(spec.name)
        if seen is not None and seen.spec != spec:
            self.disturb(spec.name)
            self.listed |= {seen.uid} if spec.issuers else set()
            changed = seen.model_copy(update={"spec": spec, "generation": seen.generation + 1})
            self.table.write([Change(changed, seen)], self.clock())

    def delete(self, name: str) -> None:
        if (record := self.record(name)) is not None:
            self.disturb(name)
            self.table.remove(record)

    def request(self, name: str) -> None:
        self.disturb(name)
        self.table.request(name, self.clock())

    def wake_all(self) -> None:
        for number, name in enumerate(NAMES):
            self.disturb(name)
            self.table.wake(name, self.clock() + timedelta(minutes=30) * number, self.clock())

    def disturb(self, name: str) -> None:
        """Note that the pending revision, or the next one, may be given up."""
        if (record := self.record(name)) is not None:
            self.disturbed.add((record.uid, record.revision))
            if record.claim is not None:
                self.disturbed.add((record.uid, record.next_revision))
