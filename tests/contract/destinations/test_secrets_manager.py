"""One suite for the destination: the emulator's Secrets Manager and the strict double."""

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
from evercert.destinations.secrets_manager import SecretsManager, _estimate, value
from evercert.documents.spec import Component
from evercert.errors import Misconfigured, Rejected
from evercert.issuers.self_signed import SelfSigned
from evercert.pki.algorithms import ALGORITHMS
from evercert.pki.certificate import Bundle
from evercert.pki.keys import PrivateKey
from tests.doubles.fakes import START, spec
from tests.doubles.strict_aws import StrictSecretsManager
from tests.doubles.world import STACK_ID, assert_pair

NOTHING = Delivery()


def bundle(name: str = "web") -> Bundle:
    key = PrivateKey.generate("EC_prime256v1")
    wanted = spec(name)
    request = Request(name, wanted, key.sign_csr(wanted.attributes), 1, "token", START)
    return Bundle(SelfSigned(SelfSigned.Settings()).issue_with(request, key).chain, key)


@dataclass
class Vault:
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
def vault(request: pytest.FixtureRequest) -> Vault:
    if request.param == "strict":
        client: Any = StrictSecretsManager()
        secret = "evercert/certificates/web"
    else:
        world = request.getfixturevalue("world")
        client, secret = world.operator.secretsmanager, world.secret

    def opened(certificate: str = "web", stack: str = "stack") -> Destination:
        context = DestinationContext(stack, STACK_ID, SimpleNamespace(secretsmanager=client))
        component = Component.model_validate({"type": "secrets-manager", "secret": secret})
        return RegisteredDestinations(context).open(component, certificate)

    return Vault(client, secret, opened)


def test_the_first_delivery_creates_a_tagged_secret_with_the_whole_bundle(vault: Vault) -> None:
    delivered = vault.open().deliver(bundle(), NOTHING)
    found = vault.client.describe_secret(SecretId=vault.secret)
    assert delivered.location == found["ARN"]
    assert {(tag["Key"], tag["Value"]) for tag in found["Tags"]} == {
        ("evercert:stack", "stack"),
        ("evercert:certificate", "web"),
    }
    assert_pair(vault.values()["AWSCURRENT"])
    assert set(vault.values()["AWSCURRENT"]) == {
        "certificate", "private_key", "certificate_chain", "ca_certificate", "fullchain", "serial_number", "not_after",
        "fingerprint_sha256",
    }  # fmt: skip


def test_the_next_delivery_becomes_current_and_keeps_the_previous_readable(vault: Vault) -> None:
    first, second = bundle(), bundle()
    vault.open().deliver(first, NOTHING)
    delivered = vault.open().deliver(second, NOTHING)
    values = vault.values()
    assert values["AWSCURRENT"]["serial_number"] == second.chain.serial_number
    assert values["AWSPREVIOUS"]["serial_number"] == first.chain.serial_number
    assert delivered.version in vault.client.describe_secret(SecretId=vault.secret)["VersionIdsToStages"]


def test_a_repeated_delivery_changes_nothing(vault: Vault) -> None:
    vault.open().deliver(bundle(), NOTHING)
    second = bundle()
    once = vault.open().deliver(second, NOTHING)
    before = vault.client.describe_secret(SecretId=vault.secret)["VersionIdsToStages"]
    assert vault.open().deliver(second, NOTHING) == once
    assert vault.client.describe_secret(SecretId=vault.secret)["VersionIdsToStages"] == before


def test_a_version_that_lost_the_current_stage_gets_it_back(vault: Vault) -> None:
    vault.open().deliver(bundle(), NOTHING)
    second = bundle()
    version = vault.open().deliver(second, NOTHING).version
    stages = vault.client.describe_secret(SecretId=vault.secret)["VersionIdsToStages"]
    previous = next(v for v, held in stages.items() if "AWSPREVIOUS" in held)
    vault.client.update_secret_version_stage(
        SecretId=vault.secret, VersionStage="AWSCURRENT", MoveToVersionId=previous, RemoveFromVersionId=version
    )
    vault.open().deliver(second, NOTHING)
    assert vault.values()["AWSCURRENT"]["serial_number"] == second.chain.serial_number


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"stack": "another"}, "does not belong to this stack"),
        ({"certificate": "api"}, "two certificates cannot share it"),
    ],
    ids=["another stack's", "another certificate's"],
)
def test_somebody_elses_secret_is_left_alone(vault: Vault, other: dict, says: str) -> None:
    vault.open(**other).deliver(bundle(), NOTHING)
    before = vault.values()
    with pytest.raises(Misconfigured, match=says):
        vault.open().deliver(bundle(), NOTHING)
    assert vault.values() == before


def test_a_secret_that_is_being_deleted_is_restored_for_what_is_delivered(vault: Vault) -> None:
    vault.open().deliver(bundle(), NOTHING)
    vault.client.delete_secret(SecretId=vault.secret)
    delivered = vault.open().deliver(second := bundle(), NOTHING)
    assert vault.values()["AWSCURRENT"]["serial_number"] == second.chain.serial_number
    assert delivered.version


def test_what_was_delivered_has_not_drifted(vault: Vault) -> None:
    delivered = vault.open().deliver(bundle(), NOTHING)
    before = vault.values()
    assert vault.open().examine(Delivery(revision=1, **vars(delivered))) is None
    assert vault.values() == before


def test_a_value_put_by_hand_is_moved_away_and_ours_is_current_again(vault: Vault) -> None:
    made = bundle()
    here = Delivery(revision=1, **vars(vault.open().deliver(made, NOTHING)))
    vault.client.put_secret_value(SecretId=vault.secret, ClientRequestToken="h" * 36, SecretString='{"by": "hand"}')
    drift = vault.open().examine(here)
    assert drift is not None
    assert drift.repaired == "our version was made current again"
    assert vault.values()["AWSCURRENT"]["serial_number"] == made.chain.serial_number
    assert vault.open().examine(here) is None


def test_a_version_that_is_gone_takes_a_new_certificate(vault: Vault) -> None:
    here = Delivery(revision=1, **vars(vault.open().deliver(bundle(), NOTHING)))
    drift = vault.open().examine(here.model_copy(update={"version": "gone" * 9}))
    assert drift is not None
    assert (drift.repaired, drift.gone) == (None, False)


def test_a_secret_that_was_scheduled_for_deletion_is_restored_and_takes_a_new_certificate(vault: Vault) -> None:
    here = Delivery(revision=1, **vars(vault.open().deliver(bundle(), NOTHING)))
    vault.client.delete_secret(SecretId=vault.secret)
    drift = vault.open().examine(here)
    assert drift is not None
    assert "it was restored" in drift.problem
    assert drift.repaired is None
    assert "DeletedDate" not in vault.client.describe_secret(SecretId=vault.secret)


def test_a_secret_that_was_deleted_has_no_place_any_more(vault: Vault) -> None:
    drift = vault.open().examine(Delivery(revision=1, location="arn", version="v"))
    assert drift is not None
    assert drift.gone


def test_somebody_elses_secret_under_the_name_is_examined_and_left_alone(vault: Vault) -> None:
    vault.open(stack="other").deliver(bundle(), NOTHING)
    before = vault.values()
    with pytest.raises(Misconfigured, match="does not belong to this stack"):
        vault.open().examine(Delivery(revision=1, location="arn", version="v"))
    assert vault.values() == before


# -- rules that only the double enforces ------------------------------------------------------------------------------
def strict() -> tuple[StrictSecretsManager, Callable[[], Destination]]:
    client = StrictSecretsManager()
    settings = SecretsManager.Settings(secret="evercert/certificates/web")
    return client, lambda: SecretsManager(
        settings, "web", DestinationContext("stack", STACK_ID, SimpleNamespace(secretsmanager=client))
    )


def test_no_two_values_share_a_token_and_one_value_has_one() -> None:
    """A token made from name or revision would collide after a retry with a new key (AWS refuses it)."""
    client, opened = strict()
    bundles = [bundle() for _ in range(3)]
    for made in bundles:
        opened().deliver(made, NOTHING)
    assert len(client.secrets["evercert/certificates/web"]["values"]) == 3
    opened().deliver(bundles[-1], NOTHING)
    assert client.writes == ["create", "put", "put"]


def test_a_late_duplicate_of_the_creation_is_no_error() -> None:
    _, opened = strict()
    made = bundle()
    first = opened().deliver(made, NOTHING)
    assert opened().deliver(made, NOTHING) == first


def test_a_bundle_larger_than_a_secret_is_refused_before_aws_hears_of_it() -> None:
    client, opened = strict()

    made = bundle()
    huge = Bundle(SimpleNamespace(
        leaf=made.chain.leaf, leaf_pem="x" * 70_000, issuers_pem="", top_pem="", fullchain_pem="", serial_number="0",
        fingerprint_sha256="0",
    ), made.private_key)  # fmt: skip
    with pytest.raises(Rejected, match="65536"):
        opened().deliver(huge, NOTHING)
    assert client.writes == []


@pytest.mark.parametrize("count", [1, 100, 400])
@pytest.mark.parametrize("algorithm", ["EC_prime256v1", "RSA_2048"])
def test_the_estimate_before_issuing_is_never_below_the_real_size(count: int, algorithm: str) -> None:
    names = [f"host-{number:05d}.service.example.com" for number in range(count)]
    wanted = spec(attributes={"alt-names": names}, **{"private-key": {"algorithm": algorithm}})
    key = PrivateKey.generate(algorithm)
    chain = (
        SelfSigned(SelfSigned.Settings())
        .issue_with(Request("web", wanted, key.sign_csr(wanted.attributes), 1, "t", START), key)
        .chain
    )
    from evercert.destinations.secrets_manager import _estimate

    real = len(json.dumps(value(Bundle(chain, key))))
    assert real <= _estimate(wanted) <= real * 2 + 25_000


def test_names_that_cannot_fit_are_refused_before_anything_is_issued() -> None:
    names = [f"host-{number:05d}.service.example.com" for number in range(2_000)]
    with pytest.raises(Rejected, match="split the certificate"):
        SecretsManager.check(spec(attributes={"alt-names": names}))


@pytest.mark.parametrize(("name", "secret"), [("web", "web"), ("*.example.com", "_wildcard.example.com")])
def test_a_wildcard_is_written_out_in_names_and_tags(name: str, secret: str) -> None:
    assert tag_value(name) == secret
    settings = SecretsManager.Settings.model_validate({}, context={"certificate": name})
    assert settings.secret == f"evercert/certificates/{secret}"


def test_a_credential_is_no_destination() -> None:
    with pytest.raises(ValueError, match="is reserved for credentials"):
        SecretsManager.Settings(secret="evercert/credentials/infisical")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_what_is_estimated_before_issuing_is_never_less_than_what_is_stored(algorithm: str) -> None:
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
        assert stored <= _estimate(wanted) <= stored + 25_000


def test_a_bundle_without_a_private_key_is_stored_without_one(vault: Vault) -> None:
    vault.open().deliver(Bundle(bundle().chain, None), NOTHING)
    stored = vault.values()["AWSCURRENT"]
    assert "private_key" not in stored
    assert stored["certificate"].startswith("-----BEGIN CERTIFICATE-----")


@pytest.mark.parametrize("name", ["evercert/certificates/../x", "./x", "a/.", ".."])
def test_a_name_is_no_way_to_elsewhere(name: str) -> None:
    with pytest.raises(ValueError, match="between slashes"):
        SecretsManager.Settings(secret=name)


def test_dots_within_a_name_are_fine() -> None:
    assert SecretsManager.Settings(secret="evercert/certificates/www..example.com.").secret.endswith(".com.")
