"""P5 with two workers and a real clock: an unresponsive issuer does not delay others."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from evercert.aws.clients import Clients
from evercert.aws.dynamodb.beside_reader import DynamoDBBesideReader
from evercert.aws.dynamodb.circuit_breakers import DynamoDBBreakers
from evercert.aws.dynamodb.issuer_loader import DynamoDBIssuers
from evercert.aws.dynamodb.rate_slots import DynamoDBRateSlots
from evercert.aws.dynamodb.record_store import DynamoDBRecordStore
from evercert.aws.kms import KMSSeal
from evercert.aws.sns import SNSAnnouncer
from evercert.aws.sqs import SQSQueue, read
from evercert.contracts.queue import Nudge
from evercert.contracts.record import Record
from evercert.contracts.spec_store import Change
from evercert.deadline import Deadline
from evercert.destinations.context import DestinationContext, RegisteredDestinations
from evercert.documents.spec import Component, Spec
from evercert.issuance.outbox import RunReport
from evercert.issuance.run import Issuance
from tests.doubles.scripted_ca import ScriptedCA, ScriptedIssuer
from tests.doubles.world import STACK, STACK_ID, TEST_DESTINATIONS, TEST_ISSUERS, World, assert_pair
from tests.tools.local_stack import Emulator

WORKERS = 2
BAD, GOOD = 100, 10
ANSWER = 1.0  # seconds, response time of the good issuer
SILENCE = 4.0  # seconds, longer than the timeout of its clients
GIVE_UP = 120
WEB = {"attributes": {"common-name": "www.example.com"}, "destinations": [{"type": "secrets-manager"}]}


class SlowCA(ScriptedCA):
    """Answers slowly, but many requests at once."""

    def answer(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        time.sleep(ANSWER)
        return super().answer(path, body)


class SilentCA(ScriptedCA):
    """Accepts the request and never answers."""

    def answer(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        self.asked.append(body["token"])
        time.sleep(SILENCE)
        raise TimeoutError


def now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Workers:
    """Concurrent issuer functions, each with its own clients, deadline and use case, as in Lambda."""

    world: World
    running: Emulator

    def drain(self, until: int) -> tuple[float, list[RunReport]]:
        """Process messages until that many certificates are delivered; return the duration and the reports."""
        self.reports: list[RunReport] = []
        self.enough = threading.Event()
        self.wanted = until
        issuances = [self._issuance() for _ in range(WORKERS)]  # before the clock runs: a warm function
        begun = time.monotonic()
        with ThreadPoolExecutor(WORKERS) as pool:
            for done in [pool.submit(self._work, issuance, begun) for issuance in issuances]:
                done.result()
        return time.monotonic() - begun, self.reports

    def _work(self, issuance: Issuance, begun: float) -> None:
        sqs = World._session(self.running).client("sqs")
        while not self.enough.is_set() and time.monotonic() - begun < GIVE_UP:
            answer = sqs.receive_message(QueueUrl=self.world.queue_url, MaxNumberOfMessages=1, VisibilityTimeout=120)
            for message in answer.get("Messages", []):
                self.reports.append(issuance.run(read(message["Body"]).certificate))
                sqs.delete_message(QueueUrl=self.world.queue_url, ReceiptHandle=message["ReceiptHandle"])
            if sum(report.outcome == "certificate.issued" for report in self.reports) >= self.wanted:
                self.enough.set()

    def _issuance(self) -> Issuance:
        deadline = Deadline(now)
        clients = Clients(deadline, World._session(self.running))
        table = self.world.table
        ports = replace(
            self.world.ports,
            records=DynamoDBRecordStore(clients.dynamodb, table),
            queue=SQSQueue(clients.sqs, self.world.queue_url),
            seal=KMSSeal(clients.kms, self.world._seal_key, STACK),
            issuers=DynamoDBIssuers(
                clients.dynamodb,
                self.world.issuers_table,
                TEST_ISSUERS,
                self.world.context,
                self.world.clock,
                beside=DynamoDBBesideReader(clients.dynamodb, table),
            ),
            destinations=RegisteredDestinations(DestinationContext(STACK_ID, clients), TEST_DESTINATIONS),
            announcer=SNSAnnouncer(clients.sns, self.world.topic, STACK_ID),
            rate_limiter=DynamoDBRateSlots(clients.dynamodb, table),
            breakers=DynamoDBBreakers(clients.dynamodb, table),
            clock=now,
            sleep=lambda span: time.sleep(span.total_seconds()),
            deadline=deadline,
        )
        clients.dynamodb.describe_table(TableName=table)  # the first call of a client is slow
        return Issuance(ports, timedelta(seconds=90))


@contextmanager
def one_transport() -> Iterator[None]:
    """One connection pool for all clients: creating one takes longer than postponing a certificate."""
    inner = httpx.HTTPTransport(limits=httpx.Limits(max_keepalive_connections=0))

    class Transport(httpx.BaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            return inner.handle_request(request)

        def close(self) -> None:
            pass

    ScriptedIssuer.transport = Transport()
    try:
        yield
    finally:
        ScriptedIssuer.transport = None
        inner.close()


def want(world: World, issuer: str, address: str, count: int) -> list[str]:
    """Store that many certificates of this issuer, with a nudge for each."""
    world.specs.write_issuer(issuer, Component.model_validate({"type": "scripted", "address": address}))
    names = [f"{issuer}-{number:03d}-{world.table[-6:]}" for number in range(count)]
    specs = [Spec.model_validate({**WEB, "name": name, "issuer": issuer}) for name in names]
    records = [Record(name=spec.name, uid=str(uuid.uuid4()), spec=spec, generation=1) for spec in specs]
    world.specs.write([Change(record, None) for record in records], now())
    for start in range(0, count, 10):
        world.ports.queue.send([Nudge(name) for name in names[start : start + 10]])
    return names


@pytest.mark.timeout(2 * GIVE_UP + 60)
def test_unresponsive_issuer_delays_no_other(
    shared_world: World, running: Emulator, capsys: pytest.CaptureFixture[str]
) -> None:
    world, slow, silent = shared_world, SlowCA(), SilentCA()
    with slow.served() as good, silent.served() as bad, one_transport():
        world.fresh()
        world.clock.now = now()
        want(world, "good", good, GOOD)
        alone, reports = Workers(world, running).drain(GOOD)
        assert [report.outcome for report in reports] == ["certificate.issued"] * GOOD

        world.fresh()
        world.clock.now = now()
        want(world, "bad", bad, BAD)  # first in the queue
        names = want(world, "good", good, GOOD)
        beside, reports = Workers(world, running).drain(GOOD)
    issued = {report.certificate for report in reports if report.outcome == "certificate.issued"}
    put_off = [report for report in reports if report.outcome == "put-off"]
    with capsys.disabled():
        print(f"\n{GOOD} certificates alone: {alone:.1f} s; behind {BAD} of a silent issuer: {beside:.1f} s")
    assert issued == set(names)
    for name in names:
        assert_pair(world.versions(f"evercert/certificates/{name}")["AWSCURRENT"])
    assert len(put_off) > BAD / 2  # they came before the good ones, and were processed
    assert len(silent.asked) <= WORKERS + 1  # so the good ones wait for at most three silences, however many are bad
