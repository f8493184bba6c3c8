"""A new stack continues with tables and keys of another one; each call is judged against the template of its stack."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from types import ModuleType
from typing import Any

import pytest
from cryptography import x509

from evercert.authority.ca.public_paths import crl_path
from evercert.aws.authority import signer_client
from evercert.aws.authority.configuration_writer import ConfigurationWriter
from evercert.aws.dynamodb.record_store import DynamoDBRecordStore
from evercert.aws.kms import KMSSeal
from evercert.aws.seal_policies import seal_policy
from evercert.aws.sns import SNSAnnouncer
from evercert.aws.sqs import SQSQueue
from evercert.aws.tags import STACK_TAG
from evercert.cli.retained_keys import SEAL_KEYS
from evercert.contracts.record import Record
from evercert.contracts.spec_store import Change
from evercert.destinations.context import DestinationContext, RegisteredDestinations
from evercert.documents.spec import Component, Spec
from evercert.issuance.run import Issuance
from evercert.issuance.settings import IssuerSettings
from tests.doubles.authority.authority import Setting
from tests.doubles.authority.client import CERTIFICATES, MANAGER, NAMES, USAGES
from tests.doubles.fakes import LEASE
from tests.doubles.scripted_ca import ScriptedCA, ScriptedIssuer
from tests.doubles.world import STACK, TEST_DESTINATIONS, World, assert_pair
from tests.functions.conftest import context, environment, function  # noqa: F401 (fixtures)
from tests.functions.test_authority import call
from tests.iam.deployment import Deployment
from tests.iam.judge import ROLES
from tests.iam.live import live
from tests.tools.local_stack import ACCOUNT, REGION

NEW = "successor"
STACK_ID = f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/{NEW}/2"
OWN_KEYS = ("DataKey", "SealKey", "AuthoritySealKey")


def successor(world: World, **tables: str) -> Deployment:
    """Return a new stack with the parameters of docs/how-to/take-over.md, and judge later calls against it."""
    old, kms = world.deployment, world.operator.kms
    parameters = {
        "Authority": "yes",
        "Responder": "yes",
        "RestoredStack": STACK,
        "RestoredTable": world.table,
        "RestoredIssuersTable": world.issuers_table,
        **{f"Restored{key}": old.arn(key) for key in OWN_KEYS},
        **tables,
    }
    mark = uuid.uuid4().hex[:8]
    queue = world.operator.sqs.create_queue(QueueName=f"queue-{mark}")["QueueUrl"]
    physical = {role: f"{NEW}-{role}-{mark}" for role in ROLES.values()}
    physical |= {"Queue": queue, "Topic": world.topic, "AuthorityBucket": f"unused-{mark}"}
    physical |= {key: kms.create_key()["KeyMetadata"]["Arn"] for key in OWN_KEYS}
    new = Deployment(parameters, stack=NEW, stack_id=STACK_ID, physical=physical)
    live.deployed(new)
    for parameter, roles in SEAL_KEYS.items():  # evercert take-over
        key = parameter.removeprefix("Restored")
        policy = json.dumps(seal_policy([new.arn(role) for role in roles], STACK))
        kms.put_key_policy(KeyId=old.arn(key), PolicyName="default", Policy=policy)
    return new


def variables(deployment: Deployment, name: str) -> dict[str, str]:
    """Return the environment that the template gives the function."""
    found = deployment.properties(f"{name}Function")["Environment"]["Variables"]
    return {key: str(value) for key, value in found.items() if not key.startswith("POWERTOOLS_")}


def continue_as(world: World, new: Deployment) -> None:
    """Run checker and issuer with the environment of the new stack."""
    settings = IssuerSettings.of(variables(new, "Issuer"))
    world.queue_url = new.physical["Queue"]
    assert (settings.table, settings.issuers_table) == (world.table, world.issuers_table)
    clients = world.clients
    world.ports = replace(
        world.ports,
        records=DynamoDBRecordStore(clients.dynamodb, settings.table),
        queue=SQSQueue(clients.sqs, world.queue_url),
        seal=KMSSeal(clients.kms, settings.seal_key, settings.data_stack),
        destinations=RegisteredDestinations(DestinationContext(settings.stack_id, clients), TEST_DESTINATIONS),
        announcer=SNSAnnouncer(clients.sns, settings.topic, settings.stack_id),
    )
    world.issuance = Issuance(world.ports, LEASE)


def want(world: World, name: str, issuer: str) -> None:
    spec = Spec.model_validate(
        {
            "name": name,
            "issuer": issuer,
            "attributes": {"common-name": "www.example.com", "ttl": "30d"},
            "destinations": [{"type": "secrets-manager"}],
        }
    )
    record = Record(name=name, uid=str(uuid.uuid4()), spec=spec, generation=1)
    world.specs.write([Change(record, None)], world.clock())


def adopt(world: World, *names: str) -> None:
    """Replace the owner tag, as `evercert adopt --from` does."""
    tags = [{"Key": STACK_TAG, "Value": f"{ACCOUNT}/{REGION}/{NEW}"}]
    for name in names:
        world.operator.secretsmanager.tag_resource(SecretId=f"evercert/certificates/{name}", Tags=tags)


def outcomes(world: World, name: str) -> int:
    keys = [(item["pk"]["S"], item["sk"]["S"]) for item in world.items()]
    return sum(pk == f"certificate#{name}" and sk.startswith("outcome#") for pk, sk in keys)


def test_new_stack_completes_and_renews_without_reissue(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    ca = ScriptedCA(script=["pending", "pending"])
    monkeypatch.setattr(ScriptedIssuer, "transport", ca.transport())
    web, slow = (f"{name}-{world.table[-8:]}" for name in ("web", "slow"))
    world.specs.write_issuer("self", Component.model_validate({"type": "self-signed"}))
    world.specs.write_issuer("ca", Component.model_validate({"type": "scripted", "address": "https://ca.example"}))
    want(world, web, "self")
    want(world, slow, "ca")
    assert world.issuance.run(web).outcome == "certificate.issued"
    assert world.issuance.run(slow).outcome == "pending"
    before, told = world.versions(f"evercert/certificates/{web}")["AWSCURRENT"], outcomes(world, web)

    continue_as(world, successor(world))
    adopt(world, web)
    world.settle(lambda: world.settled(web) and world.settled(slow))
    assert world.versions(f"evercert/certificates/{web}")["AWSCURRENT"] == before
    assert outcomes(world, web) == told  # not reissued
    assert_pair(world.versions(f"evercert/certificates/{slow}")["AWSCURRENT"])  # the key sealed by the old stack
    assert len(set(ca.asked)) == len(ca.issued) == 1
    world.specs.request(web, world.clock())
    world.settle(lambda: world.settled(web))
    renewed = world.versions(f"evercert/certificates/{web}")["AWSCURRENT"]
    assert renewed["serial_number"] != before["serial_number"]
    assert outcomes(world, web) == told + 1
    assert {record.name for record in world.specs.records()} == {web, slow}


@pytest.fixture
def serve(
    world: World,
    environment: dict[str, str],  # noqa: F811
    function: Callable[[str], ModuleType],  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[Deployment, Setting], ModuleType]:
    """Return the front function with the environment of a stack."""

    def load(deployment: Deployment, setting: Setting) -> ModuleType:
        for name, value in {**variables(deployment, "Authority"), "AUTHORITY_ADDRESS": setting.address}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(signer_client, "SignerFunction", lambda *_: setting.signer)
        return function("authority")

    return load


def crl_number(front: ModuleType, context: Any, ca: str) -> int:  # noqa: F811
    front.handler({"task": "crl"}, context)
    status, der = call(front, context, "GET", f"{MANAGER}/crl/{ca}/der")
    assert status == 200
    number = x509.load_der_x509_crl(base64.b64decode(der)).extensions.get_extension_for_class(x509.CRLNumber)
    return int(number.value.crl_number)


def test_new_stack_continues_the_authority(
    world: World,
    serve: Callable[..., ModuleType],
    context: Any,  # noqa: F811
) -> None:
    """Profiles and private keys are found although ids and encryption contexts contain the name of the old stack."""
    setting = Setting(lambda: datetime.now(UTC))
    places = {
        "Configuration": "AuthorityConfigurationTable",
        "Authority": "AuthorityTable",
        "Ledger": "AuthorityLedgerTable",
        "Audit": "AuthorityAuditTable",
    }
    tables = {f"Restored{name}Table": world.authority_table(resource) for name, resource in places.items()}
    bucket = world.authority_bucket()
    identity, secret = setting.identity("request", "read-key")
    profile, application = setting.profile(), setting.application("shop-app", "shop", "tls-server")
    configuration = ConfigurationWriter(world.operator.dynamodb, tables["RestoredConfigurationTable"])
    configuration.write(*setting.cas.values(), profile, application, identity)
    ca = setting.cas["EC-issuing"].id

    old = serve(world.deployment, setting)
    login = {"clientId": identity.universal.client_id, "clientSecret": secret}  # type: ignore[union-attr]
    token = call(old, context, "POST", "/api/v1/auth/universal-auth/login", login)[1]["accessToken"]
    body = {"profileId": profile.id, "attributes": {**NAMES, **USAGES, "ttl": "90d", "keyAlgorithm": "EC_prime256v1"}}
    status, said = call(old, context, "POST", CERTIFICATES, body, token)
    assert status == 200, said
    issued, number = said["certificate"], crl_number(old, context, ca)

    new = serve(successor(world, **tables, RestoredBucket=bucket), setting)
    target = f"{CERTIFICATES}/{issued['certificateId']}"
    assert call(new, context, "GET", f"{MANAGER}/applications/by-name/shop-app", token=token)[0] == 200
    assert call(new, context, "GET", f"{target}/bundle", token=token)[1]["privateKey"] == issued["privateKey"]
    assert call(new, context, "POST", f"{target}/renew", {}, token)[0] == 200
    assert call(new, context, "POST", f"{target}/revoke", {"revocationReason": "SUPERSEDED"}, token)[0] == 200
    assert crl_number(new, context, ca) > number
    listed = call(new, context, "GET", f"{MANAGER}/certificate-profiles/{profile.id}/certificates", token=token)[1]
    assert listed["totalCount"] == 2
    der = world.operator.s3.get_object(Bucket=bucket, Key=crl_path(ca)[1:])["Body"].read()
    assert len(list(x509.load_der_x509_crl(der))) == 1
