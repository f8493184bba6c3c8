"""Client, approver, renewal function and issuer function of one authority; each step is a process that may die.

The test plays Lambda: a run that died comes again, and its message remains on the queue.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import httpx

from evercert.authority.ca.definition import Ceiling
from evercert.authority.registration.approval_notices import ApprovalNotices
from evercert.authority.registration.auto_renewal import AutoRenewal
from evercert.aws.authority.approval_announcer import SNSApprovalAnnouncer
from evercert.aws.authority.renewal_announcer import SNSRenewalAnnouncer
from evercert.aws.dynamodb.circuit_breakers import DynamoDBBreakers
from evercert.aws.sns import SNSAnnouncer
from evercert.aws.sqs import request_of
from evercert.contracts.issuer import Issued, OpenIssuer, PendingAnswer, Request
from evercert.deadline import Deadline
from evercert.issuance.circuit_breaker import Breaker
from evercert.operations.external_requests import ExternalFulfillment, Result
from tests.crash.authority_stage import Stage
from tests.doubles.authority.client import NAMES, USAGES
from tests.doubles.authority.external import FakeCeilings
from tests.doubles.authority.outside import LEASE
from tests.doubles.fakes import FakeIssuers
from tests.doubles.scripted_ca import ScriptedCA, ScriptedIssuer
from tests.doubles.world import STACK_ID, Killed, World

ATTRIBUTES = {**NAMES, **USAGES, "ttl": "30d", "keyAlgorithm": "EC_prime256v1"}
OUTSIDE = Ceiling(dns=("*.example.com",), longest=timedelta(days=100))
HOUR, WEEK = timedelta(hours=1), timedelta(days=7)


class SwitchedIssuer(ScriptedIssuer):
    """The client of an external CA; each call counts as one of the process, and `requests` has them all."""

    def __init__(self, world: World, authority: ScriptedCA) -> None:
        self.world, self.requests = world, list[Request]()
        super().__init__(self.Settings(address="http://ca.example"))
        self._client = httpx.Client(base_url="http://ca.example", transport=authority.transport())

    def issue(self, request: Request) -> Issued | PendingAnswer:
        self.world.switch.before("external issuer")
        self.requests.append(request)
        try:
            return super().issue(request)
        finally:
            self.world.switch.after()  # a refusal is an answer, too


class RequestStage(Stage):
    """An authority, its functions and an external CA that follows `script`; `events` has what was announced."""

    def __init__(self, world: World, script: Sequence[str] = (), *, external: bool, automatic: bool) -> None:
        super().__init__(world)
        self.ca = ScriptedCA(list(script))
        self.issuer = SwitchedIssuer(world, self.ca)
        self.approver, _ = self.setting.identity("approve", name="approver")
        self.changes: dict[str, Any] = {}
        if external:
            self.changes |= {"issuer_type": "external", "issuer": "outside", "cas": ()}
        if automatic:
            self.changes["api"] = {"auto-renew": True, "renew-before-days": 7}
        self.change()
        self.request, self.events, self.deaths = "", list[dict[str, Any]](), 0

    def process(self, step: Callable[[], Any]) -> Any:
        """Run a step until it ends alive; only the switch kills it, once."""
        while True:
            try:
                return step()
            except Killed:
                self.deaths += 1
                self.world.switch.dead = self.signers.dead = False

    # Steps of the processes.

    def ask(self) -> None:
        """Request a certificate with a token, as often as the call dies."""
        body = {"profileId": self.profile.id, "attributes": ATTRIBUTES}
        found = self.process(lambda: self.front.enrollment.issue(self.identity, body, "token"))
        self.request = str(found["certificateRequestId"])

    def poll(self) -> dict[str, Any]:
        return dict(self.process(lambda: self.front.retrieval.poll(self.identity, self.request)))

    def approve(self, what: str = "approve") -> None:
        """Approve or reject the newest request that waits; an answer that was lost is asked for again."""
        waiting = max(self.requests, key=lambda one: (one.is_open, one.created_at)).id
        calls = {"approve": lambda: self.front.approvals.approve(self.approver, waiting, None)}
        calls["reject"] = lambda: self.front.approvals.reject(self.approver, waiting, {"reason": "no"})
        self.process(calls[what])

    def cancel(self) -> None:
        assert self.process(lambda: self.front.retrieval.cancel(self.identity, self.request))["status"] == "failed"

    def run_renewal(self) -> None:
        """Run the renewal function: wake requests at external issuers, announce approvals, renew what is due."""
        self.process(self._renewal)

    def _renewal(self) -> None:
        front, clock, certificates = self.front, self.world.clock, self.front.ports.certificates
        topic = SNSAnnouncer(self.world.clients.sns, self.world.topic, STACK_ID)
        if waiting := self.external.due(clock(), 100):
            self.external.wake(waiting)
        for notice in ApprovalNotices(certificates, front.fulfillment, SNSApprovalAnnouncer(topic, clock), clock).run():
            assert not notice.problem, notice
        list(AutoRenewal(certificates, front.renewals, SNSRenewalAnnouncer(topic, clock), clock).run())

    def deliver(self) -> None:
        """Run the issuer function for each message; delete the message of a run that came back."""
        sqs, url = self.world.operator.sqs, self.world.queue_url
        for _ in range(20):
            if not (messages := self.world._receive()):
                return
            for message in messages:
                try:
                    self.fulfill(request_of(message["Body"]) or "")
                except Killed:
                    self.deaths += 1
                    self.world.switch.dead = False
                    continue
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        raise AssertionError("endless messages")

    def fulfill(self, request: str) -> Result:
        """Run the issuer function for one request."""
        issuers = FakeIssuers({"outside": OpenIssuer(self.issuer, "hash")})  # type: ignore[arg-type]
        certificates, clock = self.front.ports.certificates, self.world.clock
        ceilings = FakeCeilings(outside=OUTSIDE)
        breaker = Breaker(DynamoDBBreakers(self.world.clients.dynamodb, self.world.table), clock, lambda _: None)
        work = ExternalFulfillment(
            certificates, self.external, ceilings, issuers, breaker, Deadline(clock), LEASE, clock, lambda _: None
        )
        return work.run(request)

    # Time and results.

    def later(self, span: timedelta) -> None:
        self.world.clock.now += span

    def change(self, **changes: Any) -> None:
        """Change the profile, as an administrator does."""
        self.changes |= changes
        self.profile = self.setting.profile(**self.changes)

    def settle(self) -> None:
        """Let the schedule run for a few hours, and collect the events."""
        for _ in range(4):
            self.run_renewal()
            self.deliver()
            self.later(HOUR)
        self.world.switch.listening = False
        self.events += self.world.events()

    def announced(self) -> Counter[str]:
        """Return the number of different events of each type; a repeated one has the same id."""
        return Counter({event["id"]: event["type"] for event in self.events}.values())

    def statuses(self) -> list[str]:
        return [one.status for one in sorted(self.requests, key=lambda one: one.created_at)]
