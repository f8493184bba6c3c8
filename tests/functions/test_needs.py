"""Calls that no other function test makes, so that their permissions are recorded (tests/iam)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from evercert.aws.authority.signer_client import SignerFunction
from evercert.aws.credential_reader import Credentials
from evercert.aws.dynamodb.account_store import DynamoDBAccounts
from evercert.aws.dynamodb.consumers import DynamoDBConsumers
from evercert.aws.dynamodb.http_answers import DynamoDBHTTPAnswers
from evercert.aws.dynamodb.leases import DynamoDBLeases
from evercert.aws.kms_signer import KMSSigner
from evercert.aws.route53 import RecordSet, Route53Clients, TXTRecords
from evercert.aws.validator_client import ValidatorClient
from evercert.contracts.accounts import StoredAccount
from evercert.contracts.consumers import Acknowledgement
from evercert.contracts.destination import Destination
from evercert.contracts.probe import ProbeTarget
from evercert.contracts.queue import Nudge
from evercert.contracts.record import Delivery
from evercert.contracts.solver import Lease, LeasedValue
from evercert.documents.secret_reference import Reference
from evercert.documents.spec import Component
from evercert.errors import EvercertError
from tests.contract.destinations.test_acm import bundle
from tests.contract.destinations.test_context import destination_role
from tests.doubles.authority.ceremony import Ceremony, order
from tests.doubles.fakes import START
from tests.doubles.world import STACK_ID, World
from tests.tools.local_stack import REGION, Emulator

ADDRESS = "https://ca.example"
OTHER_REGION = "us-east-1"
NOWHERE = Delivery()
TOKEN = "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA"


@pytest.fixture
def open_destination(world: World, environment: dict[str, str]) -> Callable[..., Destination]:
    world.judge_as({"DestinationRegions": OTHER_REGION})
    return lambda **settings: world.ports.destinations.open(Component.model_validate(settings), "web")


def test_issuer_creates_writes_moves_and_restores_secrets(world: World, open_destination: Callable[..., Any]) -> None:
    secrets = world.operator.secretsmanager
    destination = open_destination(type="secrets-manager", secret=world.secret)
    old = destination.deliver(bundle(), NOWHERE).version
    new = destination.deliver(second := bundle(number=1), NOWHERE).version
    moved = {"MoveToVersionId": old, "RemoveFromVersionId": new}
    secrets.update_secret_version_stage(SecretId=world.secret, VersionStage="AWSCURRENT", **moved)
    destination.deliver(second, NOWHERE)
    secrets.delete_secret(SecretId=world.secret)
    destination.deliver(second, NOWHERE)
    open_destination(type="secrets-manager", secret=world.secret, region=OTHER_REGION).deliver(bundle(), NOWHERE)


def test_issuer_writes_adopted_secrets(world: World, open_destination: Callable[..., Any]) -> None:
    """Secrets of the parameter SecretArns, which an operator created and tagged."""
    secrets = world.operator.secretsmanager
    open_destination(type="secrets-manager", secret=world.secret).deliver(bundle(), NOWHERE)
    tags = secrets.describe_secret(SecretId=world.secret)["Tags"]
    name = f"team/{world.secret.rpartition('/')[2]}"
    arn = secrets.create_secret(Name=name, SecretString="{}", Tags=tags)["ARN"]
    world.judge_as({"SecretArns": arn})
    destination = open_destination(type="secrets-manager", secret=name)
    new = destination.deliver(second := bundle(number=1), NOWHERE).version
    (old,) = {*secrets.describe_secret(SecretId=arn)["VersionIdsToStages"]} - {new}
    moved = {"MoveToVersionId": old, "RemoveFromVersionId": new}
    secrets.update_secret_version_stage(SecretId=arn, VersionStage="AWSCURRENT", **moved)
    destination.deliver(second, NOWHERE)
    secrets.delete_secret(SecretId=arn)
    destination.deliver(second, NOWHERE)


@pytest.mark.parametrize("region", [None, OTHER_REGION])
def test_issuer_imports_certificates(open_destination: Callable[..., Any], region: str | None) -> None:
    destination = open_destination(type="acm", **({"region": region} if region else {}))
    here = Delivery(revision=1, **vars(destination.deliver(bundle(), NOWHERE)))
    destination.deliver(bundle(number=1), here)
    destination.examine(here)
    assert destination.find(datetime.now(UTC) - timedelta(minutes=1))


def test_issuer_assumes_destination_roles(
    world: World, running: Emulator, open_destination: Callable[..., Any]
) -> None:
    arn = destination_role(running)
    world.judge_as({"DestinationRoles": arn})
    assert open_destination(type="acm", role=arn).deliver(bundle(), NOWHERE).location


def test_issuer_stores_and_removes_answers_and_accounts(world: World, environment: dict[str, str]) -> None:
    answers = DynamoDBHTTPAnswers(world.clients.dynamodb, world.table)
    answers.put(TOKEN, f"{TOKEN}.thumbprint", datetime.now(UTC) + timedelta(hours=1))
    answers.delete(TOKEN, f"{TOKEN}.thumbprint")
    accounts = DynamoDBAccounts(world.clients.dynamodb, world.table)
    assert accounts.create("account", "sealed")
    assert accounts.register("account", StoredAccount("sealed", "https://ca.example/1"))
    assert accounts.read("account") is not None


def test_issuer_signs_with_listed_account_keys(world: World, environment: dict[str, str]) -> None:
    create = world.operator.kms.create_key
    for spec in ("ECC_NIST_P256", "ECC_NIST_P384", "RSA_2048"):
        key = create(KeySpec=spec, KeyUsage="SIGN_VERIFY")["KeyMetadata"]["Arn"]
        world.judge_as({"AccountKeys": key})
        assert KMSSigner(world.clients.kms, key).sign(b"data")


def test_issuer_changes_accounts(world: World, environment: dict[str, str]) -> None:
    accounts = DynamoDBAccounts(world.clients.dynamodb, world.table)
    assert accounts.create("account", "sealed")
    assert accounts.register("account", registered := StoredAccount("sealed", "https://ca.example/1"))
    assert accounts.begin_key_change("account", registered, "next")
    begun = accounts.read("account")
    assert begun is not None and accounts.finish_key_change("account", begun, "https://ca.example/1")
    assert accounts.mark_deactivated("account", StoredAccount("next"), deactivated=True)
    assert accounts.replace("account", StoredAccount("next"), "another")


@pytest.mark.parametrize("elsewhere", [False, True], ids=["here", "elsewhere"])
def test_issuer_writes_records_of_challenges(
    world: World, running: Emulator, environment: dict[str, str], elsewhere: bool
) -> None:
    """The emulator has the zones of a role's account apart from those of the stack's."""
    arn = destination_role(running, actions="route53:*") if elsewhere else None
    clients = Route53Clients(world.clients, STACK_ID)
    owner = world.operator.client("route53") if arn is None else clients.of(arn)
    name = f"{world.secret.rpartition('/')[2]}.example.com"
    zone = owner.create_hosted_zone(Name=name, CallerReference=name)["HostedZone"]["Id"].rpartition("/")[2]
    world.judge_as({"SolverRoles": arn} if arn else {"HostedZones": f"Z0OTHER,{zone}"})
    records, place = TXTRecords(clients.of(arn), arn), RecordSet(zone, f"_acme-challenge.{name}")
    assert records.zone_of(place.name) == zone
    for text in ("apex", "wildcard"):
        records.is_in_sync(records.add(place, text, lambda: None))
    for text in ("apex", "wildcard"):
        records.remove(place, text, lambda: None)
    assert records.values(place) == []
    leases = DynamoDBLeases(world.clients.dynamodb, world.table)
    value = LeasedValue("text", START)
    wanted = Lease(zone, "owner", START + timedelta(seconds=60), frozenset({value}))
    assert leases.take(wanted, START) == wanted
    leases.release(wanted, {value})


@pytest.mark.parametrize("kind", ["aws-secret", "aws-parameter"])
def test_issuer_reads_credentials(world: World, kind: str) -> None:
    name = f"evercert/credentials/{world.secret.rpartition('/')[2]}"
    text = f'{{"address": "{ADDRESS}", "client-id": "i"}}'
    if kind == "aws-secret":
        world.operator.secretsmanager.create_secret(Name=name, SecretString=text)
    else:
        world.operator.ssm.put_parameter(Name=f"/{name}", Value=text, Type="SecureString")
        name = f"/{name}"
    found = Credentials(world.clients).read(Reference.model_validate({kind: name}), ADDRESS)
    assert found == {"client-id": "i"}


def test_issuer_uses_secrets_under_a_listed_key(world: World, open_destination: Callable[..., Any]) -> None:
    """The emulator asks for no permission on the key; the judge does."""
    key, secrets = world.operator.kms.create_key()["KeyMetadata"]["Arn"], world.operator.secretsmanager
    destination = open_destination(type="secrets-manager", secret=world.secret, **{"kms-key": key})
    world.judge_as({"SecretKeys": key})
    destination.deliver(bundle(), NOWHERE)
    destination.deliver(bundle(number=1), NOWHERE)
    assert secrets.describe_secret(SecretId=world.secret)["KmsKeyId"] == key
    name = f"evercert/credentials/{world.secret.rpartition('/')[2]}"
    secrets.create_secret(Name=name, SecretString=f'{{"address": "{ADDRESS}", "client-id": "i"}}', KmsKeyId=key)
    found = Credentials(world.clients).read(Reference.model_validate({"aws-secret": name}), ADDRESS)
    assert found == {"client-id": "i"}


def test_issuer_stores_objects(world: World, open_destination: Callable[..., Any]) -> None:
    """The emulator asks for no permission on the key; the judge does."""
    key, s3 = world.operator.kms.create_key()["KeyMetadata"]["Arn"], world.operator.s3
    bucket = f"bucket-{world.secret.rpartition('/')[2]}"
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    world.judge_as({"SecretKeys": key, "DestinationBuckets": f"arn:aws:s3:::{bucket}"})
    destination = open_destination(type="s3", bucket=bucket, **{"kms-key": key})
    destination.preflight(None, NOWHERE)
    here = Delivery(revision=1, **vars(destination.deliver(bundle(), NOWHERE)))
    destination.deliver(bundle(number=1), here)
    assert destination.examine(here) is not None


@pytest.mark.parametrize("region", [None, OTHER_REGION])
def test_issuer_stores_parameters(world: World, open_destination: Callable[..., Any], region: str | None) -> None:
    key, name = world.operator.kms.create_key()["KeyMetadata"]["Arn"], f"/{world.secret}"
    world.judge_as({"SecretKeys": key, "DestinationRegions": OTHER_REGION})
    where = {"region": region} if region else {"kms-key": key}
    destination = open_destination(type="ssm-parameter", parameter=name, **where)
    destination.preflight(None, NOWHERE)
    here = Delivery(revision=1, **vars(destination.deliver(bundle(), NOWHERE)))
    destination.deliver(bundle(number=1), here)
    assert destination.examine(here) is not None


def test_issuer_sends_itself_a_message(world: World) -> None:
    world.ports.queue.send_later(Nudge("web"), timedelta(seconds=1))


def test_front_invokes_the_signer(world: World) -> None:
    """The emulator has no such function, but the call needs the permission nevertheless."""
    made = Ceremony(now=datetime.now(UTC))
    with pytest.raises(EvercertError):
        SignerFunction(world.clients.lambda_, "SignerFunction").leaf(order(made.issuing, datetime.now(UTC)))


def test_issuer_invokes_the_validator(world: World) -> None:
    with pytest.raises(EvercertError):
        ValidatorClient(lambda: world.clients.lambda_, "ValidatorFunction").probe(ProbeTarget("a.example", 443, None))


def test_issuer_reads_consumers(world: World) -> None:
    found = DynamoDBConsumers(world.clients.dynamodb, world.authority_table("ConsumersTable"))
    one = {"consumer": "AROA:i-1", "certificate": "web", "fingerprint_sha256": "f" * 64}
    found.acknowledge(Acknowledgement(**one, loaded_at=datetime.now(UTC), seen_at=datetime.now(UTC)))
    assert len(found.of("web").known) == 1
