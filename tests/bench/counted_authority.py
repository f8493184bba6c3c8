"""The authority's ACME server on the emulator's tables and queue, in this process, with a count of its calls of AWS.

The caller plays Lambda and the signer's invocation; the CA's key is in a double of KMS.
"""

from __future__ import annotations

import importlib.util
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import ModuleType
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit

from evercert.authority.acme.paths import parse
from evercert.authority.signer.signer import SigningService
from evercert.aws.authority.configuration import DynamoDBConfiguration
from evercert.aws.authority.configuration_writer import ConfigurationWriter
from evercert.aws.authority.kms_keys import KMSKeys
from evercert.aws.authority.signing_ledger import DynamoDBLedger
from tests.bench.logs import silence
from tests.doubles.authority.acme_client import AcmeAuthority, AcmeClient, Answer
from tests.doubles.authority.authority import Setting
from tests.doubles.infisical.http_server import Serving
from tests.doubles.read_meter import ReadMeter
from tests.doubles.world import World
from tests.doubles.write_meter import WriteMeter
from tests.tools.local_stack import ROOT, Emulator

WRITES = ("PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems")
VALIDATOR = "(validator)"


class Client(AcmeClient):
    """A client that uses the nonce of the last answer, as most do."""

    next_nonce: str | None = None

    def nonce(self) -> str:
        return self.next_nonce or super().nonce()

    def post(self, *given: Any, **more: Any) -> Answer:
        answer = super().post(*given, **more)
        self.next_nonce = answer.headers["Replay-Nonce"]
        return answer

    def restarted(self) -> Client:
        """Return the client as a new process of the same account."""
        client = Client(self.authority, self.key)
        client.key_id = self.key_id
        return client

    def issue_one(self, name: str) -> None:
        """Order, prove, finalize and download, with one look at the authorization after the validation."""
        order = self.order(name).json
        self.prove(order)
        assert self.read(order["authorizations"][0]).json["status"] == "valid"
        finished = self.finalize(order).json
        assert self.read(finished["certificate"]).status == 200


@dataclass
class Step:
    """One request, or one validation, with its calls of AWS."""

    name: str
    calls: Counter[str] = field(default_factory=Counter)
    read_units: float = 0.0
    write_units: int = 0
    refused: int = 0

    def count(self, *operations: str) -> int:
        return sum(self.calls[name] for name in operations)

    @property
    def reads(self) -> int:
        return self.count("GetItem", "Query", "BatchGetItem")

    @property
    def writes(self) -> int:
        return self.count(*WRITES)


class CountedAuthority(AcmeAuthority):
    """The functions with tables and a queue; `steps` has what was requested since the last look."""

    def __init__(self, world: World, setting: Setting, front: ModuleType, validator: ModuleType, queue: str) -> None:
        super().__init__(setting, front)
        self._world, self._validator, self._queue = world, validator, queue
        self.steps: list[Step] = []

    def call(self, method: str, url: str, body: bytes = b"", **headers: str) -> Answer:
        with self._step(str(getattr(parse(urlsplit(url).path), "name", "?"))):
            return super().call(method, url, body, **headers)

    def validate(self) -> list[str]:
        """Deliver the messages of the queue as Lambda does."""
        sqs = self._world.operator.sqs
        while messages := sqs.receive_message(QueueUrl=self._queue).get("Messages", []):
            (message,) = messages
            with self._step(VALIDATOR):
                event = {"Records": [{"messageId": message["MessageId"], "body": message["Body"]}]}
                if self._validator.handler(event, None) != {"batchItemFailures": []}:
                    raise RuntimeError("the validator failed")
            sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=message["ReceiptHandle"])
        return []

    @contextmanager
    def _step(self, name: str) -> Iterator[None]:
        """Count the calls that a request makes, the signer's included."""
        step, clients, signed = Step(name), self._world.clients, len(self.setting.kms.calls)

        def note(model: Any, **_: object) -> None:
            step.calls[model.name] += 1

        others = [one.meta.events for one in (clients.sqs, clients.kms, clients.s3)]
        with (
            ReadMeter(clients.dynamodb) as read,
            WriteMeter(clients.dynamodb, self._world.operator.dynamodb) as written,
        ):
            for events in others:
                events.register("after-call", note)
            yield
            for events in others:
                events.unregister("after-call", note)
        step.calls += read.calls + Counter(Sign=len(self.setting.kms.calls) - signed)
        step.read_units, step.write_units, step.refused = read.units, written.units, written.refused
        self.steps.append(step)


@contextmanager
def counted(world: World, running: Emulator) -> Iterator[CountedAuthority]:
    """Load the functions with the emulator's tables and queue; serve the pages of all names on loopback."""
    setting = Setting(lambda: datetime.now(UTC))
    queue = world.operator.sqs.create_queue(QueueName=f"validations-{world.table}")["QueueUrl"]
    world.judge_as(ValidationQueue=queue)
    names = "AuthorityConfigurationTable", "AuthorityTable", "AuthorityLedgerTable", "AuthorityAuditTable"
    configuration, state, ledger, audit = (world.authority_table(name) for name in names)
    pages: dict[str, Any] = {}
    serving = Serving(lambda _method, path, headers, _body: (200, {}, pages[f"http://{headers['Host']}{path}"]))
    values = {
        "AUTHORITY_CONFIGURATION": configuration,
        "AUTHORITY_TABLE": state,
        "AUDIT_TABLE": audit,
        "AUTHORITY_BUCKET": world.authority_bucket(),
        "AUTHORITY_SEAL_KEY": world.authority_seal_key,
        "AUTHORITY_ADDRESS": setting.address,
        "SIGNER_FUNCTION": "signer",
        "STACK_NAME": "world",
        "STS_REGIONS": "eu-central-1",
        "VALIDATION_QUEUE": queue,
        "AWS_ENDPOINT_URL": running.url,
        "EVERCERT_LOCAL_VALIDATION": f"127.0.0.1:{serving.port}",
    }
    dynamodb = world.clients.dynamodb
    setting.signer.signing = SigningService(
        DynamoDBConfiguration(dynamodb, configuration), DynamoDBLedger(dynamodb, ledger),
        KMSKeys(setting.kms), setting.address, setting.clock,  # type: ignore[arg-type]
    )  # fmt: skip
    serving.start()
    with patch.dict(os.environ, values):
        front, validator = _function("authority", world), _function("validator", world)
        front.SignerFunction = lambda *_: setting.signer  # type: ignore[attr-defined]
        authority = CountedAuthority(world, setting, front, validator, queue)
        authority.network.pages = pages
        writer = ConfigurationWriter(world.operator.dynamodb, configuration)
        writer.write(*setting.cas.values(), authority.profile)
        silence("authority", "validator")
        try:
            yield authority
        finally:
            serving.stop()


def _function(name: str, world: World) -> ModuleType:
    """Load a function with the clients whose calls are counted."""
    spec = importlib.util.spec_from_file_location(f"{name}_app", ROOT / "functions" / name / "app.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.Clients = lambda *_given, **_more: world.clients  # type: ignore[attr-defined]
    return module
