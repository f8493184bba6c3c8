"""Checker and issuer in this process, with their real adapters over HTTP, a hand-set clock and a kill switch.

Queue, tables, topic, secrets and keys are the emulator's; the test plays Lambda: it receives messages, calls the use
cases, and deletes a message only when its run came back alive.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal

import boto3
import httpx
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from evercert.aws.clients import Clients
from evercert.aws.credential_reader import Credentials
from evercert.aws.dynamodb.beside_reader import DynamoDBBesideReader
from evercert.aws.dynamodb.circuit_breakers import DynamoDBBreakers
from evercert.aws.dynamodb.due_index import DynamoDBDueIndex
from evercert.aws.dynamodb.issuer_loader import DynamoDBIssuers
from evercert.aws.dynamodb.rate_slots import DynamoDBRateSlots
from evercert.aws.dynamodb.record_store import DynamoDBRecordStore
from evercert.aws.dynamodb.revision_store import DynamoDBRevisions
from evercert.aws.dynamodb.spec_store import DynamoDBSpecs
from evercert.aws.kms import KMSSeal
from evercert.aws.private_ca import PrivateCAClient, PrivateCAClients
from evercert.aws.sns import SNSAnnouncer
from evercert.aws.sqs import SQSQueue, read
from evercert.aws.timeouts import USUAL, Limits
from evercert.contracts.ports import Ports
from evercert.contracts.queue import shard
from evercert.contracts.record import Record
from evercert.contracts.spec_store import Change
from evercert.deadline import Deadline
from evercert.destinations import DESTINATIONS
from evercert.destinations.context import DestinationContext, RegisteredDestinations
from evercert.documents.spec import Component, Spec
from evercert.errors import EvercertError
from evercert.http_client.client import HTTPClient
from evercert.http_client.response import Content, Response, TransportFailure
from evercert.http_client.transport import Connection
from evercert.issuance.outbox import RunReport, announce_stored
from evercert.issuance.run import Issuance
from evercert.issuers import ISSUERS
from evercert.issuers.context import IssuerContext
from evercert.origins import Hosts, Origin
from evercert.pki.keys import public_bytes
from evercert.registry import Registry
from evercert.scheduling.checker import Tick, check
from evercert.timestamps import from_text
from tests.doubles.fakes import LEASE, START, HandClock
from tests.doubles.scripted_ca import ScriptedIssuer
from tests.iam.deployment import Deployment
from tests.iam.live import live
from tests.tools.local_stack import CREDENTIALS, REGION, Emulator
from tests.tools.template import load_template

ATTEMPT_LIMIT = timedelta(seconds=1)  # an unresponsive server costs the tests this long
REDISPATCH = timedelta(seconds=600)
STACK = "world"
STACK_ID = f"arn:aws:cloudformation:{REGION}:000000000000:stack/{STACK}/1"
TEST_ISSUERS = Registry("issuer", {**ISSUERS.entries, "scripted": "tests.doubles.scripted_ca:ScriptedIssuer"})
TEST_DESTINATIONS = Registry("destination", {**DESTINATIONS.entries, "flaky": "tests.doubles.flaky_destination:Flaky"})
When = Literal["before", "after"]


class Killed(BaseException):
    """The process was killed; none of its code may run, not even a `finally`."""


@dataclass
class KillSwitch:
    """Counts the outbound calls; at one of them it kills the process or calls `act`."""

    count: int = 0
    at: int | None = None
    when: When = "before"
    act: Callable[[], None] | None = None  # instead of killing
    dead: bool = False
    calls: list[str] = field(default_factory=list)
    after_death: list[str] = field(default_factory=list)
    listening: bool = False

    def arm(self, at: int | None, when: When = "before", act: Callable[[], None] | None = None) -> None:
        self.count, self.at, self.when, self.act = 0, at, when, act
        self.calls, self.dead, self.listening = [], False, True

    def before(self, what: str) -> None:
        if not self.listening:
            return
        if self.dead:
            self.after_death.append(what)
            raise Killed
        self.count += 1
        self.calls.append(what)
        self._strike("before")

    def after(self) -> None:
        if self.listening:
            self._strike("after")

    def _strike(self, when: When) -> None:
        if self.count != self.at or when != self.when:
            return
        self.at = None
        if self.act is not None:
            self.listening = False
            self.act()
            self.listening = True
            return
        self.dead = True
        raise Killed

    def hook(self, session: boto3.Session) -> None:
        session.events.register("before-send", lambda request, event_name, **_: self.before(event_name))
        session.events.register("response-received", lambda **_: self.after())

    def transport(self) -> httpx.BaseTransport:
        switch, inner = self, httpx.HTTPTransport()

        class Transport(httpx.BaseTransport):
            def handle_request(self, request: httpx.Request) -> httpx.Response:
                switch.before(f"http {request.url.path}")
                response = inner.handle_request(request)
                response.read()
                switch.after()
                return response

            def close(self) -> None:
                pass  # shared by all issuers of the test

        return Transport()


class SwitchedConnection:
    """A connection that reports every request to the switch."""

    def __init__(self, inner: Connection, switch: KillSwitch) -> None:
        self._inner = inner
        self._switch = switch

    def send(
        self, method: str, target: str, content: Content | None, token: str | None, what: str, **more: Any
    ) -> Response | TransportFailure:
        self._switch.before(f"http {method} {target.partition('?')[0]}")
        answer = self._inner.send(method, target, content, token, what, **more)
        self._switch.after()
        return answer

    def close(self) -> None:
        self._inner.close()


class SwitchedHTTPClient(HTTPClient):
    """The HTTP client of evercert over such connections."""

    def __init__(self, switch: KillSwitch, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self._switch = switch

    def _connection(self, origin: Origin, ca_bundle: str | None) -> Callable[[], Any]:
        make = super()._connection(origin, ca_bundle)
        return lambda: SwitchedConnection(make(), self._switch)


class OneShard(DynamoDBDueIndex):
    """A due index that reads only the shard of one certificate."""

    def __init__(self, client: Any, table: str, name: str) -> None:
        super().__init__(client, table)
        self._only = int(shard(name))

    def _shard(self, number: int, *given: Any) -> Iterator[dict[str, Any]]:
        return super()._shard(number, *given) if number == self._only else iter(())


class World:
    """Everything one scenario needs; `fresh` creates new tables, queue and topic."""

    def __init__(self, running: Emulator, limits: Limits = USUAL) -> None:
        self.switch = KillSwitch()
        self.clock = HandClock()
        self.deadline = Deadline(self.clock)
        self.clients = Clients(self.deadline, self._session(running), limits)
        self.switch.hook(self.clients.session)
        self.operator = Clients(session=self._session(running))  # outside the process under test
        self._template = load_template()["Resources"]
        self._http_clients: list[HTTPClient] = []
        self.private_ca: Callable[[str], PrivateCAClient] | None = None
        self._seal_key = self.operator.kms.create_key()["KeyMetadata"]["Arn"]
        self.authority_seal_key = self.operator.kms.create_key()["KeyMetadata"]["Arn"]
        self.fresh()

    @classmethod
    def _session(cls, running: Emulator) -> boto3.Session:
        return cls._session_at(running.url)

    @staticmethod
    def _session_at(url: str) -> boto3.Session:
        session = boto3.Session(
            CREDENTIALS["AWS_ACCESS_KEY_ID"], CREDENTIALS["AWS_SECRET_ACCESS_KEY"], region_name=REGION
        )
        create = session.client
        session.client = lambda service, **more: create(service, endpoint_url=url, **more)  # type: ignore[method-assign]
        return session

    def context(self) -> IssuerContext:
        """Build the issuer context of a new process."""
        http = SwitchedHTTPClient(
            self.switch, Hosts.of(""), self.deadline, self.clock, self._sleep, local=True, attempt_limit=ATTEMPT_LIMIT
        )
        self._http_clients.append(http)
        return IssuerContext(
            http, Credentials(self.clients), self.clients.session, self.clock, private_ca=self.private_ca
        )

    def use_private_ca(self, url: str | None) -> None:
        """Use a server of AWS Private CA; its calls count as all others of the process."""
        session = self._session_at(url or "")
        self.switch.hook(session)
        clients = Clients(self.deadline, session)
        self.private_ca = PrivateCAClients(clients).of if url else None

    def _sleep(self, span: timedelta) -> None:
        self.clock.advance(seconds=span.total_seconds())

    def fresh(self) -> None:
        """Create empty tables, queue and topic; the old ones remain."""
        self.switch.listening = False
        self._hang_up()
        mark = uuid.uuid4().hex[:12]
        self.clock.now = START
        self.table = self._table("CertificatesTable", f"certificates-{mark}")
        self.issuers_table = self._table("IssuersTable", f"issuers-{mark}")
        self.queue_url = self.operator.sqs.create_queue(QueueName=f"queue-{mark}")["QueueUrl"]
        self.topic = self.operator.sns.create_topic(Name=f"topic-{mark}")["TopicArn"]
        self.inbox = self._subscribe(mark)
        self.secret = f"evercert/certificates/{mark}"
        self._tell_the_judge()
        inventory = DynamoDBRecordStore(self.clients.dynamodb, self.table)
        self.ports = Ports(
            records=inventory,
            revisions=DynamoDBRevisions(self.clients.dynamodb, self.table),
            queue=SQSQueue(self.clients.sqs, self.queue_url),
            seal=KMSSeal(self.clients.kms, self._seal_key, STACK),
            issuers=self._issuers(),
            destinations=RegisteredDestinations(DestinationContext(STACK_ID, self.clients), TEST_DESTINATIONS),
            announcer=SNSAnnouncer(self.clients.sns, self.topic, STACK_ID),
            rate_limiter=DynamoDBRateSlots(self.clients.dynamodb, self.table),
            breakers=DynamoDBBreakers(self.clients.dynamodb, self.table),
            clock=self.clock,
            sleep=self._sleep,
            deadline=self.deadline,
        )
        self.issuance = Issuance(self.ports, LEASE)
        self.index = DynamoDBDueIndex(self.clients.dynamodb, self.table)
        self.specs = DynamoDBSpecs(self.operator.dynamodb, self.table, self.issuers_table)
        self.reports: list[RunReport] = []
        self.switch.after_death.clear()

    def _tell_the_judge(self) -> None:
        """Say which resources of the template this world's are; tests/iam judges every call against its roles."""
        self.physical = {
            "CertificatesTable": self.table,
            "IssuersTable": self.issuers_table,
            "Queue": self.queue_url,
            "Topic": self.topic,
            "SealKey": self._seal_key,
            "AuthoritySealKey": self.authority_seal_key,
        }
        self.judge_as()

    def judge_as(self, parameters: dict[str, str] | None = None, **more: str) -> Deployment:
        """Judge later calls against a stack with these parameters; `more` are other physical names."""
        self.physical |= more
        chosen = {
            "Authority": "yes",
            "Responder": "yes",
            "Probes": "yes",
            "Acknowledgements": "yes",
            **(parameters or {}),
        }
        self.deployment = Deployment(chosen, stack=STACK, stack_id=STACK_ID, physical=dict(self.physical))
        live.deployed(self.deployment)
        return self.deployment

    def _hang_up(self) -> None:
        """Close the connections of the killed process."""
        while self._http_clients:
            self._http_clients.pop().close()

    def _restart(self) -> None:
        """Start another process, without the logins and connections of the killed one."""
        self._hang_up()
        self.ports = replace(self.ports, issuers=self._issuers())
        self.issuance = Issuance(self.ports, LEASE)

    def _issuers(self) -> DynamoDBIssuers:
        """Return the issuers of a new process."""
        client, beside = self.clients.dynamodb, DynamoDBBesideReader(self.clients.dynamodb, self.table)
        return DynamoDBIssuers(client, self.issuers_table, TEST_ISSUERS, self.context, self.clock, beside=beside)

    def move_to(self, table: str) -> None:
        """Switch the stack to another certificates table, as the parameter `RestoredTable` does."""
        dynamodb = self.clients.dynamodb
        self.table = table
        self.judge_as(CertificatesTable=table)
        self.ports = replace(
            self.ports,
            records=DynamoDBRecordStore(dynamodb, table),
            revisions=DynamoDBRevisions(dynamodb, table),
            rate_limiter=DynamoDBRateSlots(dynamodb, table),
            breakers=DynamoDBBreakers(dynamodb, table),
            issuers=self._issuers(),
        )
        self.issuance = Issuance(self.ports, LEASE)
        self.index = DynamoDBDueIndex(dynamodb, table)
        self.specs = DynamoDBSpecs(self.operator.dynamodb, table, self.issuers_table)

    def look_only_for(self, name: str) -> None:
        """Limit the checker to the shard of one certificate; the other fifteen are empty."""
        self.index = OneShard(self.clients.dynamodb, self.table, name)

    def want(self, spec: Spec, issuer: dict[str, Any]) -> Record:
        """Store a new record, as `apply` does."""
        self.specs.write_issuer(spec.issuer, Component.model_validate(issuer))
        record = Record(name=spec.name, uid=str(uuid.uuid4()), spec=spec, generation=1)
        self.specs.write([Change(record, None)], self.clock())
        return record

    def edit(self, spec: Spec) -> None:
        """Change the spec, as `apply` does."""
        seen = self.record(spec.name)
        changed = seen.model_copy(update={"spec": spec, "generation": seen.generation + 1})
        self.specs.write([Change(changed, seen)], self.clock())

    def record(self, name: str = "web") -> Record:
        found = self.specs.record(name)
        assert isinstance(found, Record), found
        return found

    def tick(self) -> Tick:
        """Run the checker once."""
        stop_at = self.clock() + timedelta(seconds=48)
        return check(self.index, self.ports.queue, clock=self.clock, stop_at=stop_at, redispatch=REDISPATCH)

    def deliver_messages(self) -> int:
        """Run the issuer once per message; the message of a killed run remains on the queue."""
        seen = 0
        while messages := self._receive():
            for message in messages:
                seen += 1
                with self._process() as alive:
                    self.reports.append(self._issuer(message["Body"]))
                if alive():
                    self.operator.sqs.delete_message(QueueUrl=self.queue_url, ReceiptHandle=message["ReceiptHandle"])
            if seen > 50:
                raise AssertionError(f"endless messages: {[r.outcome for r in self.reports[-20:]]}")
        return seen

    def settle(self, until: Callable[[], bool], most: int = 60) -> None:
        """Tick, deliver messages and advance the clock until `until` holds."""
        for _ in range(most):
            with self._process():
                self.tick()
            self.deliver_messages()
            if until():
                return
            self.clock.now = max(self._next_due() or self.clock.now, self.clock.now + timedelta(seconds=1))
        raise AssertionError(f"never settled: {[(r.outcome, r.details) for r in self.reports[-8:]]}")

    def settled(self, name: str = "web") -> bool:
        """Whether the certificate is delivered, announced, released and nothing is pending."""
        record = self.specs.record(name)
        if record is None:
            return not self.unpublished()
        return (
            isinstance(record, Record)
            and record.state == "ready"
            and record.claim is None
            and record.pending is None
            and record.request_hash == record.spec.request_hash
            and record.requested_at in (None, record.served)
            and record.rollback is None
            and not self.unpublished()
        )

    def unpublished(self) -> list[str]:
        return [i["sk"]["S"] for i in self.items() if i["sk"]["S"].startswith("outcome#") and "published_at" not in i]

    def items(self) -> list[dict[str, Any]]:
        return self.operator.dynamodb.scan(TableName=self.table, ConsistentRead=True)["Items"]

    def events(self) -> list[dict[str, Any]]:
        """Return the events received since the last call."""
        events = []
        while messages := self.operator.sqs.receive_message(QueueUrl=self.inbox, MaxNumberOfMessages=10).get(
            "Messages"
        ):
            for message in messages:
                events.append(json.loads(message["Body"]))
                self.operator.sqs.delete_message(QueueUrl=self.inbox, ReceiptHandle=message["ReceiptHandle"])
        return events

    def versions(self, secret: str | None = None) -> dict[str, dict[str, str]]:
        """Return the values of the secret by stage."""
        client = self.operator.secretsmanager
        name = secret or self.secret
        stages = client.describe_secret(SecretId=name)["VersionIdsToStages"]
        return {
            stage: json.loads(client.get_secret_value(SecretId=name, VersionId=version)["SecretString"])
            for version, held in stages.items()
            for stage in held
        }

    def _issuer(self, body: str) -> RunReport:
        nudge = read(body)
        try:
            if nudge.outcome is not None:
                return announce_stored(
                    nudge.certificate, nudge.outcome, self.ports.records, self.ports.announcer, self.clock
                )
            return self.issuance.run(nudge.certificate, nudge.repeats)
        except EvercertError as error:
            return RunReport(error.kind, nudge.certificate, {"message": str(error)})

    @contextmanager
    def _process(self) -> Iterator[Callable[[], bool]]:
        """Run the block as a process that only the switch can kill."""
        died = False
        try:
            yield lambda: not died
        except Killed:
            died = True
            self.switch.dead = False  # the next process
            self._restart()
        finally:
            self.deadline.end()

    def _receive(self) -> list[Any]:
        answer = self.operator.sqs.receive_message(QueueUrl=self.queue_url, MaxNumberOfMessages=10, VisibilityTimeout=0)
        return answer.get("Messages", [])

    def _next_due(self) -> datetime | None:
        moments = [from_text(item["due_at"]["S"]) for item in self.items() if "due_at" in item]
        return min(moments, default=None)

    def authority_table(self, resource: str) -> str:
        """Create a table of the authority as in the template."""
        name = self._table(resource, f"{resource.lower()}-{uuid.uuid4().hex[:12]}")
        self.judge_as(**{resource: name})
        return name

    def authority_bucket(self) -> str:
        """Create a bucket for CRLs and CA certificates; return its name."""
        name = f"authoritybucket-{uuid.uuid4().hex[:12]}"
        self.operator.s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
        self.judge_as(AuthorityBucket=name)
        return name

    def _table(self, resource: str, name: str) -> str:
        properties = self._template[resource]["Properties"]
        wanted = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode")
        self.operator.dynamodb.create_table(TableName=name, **{k: properties[k] for k in wanted if k in properties})
        return name

    def _subscribe(self, mark: str) -> str:
        url = self.operator.sqs.create_queue(QueueName=f"inbox-{mark}")["QueueUrl"]
        arn = self.operator.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"][
            "QueueArn"
        ]
        policy = {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": arn}],
        }
        self.operator.sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
        self.operator.sns.subscribe(
            TopicArn=self.topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"}
        )
        return url


def assert_pair(value: dict[str, str]) -> x509.Certificate:
    """Assert P3: certificate, private key and the other fields belong together."""
    leaf = x509.load_pem_x509_certificate(value["certificate"].encode())
    key = serialization.load_pem_private_key(value["private_key"].encode(), password=None)
    assert public_bytes(key.public_key()) == public_bytes(leaf.public_key())
    assert value["fullchain"].startswith(value["certificate"])
    assert int(value["serial_number"], 16) == leaf.serial_number
    return leaf


ScriptedIssuer.transport = None
