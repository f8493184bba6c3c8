"""Requests of a profile with an external issuer: front, queue and issuer function on the tables of the emulator."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from types import ModuleType
from typing import Any

import pytest
from cryptography import x509

from evercert import issuers
from evercert.acme import base64url
from evercert.authority.contracts.external import ExternalCeiling
from evercert.aws.authority.configuration_writer import ConfigurationWriter
from evercert.aws.authority.external_ceilings import DynamoDBExternalCeilings
from evercert.registry import Component
from tests.doubles.authority.acme_client import AcmeAuthority, AcmeClient
from tests.doubles.authority.authority import Setting
from tests.doubles.authority.client import CERTIFICATES, NAMES, REQUESTS, USAGES
from tests.doubles.authority.server import event_of
from tests.doubles.scripted_ca import ScriptedCA
from tests.doubles.world import TEST_ISSUERS, World


class Deployed:
    """The functions, with a profile of the issuer `outside`."""

    def __init__(self, world: World, function: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch) -> None:
        self.world, setting = world, Setting(lambda: datetime.now(UTC))
        values = {
            "AUTHORITY_CONFIGURATION": world.authority_table("AuthorityConfigurationTable"),
            "AUTHORITY_TABLE": world.authority_table("AuthorityTable"),
            "AUDIT_TABLE": world.authority_table("AuthorityAuditTable"),
            "AUTHORITY_BUCKET": world.authority_bucket(),
            "AUTHORITY_SEAL_KEY": world.authority_seal_key,
            "SIGNER_FUNCTION": "signer",
            "AUTHORITY_ADDRESS": setting.address,
            "STS_REGIONS": "eu-central-1",
            "VALIDATION_QUEUE": "https://sqs/queue",
            "DATA_STACK_NAME": "world",
        }
        for name, value in values.items():
            monkeypatch.setenv(name, value)
        identity, _ = setting.identity("request", "read-key")
        acme = {"eab": "required", "ownership": "unchecked"}
        profile = setting.profile(issuer_type="external", issuer="outside", cas=(), acme=acme)
        ConfigurationWriter(world.operator.dynamodb, values["AUTHORITY_CONFIGURATION"]).write(profile, identity)
        monkeypatch.setattr(issuers, "ISSUERS", TEST_ISSUERS)
        self.front, self.issuer, self.renewal = (function(name) for name in ("authority", "issuer", "renewal"))
        self.token, self.profile, self.setting = setting.token(identity), profile, setting
        self.front._services().ports.tokens.keep(next(iter(setting.tokens.tokens.values())))

    def call(self, method: str, path: str, context: Any, body: Any = None) -> dict[str, Any]:
        headers = {"authorization": f"Bearer {self.token}", "content-type": "application/json"}
        data = b"" if body is None else json.dumps(body).encode()
        found = self.front.handler(event_of(method, f"https://ca.example.com{path}", headers, data), context)
        assert found["statusCode"] == 200, found
        return dict(json.loads(found["body"]))

    def deliver(self, context: Any) -> int:
        """Deliver what is in the queue to the issuer function; return the number of messages."""
        sqs, url = self.world.operator.sqs, self.world.queue_url
        messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        for one in messages:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=one["ReceiptHandle"])
        records = [{"messageId": one["MessageId"], "body": one["Body"]} for one in messages]
        assert self.issuer.handler({"Records": records}, context) == {"batchItemFailures": []}
        return len(messages)

    def make_due(self, request: str) -> None:
        """Let the work continue now; the issuer asked for a pause of two minutes."""
        work = self.front._services().ports.external
        found = work.find(request)
        assert found is not None
        work.save(found, datetime.now(UTC))


@pytest.fixture
def deployed(world: World, function: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch) -> Deployed:
    return Deployed(world, function, monkeypatch)


def test_issuer_function_fulfills_requests_of_the_front(deployed: Deployed, context: Any) -> None:
    world, authority = deployed.world, ScriptedCA(["pending"])
    with authority.served() as address:
        world.specs.write_issuer("outside", Component.model_validate({"type": "scripted", "address": address}))
        DynamoDBExternalCeilings(world.operator.dynamodb, world.issuers_table).put("outside", ExternalCeiling())
        attributes = {**NAMES, **USAGES, "ttl": "20d"}
        asked = deployed.call(
            "POST", CERTIFICATES, context, {"profileId": deployed.profile.id, "attributes": attributes}
        )
        request = asked["certificateRequestId"]
        assert asked["status"] == "pending"
        assert deployed.deliver(context) == 1
        found = deployed.call("GET", f"{REQUESTS}/{request}", context)
        assert found["status"] == "pending" and "waiting for issuer outside" in found["pendingMessage"]
        deployed.make_due(request)
        assert deployed.renewal.handler({}, context) == {"external woken": 1}
        assert deployed.deliver(context) == 1
        found = deployed.call("GET", f"{REQUESTS}/{request}", context)
    assert found["status"] == "issued" and found["privateKey"].startswith("-----BEGIN PRIVATE KEY-----")
    assert deployed.renewal.handler({}, context) == {}


def test_order_of_an_acme_client_is_fulfilled(deployed: Deployed, context: Any) -> None:
    world, issuer = deployed.world, ScriptedCA()
    path = f"/api/v1/cert-manager/acme-credentials/{deployed.profile.id}"
    made = deployed.call("POST", path, context)
    authority = AcmeAuthority(deployed.setting, deployed.front)
    client = AcmeClient(authority)
    assert client.register((made["eabKid"], base64url.decode(made["eabSecret"]))).status == 201
    with issuer.served() as address:
        world.specs.write_issuer("outside", Component.model_validate({"type": "scripted", "address": address}))
        DynamoDBExternalCeilings(world.operator.dynamodb, world.issuers_table).put("outside", ExternalCeiling())
        placed = client.order("www.example.com")
        usages = {"key-usages": ["digital_signature"], "extended-key-usages": ["server_auth"]}
        finalized = client.finalize(placed.json, **usages)
        assert (finalized.json["status"], "Retry-After" in finalized.headers) == ("processing", True)
        assert deployed.deliver(context) == 1
    order = client.read(placed.headers["Location"]).json
    assert order["status"] == "valid"
    (leaf,) = x509.load_pem_x509_certificates(client.read(order["certificate"]).text.encode())  # without the root
    refused = client.revoke(leaf)
    assert (refused.status, "revoke it there" in refused.text) == (400, True)
