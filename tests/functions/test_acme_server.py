"""The authority and the validator function with their table and queue: whole orders of ACME clients."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from types import ModuleType
from typing import Any

import pytest

from evercert.acme import base64url
from evercert.acme.challenges import HTTP_PATH
from evercert.acme.renewal_info import certificate_id
from evercert.authority.configuration.approval_options import ApprovalOptions
from evercert.authority.configuration.identity import Identity
from evercert.authority.configuration.profiles import EabCredential
from evercert.aws.authority import signer_client
from evercert.aws.authority.configuration_writer import ConfigurationWriter
from evercert.timestamps import from_text
from tests.doubles.authority.acme_client import AcmeAuthority, AcmeClient
from tests.doubles.authority.authority import Setting
from tests.doubles.fakes import START
from tests.doubles.infisical.http_server import Answer, Serving
from tests.doubles.world import World


@pytest.fixture
def pages() -> Iterator[tuple[dict[str, bytes], int]]:
    """Serve pages by host and path on loopback; yield them with the port."""
    found: dict[str, bytes] = {}

    def answer(_method: str, path: str, headers: Any, _body: bytes) -> Answer:
        page = found.get(f"http://{headers['Host']}{path}")
        return (404, {}, b"not found") if page is None else (200, {}, page)

    serving = Serving(answer)
    serving.start()
    yield found, serving.port
    serving.stop()


@pytest.fixture
def authority(
    world: World,
    environment: dict[str, str],
    function: Callable[[str], ModuleType],
    pages: tuple[dict[str, bytes], int],
    monkeypatch: pytest.MonkeyPatch,
) -> AcmeAuthority:
    setting = Setting(lambda: datetime.now(UTC))
    queue = world.operator.sqs.create_queue(QueueName=f"validations-{world.table}")["QueueUrl"]
    world.judge_as(ValidationQueue=queue)
    values = {
        "AUTHORITY_CONFIGURATION": world.authority_table("AuthorityConfigurationTable"),
        "AUTHORITY_TABLE": world.authority_table("AuthorityTable"),
        "AUDIT_TABLE": world.authority_table("AuthorityAuditTable"),
        "AUTHORITY_BUCKET": world.authority_bucket(),
        "AUTHORITY_SEAL_KEY": world.authority_seal_key,
        "SIGNER_FUNCTION": "signer",
        "AUTHORITY_ADDRESS": setting.address,
        "STS_REGIONS": "eu-central-1",
        "VALIDATION_QUEUE": queue,
        "EVERCERT_LOCAL_VALIDATION": f"127.0.0.1:{pages[1]}",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(signer_client, "SignerFunction", lambda *_: setting.signer)
    front, validator = function("authority"), function("validator")
    authority = AcmeAuthority(setting, front)
    configuration = ConfigurationWriter(world.operator.dynamodb, values["AUTHORITY_CONFIGURATION"])
    configuration.write(*setting.cas.values(), authority.profile)

    def validate() -> list[str]:
        """Deliver the messages of the queue as Lambda does."""
        sqs, delivered = world.operator.sqs, 0
        while messages := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=1).get("Messages", []):
            (message,) = messages
            event = {"Records": [{"messageId": message["MessageId"], "body": message["Body"]}]}
            assert validator.handler(event, None) == {"batchItemFailures": []}
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
            delivered += 1
        return [str(delivered)]

    authority.validate = validate  # type: ignore[method-assign]
    authority.network.pages = pages[0]  # type: ignore[assignment]
    return authority


def test_certificate_is_issued_renewed_and_revoked(authority: AcmeAuthority) -> None:
    client = AcmeClient(authority)
    assert client.register(contact=["mailto:ops@example.com"]).status == 201
    order, chain = client.issue("www.example.com", "api.example.com")
    assert order["status"] == "valid"
    chain[0].verify_directly_issued_by(chain[1])
    assert client.read(f"{client.key_id}/orders").json["orders"]
    renewal = certificate_id(chain[0])
    renewed, _ = client.issue("www.example.com", "api.example.com", replaces=renewal)
    assert renewed["replaces"] == renewal
    assert client.order("www.example.com", replaces=renewal).problem == "alreadyReplaced"
    assert client.revoke(chain[0], reason=4).status == 200
    window = authority.call("GET", f"{client.directory['renewalInfo']}/{renewal}").json["suggestedWindow"]
    assert from_text(window["end"]) <= datetime.now(UTC)


def test_identity_fetches_a_credential(authority: AcmeAuthority, world: World) -> None:
    identity, secret = authority.setting.identity("request")
    configuration = ConfigurationWriter(world.operator.dynamodb, os.environ["AUTHORITY_CONFIGURATION"])
    configuration.write(identity)
    assert identity.universal is not None
    login = json.dumps({"clientId": identity.universal.client_id, "clientSecret": secret}).encode()
    address = authority.setting.address
    kind = {"content_type": "application/json"}
    answer = authority.call("POST", f"{address}/api/v1/auth/universal-auth/login", login, **kind)
    bearer = f"Bearer {answer.json['accessToken']}"
    path = f"{address}/api/v1/cert-manager/acme-credentials/{authority.profile.id}"
    made = authority.call("POST", path, authorization=bearer).json
    client, again = AcmeClient(authority), AcmeClient(authority)
    mac = (made["eabKid"], base64url.decode(made["eabSecret"]))
    assert client.register(mac).status == 201
    assert again.register(mac).problem == "unauthorized"
    client.issue("www.example.com")


def test_identity_approves_the_order_of_another_one(authority: AcmeAuthority, world: World) -> None:
    setting = authority.setting
    configuration = ConfigurationWriter(world.operator.dynamodb, os.environ["AUTHORITY_CONFIGURATION"])
    found = configuration.profile(authority.profile.id)
    assert found is not None
    profile = found.model_copy(update={"approval": ApprovalOptions()})
    (own, _), (other, _) = setting.identity("request", "approve", name="own"), setting.identity("approve", name="other")
    configuration.write(profile, own, other)
    services = authority.module._services()
    credential, mac_key = authority.module._credentials().issue(own, profile)
    client = AcmeClient(authority)
    assert client.register((credential.id, mac_key)).status == 201
    placed = client.order("www.example.com")
    client.prove(placed.json)
    assert client.finalize(placed.json).json["status"] == "processing"
    (waiting,) = services.ports.certificates.waiting(10)
    path = f"{setting.address}/api/v1/cert-manager/certificates/certificate-requests/{waiting.request}/approve"

    def approve(identity: Identity) -> int:
        bearer = f"Bearer {services.access_tokens.issue(identity)['accessToken']}"
        return authority.call("POST", path, authorization=bearer).status

    assert (approve(own), approve(other)) == (403, 200)
    assert client.read(placed.headers["Location"]).json["status"] == "valid"


def test_wrong_page_is_stored_as_the_error(authority: AcmeAuthority) -> None:
    client = AcmeClient(authority)
    client.register()
    placed = client.order("www.example.com")
    url = placed.json["authorizations"][0]
    challenge = next(one for one in client.read(url).json["challenges"] if one["type"] == "http-01")
    authority.network.pages[f"http://www.example.com{HTTP_PATH}{challenge['token']}"] = b"secret page"
    client.post(challenge["url"], {})
    authority.validate()
    found = client.read(url)
    (shown,) = [one for one in found.json["challenges"] if one["type"] == "http-01"]
    assert (shown["status"], shown["error"]["type"].rpartition(":")[2]) == ("processing", "incorrectResponse")
    assert "secret" not in found.text


def test_mac_key_of_the_function_binds_an_account(authority: AcmeAuthority, world: World, context: Any) -> None:
    made = authority.module.handler({"task": "eab", "credential": "team"}, context)
    values = {"id": "team", "profile": authority.profile.id, "sealed": made["sealed"], "created-at": START}
    configuration = ConfigurationWriter(world.operator.dynamodb, os.environ["AUTHORITY_CONFIGURATION"])
    configuration.write(EabCredential.model_validate(values))
    mac_key = base64url.decode(made["mac_key"])
    answer = AcmeClient(authority).register(("team", mac_key))
    assert (answer.status, "externalAccountBinding" in answer.json) == (201, True)
    assert AcmeClient(authority).register(("team", b"\0" * 32)).problem == "unauthorized"


def test_unreadable_message_comes_again(
    authority: AcmeAuthority, function: Callable[[str], ModuleType], capsys: pytest.CaptureFixture[str]
) -> None:
    records = [{"messageId": "m1", "body": json.dumps({"order": 1})}]
    assert function("validator").handler({"Records": records}, None) == {
        "batchItemFailures": [{"itemIdentifier": "m1"}]
    }
    assert "invalid message" in capsys.readouterr().out
