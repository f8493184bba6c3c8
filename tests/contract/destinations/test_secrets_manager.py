"""Destination Secrets Manager, against the emulator and against the strict double."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest

from evercert.aws.tags import tag_value
from evercert.canonical_json import canonical_json
from evercert.contracts.destination import Destination
from evercert.contracts.issuer import Request
from evercert.contracts.record import Delivery
from evercert.destinations.context import DestinationContext, RegisteredDestinations
from evercert.destinations.secret_value import estimate, value
from evercert.destinations.secrets_manager import SecretsManager
from evercert.documents.spec import Component
from evercert.errors import Misconfigured, Rejected
from evercert.issuers.self_signed import SelfSigned
from evercert.pki.algorithms import ALGORITHMS
from evercert.pki.certificate import Bundle
from evercert.pki.keys import PrivateKey
from tests.doubles.fakes import START, spec
from tests.doubles.strict_aws import ACCOUNT, REGION, StrictSecretsManager
from tests.doubles.world import assert_pair

NO_DELIVERY = Delivery()


def bundle(name: str = "web") -> Bundle:
    key = PrivateKey.generate("EC_prime256v1")
    wanted = spec(name)
    request = Request(name, wanted, key.sign_csr(wanted.attributes), 1, "token", START)
    return Bundle(SelfSigned(SelfSigned.Settings()).issue_with(request, key).chain, key)


def stack_id(stack: str, region: str = REGION) -> str:
    return f"arn:aws:cloudformation:{region}:{ACCOUNT}:stack/{stack}/1"


@dataclass
class Harness:
    client: Any
    secret: str
    open: Callable[..., Destination]

    def values(self) -> dict[str, dict[str, str]]:
        stages = self.client.describe_secret(SecretId=self.secret)["VersionIdsToStages"].values()
        return {
            stage: json.loads(self.client.get_secret_value(SecretId=self.secret, VersionStage=stage)["SecretString"])
            for held in stages
            for stage in held
        }


@pytest.fixture(params=["strict", "secretsmanager"])
def harness(request: pytest.FixtureRequest) -> Harness:
    if request.param == "strict":
        client: Any = StrictSecretsManager()
        secret = "evercert/certificates/web"
    else:
        world = request.getfixturevalue("world")
        client, secret = world.operator.secretsmanager, world.secret

    def open_destination(certificate: str = "web", stack: str = "stack", home: str = REGION) -> Destination:
        context = DestinationContext(stack_id(stack, home), SimpleNamespace(secretsmanager=client))
        component = Component.model_validate({"type": "secrets-manager", "secret": secret})
        return RegisteredDestinations(context).open(component, certificate)

    return Harness(client, secret, open_destination)


def test_delivery_creates_a_tagged_secret_with_the_bundle(harness: Harness) -> None:
    delivered = harness.open().deliver(bundle(), NO_DELIVERY)
    found = harness.client.describe_secret(SecretId=harness.secret)
    assert delivered.location == found["ARN"]
    assert {(tag["Key"], tag["Value"]) for tag in found["Tags"]} == {
        ("evercert:stack", f"{ACCOUNT}/{REGION}/stack"),
        ("evercert:certificate", "web"),
    }
    assert_pair(harness.values()["AWSCURRENT"])
    assert set(harness.values()["AWSCURRENT"]) == {
        "certificate", "private_key", "certificate_chain", "ca_certificate", "fullchain", "serial_number", "not_after",
        "fingerprint_sha256",
    }  # fmt: skip


def test_delivery_keeps_the_previous_version_readable(harness: Harness) -> None:
    first, second = bundle(), bundle()
    harness.open().deliver(first, NO_DELIVERY)
    delivered = harness.open().deliver(second, NO_DELIVERY)
    values = harness.values()
    assert values["AWSCURRENT"]["serial_number"] == second.chain.serial_number
    assert values["AWSPREVIOUS"]["serial_number"] == first.chain.serial_number
    assert delivered.version in harness.client.describe_secret(SecretId=harness.secret)["VersionIdsToStages"]


def test_repeated_delivery_changes_nothing(harness: Harness) -> None:
    harness.open().deliver(bundle(), NO_DELIVERY)
    second = bundle()
    once = harness.open().deliver(second, NO_DELIVERY)
    before = harness.client.describe_secret(SecretId=harness.secret)["VersionIdsToStages"]
    assert harness.open().deliver(second, NO_DELIVERY) == once
    assert harness.client.describe_secret(SecretId=harness.secret)["VersionIdsToStages"] == before


@pytest.mark.parametrize("hidden", [False, True])
def test_delivery_to_a_replica_is_misconfigured(hidden: bool) -> None:
    client = StrictSecretsManager()
    component = Component.model_validate({"type": "secrets-manager", "secret": "team/tls"})
    context = DestinationContext(stack_id("stack"), SimpleNamespace(secretsmanager=client))
    destination = RegisteredDestinations(context).open(component, "web")
    destination.deliver(bundle(), NO_DELIVERY)
    client.replicate("team/tls", "us-east-1", hidden=hidden)
    with pytest.raises(Misconfigured, match="replica") as caught:
        destination.deliver(bundle(), NO_DELIVERY)
    assert "write region: us-east-1 in the destination" in str(caught.value) or hidden
    assert client.writes == ["create"]


@pytest.mark.parametrize(("primary", "refused"), [("us-east-1", True), (REGION, False)])
def test_inspection_finds_a_replica(primary: str, refused: bool) -> None:
    client = StrictSecretsManager()
    component = Component.model_validate({"type": "secrets-manager", "secret": "team/tls"})
    context = DestinationContext(stack_id("stack"), SimpleNamespace(secretsmanager=client))
    destination = RegisteredDestinations(context).open(component, "web")
    destination.deliver(bundle(), NO_DELIVERY)
    client.replicate("team/tls", primary)
    if refused:
        with pytest.raises(Misconfigured, match="is a replica, which cannot be written; write region: us-east-1"):
            destination.inspect(NO_DELIVERY)
    else:
        destination.inspect(NO_DELIVERY)


def test_delivery_restores_the_current_stage(harness: Harness) -> None:
    harness.open().deliver(bundle(), NO_DELIVERY)
    second = bundle()
    version = harness.open().deliver(second, NO_DELIVERY).version
    stages = harness.client.describe_secret(SecretId=harness.secret)["VersionIdsToStages"]
    previous = next(v for v, held in stages.items() if "AWSPREVIOUS" in held)
    harness.client.update_secret_version_stage(
        SecretId=harness.secret, VersionStage="AWSCURRENT", MoveToVersionId=previous, RemoveFromVersionId=version
    )
    harness.open().deliver(second, NO_DELIVERY)
    assert harness.values()["AWSCURRENT"]["serial_number"] == second.chain.serial_number


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"stack": "another"}, "does not belong to this stack"),
        ({"certificate": "api"}, "two certificates cannot share it"),
    ],
    ids=["another stack", "another certificate"],
)
def test_delivery_leaves_a_foreign_secret_unchanged(harness: Harness, other: dict, message: str) -> None:
    harness.open(**other).deliver(bundle(), NO_DELIVERY)
    before = harness.values()
    with pytest.raises(Misconfigured, match=message):
        harness.open().deliver(bundle(), NO_DELIVERY)
    assert harness.values() == before


def test_stack_of_the_same_name_elsewhere_is_refused(harness: Harness) -> None:
    """Otherwise each daily check of the two stacks moves AWSCURRENT back."""
    delivered = harness.open(home="us-east-1").deliver(bundle(), NO_DELIVERY)
    here, before = Delivery(revision=1, **vars(delivered)), harness.client.describe_secret(SecretId=harness.secret)
    owner = f"the owner in its tag evercert:stack is {ACCOUNT}/us-east-1/stack"
    for _ in range(2):
        for call in (
            lambda: harness.open().deliver(bundle(), NO_DELIVERY),
            lambda: harness.open().examine(here.model_copy(update={"version": "our-version"})),
            lambda: harness.open().inspect(NO_DELIVERY),
        ):
            with pytest.raises(Misconfigured, match=f"^secret .* does not belong to this stack: {owner}; use another"):
                call()
    found = harness.client.describe_secret(SecretId=harness.secret)
    assert (found["VersionIdsToStages"], found["Tags"]) == (before["VersionIdsToStages"], before["Tags"])


def test_secret_with_the_old_tag_is_accepted(harness: Harness) -> None:
    old = [{"Key": "evercert:stack", "Value": "stack"}, {"Key": "evercert:certificate", "Value": "web"}]
    harness.client.create_secret(
        Name=harness.secret, ClientRequestToken="t" * 36, SecretString="{}", Description="", Tags=old
    )
    here = Delivery(revision=1, **vars(harness.open().deliver(made := bundle(), NO_DELIVERY)))
    assert harness.values()["AWSCURRENT"]["serial_number"] == made.chain.serial_number
    assert harness.open().examine(here) is None
    assert harness.client.describe_secret(SecretId=harness.secret)["Tags"] == old


def test_delivery_restores_a_secret_pending_deletion(harness: Harness) -> None:
    harness.open().deliver(bundle(), NO_DELIVERY)
    harness.client.delete_secret(SecretId=harness.secret)
    delivered = harness.open().deliver(second := bundle(), NO_DELIVERY)
    assert harness.values()["AWSCURRENT"]["serial_number"] == second.chain.serial_number
    assert delivered.version


def test_examine_finds_no_drift_after_delivery(harness: Harness) -> None:
    delivered = harness.open().deliver(bundle(), NO_DELIVERY)
    before = harness.values()
    assert harness.open().examine(Delivery(revision=1, **vars(delivered))) is None
    assert harness.values() == before


def test_examine_reverts_a_manual_edit(harness: Harness) -> None:
    made = bundle()
    here = Delivery(revision=1, **vars(harness.open().deliver(made, NO_DELIVERY)))
    harness.client.put_secret_value(SecretId=harness.secret, ClientRequestToken="h" * 36, SecretString='{"by": "hand"}')
    drift = harness.open().examine(here)
    assert drift is not None
    assert drift.repaired == "the delivered version is current again"
    assert harness.values()["AWSCURRENT"]["serial_number"] == made.chain.serial_number
    assert harness.open().examine(here) is None


def test_examine_reports_a_missing_version(harness: Harness) -> None:
    here = Delivery(revision=1, **vars(harness.open().deliver(bundle(), NO_DELIVERY)))
    drift = harness.open().examine(here.model_copy(update={"version": "gone" * 9}))
    assert drift is not None
    assert (drift.repaired, drift.gone) == (None, False)


def test_examine_restores_a_secret_pending_deletion(harness: Harness) -> None:
    here = Delivery(revision=1, **vars(harness.open().deliver(bundle(), NO_DELIVERY)))
    harness.client.delete_secret(SecretId=harness.secret)
    drift = harness.open().examine(here)
    assert drift is not None
    assert "it was restored" in drift.problem
    assert drift.repaired is None
    assert "DeletedDate" not in harness.client.describe_secret(SecretId=harness.secret)


def test_examine_reports_a_deleted_secret(harness: Harness) -> None:
    drift = harness.open().examine(Delivery(revision=1, location="arn", version="v"))
    assert drift is not None
    assert drift.gone


def test_examine_leaves_a_foreign_secret_unchanged(harness: Harness) -> None:
    harness.open(stack="other").deliver(bundle(), NO_DELIVERY)
    before = harness.values()
    with pytest.raises(Misconfigured, match="does not belong to this stack"):
        harness.open().examine(Delivery(revision=1, location="arn", version="v"))
    assert harness.values() == before


# -- rules that only the double enforces ------------------------------------------------------------------------------
def strict() -> tuple[StrictSecretsManager, Callable[[], Destination]]:
    client = StrictSecretsManager()
    settings = SecretsManager.Settings(secret="evercert/certificates/web")
    return client, lambda: SecretsManager(
        settings, "web", DestinationContext(stack_id("stack"), SimpleNamespace(secretsmanager=client))
    )


def test_token_is_unique_per_value() -> None:
    """A token derived from name or revision would collide after a retry with a new key; AWS refuses that."""
    client, open_destination = strict()
    bundles = [bundle() for _ in range(3)]
    for made in bundles:
        open_destination().deliver(made, NO_DELIVERY)
    assert len(client.secrets["evercert/certificates/web"]["values"]) == 3
    open_destination().deliver(bundles[-1], NO_DELIVERY)
    assert client.writes == ["create", "put", "put"]


def test_repeated_creation_returns_the_first_result() -> None:
    _, open_destination = strict()
    made = bundle()
    first = open_destination().deliver(made, NO_DELIVERY)
    assert open_destination().deliver(made, NO_DELIVERY) == first


def test_delivery_refuses_an_oversized_bundle() -> None:
    client, open_destination = strict()

    made = bundle()
    huge = Bundle(SimpleNamespace(
        leaf=made.chain.leaf, leaf_pem="x" * 70_000, issuers_pem="", top_pem="", fullchain_pem="", serial_number="0",
        fingerprint_sha256="0", ends=made.chain.ends,
    ), made.private_key)  # fmt: skip
    with pytest.raises(Rejected, match="65536"):
        open_destination().deliver(huge, NO_DELIVERY)
    assert client.writes == []


@pytest.mark.parametrize("count", [1, 100, 400])
@pytest.mark.parametrize("algorithm", ["EC_prime256v1", "RSA_2048"])
def test_estimate_covers_many_names(count: int, algorithm: str) -> None:
    names = [f"host-{number:05d}.service.example.com" for number in range(count)]
    wanted = spec(attributes={"alt-names": names}, **{"private-key": {"algorithm": algorithm}})
    key = PrivateKey.generate(algorithm)
    chain = (
        SelfSigned(SelfSigned.Settings())
        .issue_with(Request("web", wanted, key.sign_csr(wanted.attributes), 1, "t", START), key)
        .chain
    )
    real = len(json.dumps(value(Bundle(chain, key))))
    assert real <= estimate(wanted) <= real * 2 + 25_000


def test_check_refuses_too_many_names() -> None:
    names = [f"host-{number:05d}.service.example.com" for number in range(2_000)]
    with pytest.raises(Rejected, match="split the certificate"):
        SecretsManager.Settings(secret="a").check(spec(attributes={"alt-names": names}))


@pytest.mark.parametrize(("name", "secret"), [("web", "web"), ("*.example.com", "_wildcard.example.com")])
def test_wildcard_is_encoded_in_names_and_tags(name: str, secret: str) -> None:
    assert tag_value(name) == secret
    settings = SecretsManager.Settings.model_validate({}, context={"certificate": name})
    assert settings.secret == f"evercert/certificates/{secret}"


def test_settings_refuse_a_secret_for_credentials() -> None:
    with pytest.raises(ValueError, match="is reserved for credentials"):
        SecretsManager.Settings(secret="evercert/credentials/infisical")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_estimate_covers_every_algorithm(algorithm: str) -> None:
    full = {
        "organization": "O" * 64,
        "organizational-unit": "U" * 64,
        "street-address": "S" * 100,
        "locality": "L" * 100,
    }
    names = [f"{'n' * 40}{number}.example.com" for number in range(100)]
    for attributes in ({"alt-names": names}, {"common-name": "www.example.com", **full, "alt-names": names[:1]}):
        wanted = spec(attributes=attributes, **{"private-key": {"algorithm": algorithm}})
        key = PrivateKey.generate(wanted.private_key.algorithm)
        request = Request("web", wanted, key.sign_csr(wanted.attributes), 1, "token", START)
        issued = SelfSigned(SelfSigned.Settings()).issue_with(request, key).chain
        stored = len(canonical_json(value(Bundle(issued, key))))
        assert stored <= estimate(wanted) <= stored + 25_000


def test_delivery_stores_a_bundle_without_private_key(harness: Harness) -> None:
    harness.open().deliver(Bundle(bundle().chain, None), NO_DELIVERY)
    stored = harness.values()["AWSCURRENT"]
    assert "private_key" not in stored
    assert stored["certificate"].startswith("-----BEGIN CERTIFICATE-----")


@pytest.mark.parametrize("name", ["evercert/certificates/../x", "./x", "a/.", ".."])
def test_settings_refuse_dot_segments(name: str) -> None:
    with pytest.raises(ValueError, match="between slashes"):
        SecretsManager.Settings(secret=name)


def test_settings_accept_dots_within_names() -> None:
    assert SecretsManager.Settings(secret="evercert/certificates/www..example.com.").secret.endswith(".com.")


@pytest.mark.parametrize("current", [True, False], ids=["another version is current", "no version is current"])
def test_delivery_labels_a_version_whose_labels_were_removed(current: bool) -> None:
    """PutSecretValue with a known token succeeds and moves no label."""
    client, open_destination = strict()
    delivered = open_destination().deliver(made := bundle(), NO_DELIVERY)
    name = "evercert/certificates/web"
    if current:
        client.put_secret_value(SecretId=name, ClientRequestToken="h" * 36, SecretString="{}")
    client.remove_labels(name, delivered.version)
    assert open_destination().deliver(made, NO_DELIVERY) == delivered
    assert (
        json.loads(client.get_secret_value(SecretId=name)["SecretString"])["serial_number"] == made.chain.serial_number
    )


# -- customer managed keys --------------------------------------------------------------------------------------------
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1"


def encrypted(client: StrictSecretsManager, **settings: str) -> Destination:
    found = SecretsManager.Settings.model_validate({"secret": "evercert/certificates/web", **settings})
    return SecretsManager(found, "web", DestinationContext(stack_id("stack"), SimpleNamespace(secretsmanager=client)))


def test_new_secret_is_encrypted_with_the_key() -> None:
    client = StrictSecretsManager()
    client.keys[KEY] = "usable"
    encrypted(client, **{"kms-key": KEY}).deliver(bundle(), NO_DELIVERY)
    assert client.secrets["evercert/certificates/web"]["key"] == KEY
    encrypted(client).deliver(bundle(), NO_DELIVERY)  # the secret keeps its key
    assert client.secrets["evercert/certificates/web"]["key"] == KEY


@pytest.mark.parametrize("adopted", [False, True])
@pytest.mark.parametrize(
    ("state", "message"),
    [
        ("denied", "Access to KMS is not allowed; list the secret's key in the stack's parameter SecretKeys"),
        ("disabled", "EncryptionFailure: Secrets Manager can't encrypt the protected secret text"),
    ],
)
def test_unusable_key_is_misconfigured(state: str, message: str, adopted: bool) -> None:
    client = StrictSecretsManager()
    if adopted:
        client.keys[KEY] = "usable"
        encrypted(client, **{"kms-key": KEY}).deliver(bundle(), NO_DELIVERY)
    client.keys[KEY] = state
    with pytest.raises(Misconfigured, match=message) as caught:
        encrypted(client, **{"kms-key": KEY}).deliver(bundle(), NO_DELIVERY)
    assert "\n" not in str(caught.value)


def test_settings_refuse_a_key_of_another_region() -> None:
    with pytest.raises(ValueError, match="must be a key in us-east-1, the region of the destination"):
        SecretsManager.Settings.model_validate({"secret": "a", "region": "us-east-1", "kms-key": KEY})
