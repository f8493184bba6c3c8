"""Formats of the stored value, in secrets of the emulator and of the strict double."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import pkcs12

from evercert.contracts.destination import Destination
from evercert.contracts.record import Delivery
from evercert.destinations.context import DestinationContext, RegisteredDestinations
from evercert.destinations.secret_value import Format, estimate, least, value
from evercert.destinations.secrets_manager import SecretsManager
from evercert.destinations.stored_value import ValueSettings, render
from evercert.documents.spec import Component
from evercert.errors import Misconfigured, Rejected
from evercert.pki.algorithms import ALGORITHMS
from evercert.pki.certificate import Bundle, Chain
from evercert.pki.keys import PrivateKey
from tests.contract.destinations.test_secrets_manager import bundle, stack_id
from tests.doubles.fakes import spec
from tests.doubles.strict_aws import StrictSecretsManager
from tests.samples import chains
from tests.samples.certificates import private_key

NO_DELIVERY = Delivery()
FORMATS: tuple[Format, ...] = ("json", "pem", "pkcs12")
PASSPHRASE = "correct horse"


@dataclass
class Harness:
    client: Any
    secret: str

    def open(self, form: str, passphrase: str = PASSPHRASE, **more: Any) -> Destination:
        self.store(passphrase)
        settings = {"type": "secrets-manager", "secret": self.secret, "format": form, **more}
        if form == "pkcs12":
            settings |= {"passphrase": {"aws-secret": self.credential}}
        context = DestinationContext(stack_id("stack"), SimpleNamespace(secretsmanager=self.client))
        return RegisteredDestinations(context).open(Component.model_validate(settings), "web")

    @property
    def credential(self) -> str:
        return f"evercert/credentials/{self.secret.rpartition('/')[2]}"

    def store(self, passphrase: Any) -> None:
        text = passphrase if isinstance(passphrase, bytes) else json.dumps({"passphrase": passphrase})
        text = text.decode() if isinstance(text, bytes) else text
        more: dict[str, Any] = {
            "ClientRequestToken": f"{hash(text):x}".ljust(36, "x").replace("-", "n"),
            "SecretString": text,
        }
        try:
            self.client.create_secret(Name=self.credential, Description="", Tags=[], **more)
        except Exception:  # noqa: BLE001 (it exists)
            self.client.put_secret_value(SecretId=self.credential, **more)

    def current(self) -> Any:
        return self.client.get_secret_value(SecretId=self.secret)


@pytest.fixture(params=["strict", "secretsmanager"])
def harness(request: pytest.FixtureRequest) -> Harness:
    if request.param == "strict":
        return Harness(StrictSecretsManager(), "evercert/certificates/web")
    world = request.getfixturevalue("world")
    return Harness(world.operator.secretsmanager, world.secret)


def test_pem_secret_has_leaf_issuers_and_key(harness: Harness) -> None:
    made = bundle()
    harness.open("pem").deliver(made, NO_DELIVERY)
    text = harness.current()["SecretString"]
    assert x509.load_pem_x509_certificates(text.encode()) == [made.chain.leaf]
    assert (
        PrivateKey.from_pem(text[text.index("-----BEGIN PRIVATE") :]).public_bytes() == made.private_key.public_bytes()
    )  # type: ignore[union-attr]


def test_pkcs12_secret_is_binary_and_opens_with_the_passphrase(harness: Harness) -> None:
    made = bundle()
    harness.open("pkcs12").deliver(made, NO_DELIVERY)
    loaded = pkcs12.load_pkcs12(harness.current()["SecretBinary"], PASSPHRASE.encode())
    assert loaded.cert is not None
    assert (loaded.cert.certificate, loaded.cert.friendly_name) == (made.chain.leaf, b"web")


@pytest.mark.parametrize("form", FORMATS)
def test_repeated_delivery_creates_no_version(harness: Harness, form: str) -> None:
    """PKCS #12 is salted: its bytes differ at each delivery."""
    made = bundle()
    harness.open(form).deliver(bundle(), NO_DELIVERY)
    once = harness.open(form).deliver(made, NO_DELIVERY)
    stages = harness.client.describe_secret(SecretId=harness.secret)["VersionIdsToStages"]
    assert harness.open(form).deliver(made, NO_DELIVERY) == once
    assert harness.client.describe_secret(SecretId=harness.secret)["VersionIdsToStages"] == stages


def test_pkcs12_version_without_labels_becomes_current_again() -> None:
    """AWS refuses other bytes under the token of an existing version, which DescribeSecret does not show."""
    harness = Harness(StrictSecretsManager(), "evercert/certificates/web")
    once = harness.open("pkcs12").deliver(made := bundle(), NO_DELIVERY)
    harness.client.put_secret_value(SecretId=harness.secret, ClientRequestToken="h" * 36, SecretString="{}")
    harness.client.remove_labels(harness.secret, once.version)
    assert harness.open("pkcs12").deliver(made, NO_DELIVERY) == once
    assert "SecretBinary" in harness.current()


def test_another_format_is_another_version(harness: Harness) -> None:
    made = bundle()
    versions = {harness.open(form).deliver(made, NO_DELIVERY).version for form in FORMATS}
    assert len(versions) == len(FORMATS)


def test_json_keeps_its_version_and_identity() -> None:
    """Secrets of earlier releases get no new version, and their destinations keep their keys."""
    made, settings = bundle(), SecretsManager.Settings.model_validate({"secret": "a", "format": "json"})
    assert settings.model_dump(mode="json", by_alias=True, exclude_none=True) == {"secret": "a"}
    harness = Harness(StrictSecretsManager(), "evercert/certificates/web")
    harness.open("json").deliver(made, NO_DELIVERY)
    assert json.loads(harness.current()["SecretString"]) == value(made)


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        ("short", "is unsuitable: a passphrase has 6 to 128 ASCII characters"),
        (7, "has no text at key 'passphrase'"),
        (b'{"address": "https://ca.example", "passphrase": "canary-value"}', "is a credential for an address"),
        (b"canary-value", 'is not a JSON object; store {"passphrase"'),
    ],
    ids=["short", "number", "of an issuer", "text"],
)
def test_unsuitable_passphrase_is_misconfigured(harness: Harness, stored: Any, message: str) -> None:
    with pytest.raises(Misconfigured, match=message) as caught:
        harness.open("pkcs12", stored).deliver(bundle(), NO_DELIVERY)
    assert "canary-value" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"format": "pkcs12"}, "`passphrase` and `format: pkcs12` require each other"),
        ({"passphrase": {"aws-secret": "evercert/credentials/a"}}, "`passphrase` and `format: pkcs12` require each"),
        ({"format": "pkcs12", "passphrase": {"aws-secret": "evercert/certificates/a"}}, "must be evercert/credentials"),
        ({"format": "jks"}, "'json', 'pem' or 'pkcs12'"),
    ],
    ids=["no passphrase", "no pkcs12", "a certificate", "jks"],
)
def test_settings_refuse_incomplete_formats(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ValueSettings.model_validate(settings)


def test_keystore_for_a_csr_is_refused_before_issuance() -> None:
    wanted = spec(csr=PrivateKey.generate("EC_prime256v1").sign_csr(spec().attributes))
    settings = {"secret": "a", "format": "pkcs12", "passphrase": {"aws-secret": "evercert/credentials/a"}}
    with pytest.raises(Rejected, match="PKCS #12 requires the private key"):
        SecretsManager.Settings.model_validate(settings).check(wanted)
    SecretsManager.Settings.model_validate({"secret": "a", "format": "pem"}).check(wanted)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_estimates_enclose_every_format(form: Format, algorithm: str) -> None:
    names = [f"host-{number:05d}.service.example.com" for number in range(100)]
    for count in (1, 100):
        root = chains.issue("Root")
        leaf = chains.leaf(root, [f"dns:{name}" for name in names[:count]], key=private_key(algorithm))
        made = Bundle(Chain((leaf.certificate, root.certificate)), PrivateKey(private_key(algorithm)))
        wanted = spec(attributes={"alt-names": names[:count]}, **{"private-key": {"algorithm": algorithm}})
        more = {"format": form} | ({"passphrase": {"aws-secret": "evercert/credentials/a"}} if form == "pkcs12" else {})
        settings = ValueSettings.model_validate(more)
        read: Callable[..., str] = lambda _: PASSPHRASE  # noqa: E731
        size = render(made, settings, "web", SimpleNamespace(passphrase=read)).size  # type: ignore[arg-type]
        assert least(wanted, form) <= size <= estimate(wanted, form)
