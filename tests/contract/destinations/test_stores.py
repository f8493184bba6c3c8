"""One suite over all destinations that store a whole bundle, on their strict doubles and on an emulator."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import pkcs12

from evercert.contracts.destination import Destination, Inspectable
from evercert.contracts.record import Delivery
from evercert.errors import Misconfigured, Throttled, Unavailable
from evercert.pki.certificate import Bundle
from tests.contract.destinations.stores import PASSPHRASE, STORES, Store
from tests.contract.destinations.test_secrets_manager import bundle
from tests.doubles.strict_aws import REGION, refuse
from tests.doubles.world import assert_pair

NO_DELIVERY = Delivery()


@pytest.fixture(params=["strict secretsmanager", "strict s3", "strict ssm", "secretsmanager", "s3", "ssm"])
def store(request: pytest.FixtureRequest) -> Store:
    name = request.param.removeprefix("strict ")
    return STORES[name](None if name != request.param else request.getfixturevalue("world"))


def delivered(destination: Destination, made: Bundle, revision: int = 1, here: Delivery = NO_DELIVERY) -> Delivery:
    return Delivery(revision=revision, **vars(destination.deliver(made, here)))


def test_delivery_creates_a_tagged_whole_value(store: Store) -> None:
    here = delivered(store.open(), made := bundle())
    assert_pair(store.stored())
    assert store.stored()["serial_number"] == made.chain.serial_number
    assert store.tags() == {"evercert:stack": store.owner(), "evercert:certificate": "web"}
    assert here.location.startswith("arn:aws:") and here.version in store.versions()


def test_next_delivery_replaces_the_value(store: Store) -> None:
    first = delivered(store.open(), bundle())
    second = delivered(store.open(), made := bundle(), 2, first)
    assert store.stored()["serial_number"] == made.chain.serial_number
    assert (second.location, second.version != first.version) == (first.location, True)
    assert store.tags() == {"evercert:stack": store.owner(), "evercert:certificate": "web"}


@pytest.mark.parametrize("form", ["json", "pem", "pkcs12"])
def test_repeated_delivery_creates_no_version(store: Store, form: str) -> None:
    more: dict[str, Any] = {"format": form}
    if form == "pkcs12":
        more |= {"passphrase": {"aws-secret": "evercert/credentials/keystore"}}
    with_passphrase(store)
    delivered(store.open(**more), bundle())
    once = delivered(store.open(**more), made := bundle())
    before = store.versions()
    assert delivered(store.open(**more), made) == delivered(store.open(**more), made, here=once) == once
    assert store.versions() == before


def with_passphrase(store: Store) -> None:
    """Let the issuer read a passphrase, whatever the store."""
    secrets = getattr(store.clients, "secretsmanager", None)
    reader = SimpleNamespace(get_secret_value=lambda **_: {"SecretString": f'{{"passphrase": "{PASSPHRASE}"}}'})
    if secrets is not None:
        reader = type("Reader", (), {"__getattr__": lambda _, name: getattr(secrets, name)})()
        reader.get_secret_value = lambda **_: {"SecretString": f'{{"passphrase": "{PASSPHRASE}"}}'}
    store.clients.secretsmanager = reader


def test_pem_is_stored_as_text(store: Store) -> None:
    delivered(store.open(format="pem"), made := bundle())
    text = store.read()
    data = text if isinstance(text, bytes) else text.encode()
    assert x509.load_pem_x509_certificates(data) == [made.chain.leaf]
    assert data.endswith(b"-----END PRIVATE KEY-----\n")


def test_keystore_opens_with_the_passphrase(store: Store) -> None:
    with_passphrase(store)
    passphrase = {"aws-secret": "evercert/credentials/keystore"}
    delivered(store.open(format="pkcs12", passphrase=passphrase), made := bundle())
    data = store.read()
    assert isinstance(data, bytes)
    loaded = pkcs12.load_pkcs12(data, PASSPHRASE.encode())
    assert loaded.cert is not None
    assert (loaded.cert.certificate, loaded.cert.friendly_name) == (made.chain.leaf, b"web")


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"stack": "another"}, "does not belong to this stack"),
        ({"home": "us-east-1"}, "does not belong to this stack: the owner in its tag evercert:stack is"),
        ({"certificate": "api"}, "two certificates cannot share it"),
    ],
    ids=["another stack", "same name elsewhere", "another certificate"],
)
def test_value_of_another_owner_stays(store: Store, other: dict[str, str], message: str) -> None:
    here = delivered(store.open(**other), bundle())
    before = store.versions(), store.stored(), store.tags()
    mine = store.open()
    assert isinstance(mine, Inspectable)
    for call in (
        lambda: mine.deliver(bundle(), NO_DELIVERY),
        lambda: mine.deliver(bundle(), here),
        lambda: mine.examine(here.model_copy(update={"version": "ours"})),
        lambda: mine.inspect(NO_DELIVERY),
    ):
        with pytest.raises(Misconfigured, match=message):
            call()
    assert (store.versions(), store.stored(), store.tags()) == before


def test_examine_finds_no_drift_after_delivery(store: Store) -> None:
    here = delivered(store.open(), bundle())
    before = store.versions()
    assert store.open().examine(here) is None
    assert store.versions() == before


def test_examine_finds_or_repairs_a_manual_edit(store: Store) -> None:
    here = delivered(store.open(), made := bundle())
    store.edit()
    drift = store.open().examine(here)
    assert drift is not None and not drift.gone
    if drift.repaired is not None:
        assert store.stored()["serial_number"] == made.chain.serial_number
        return
    again = delivered(store.open(), new := bundle(), 2, here)
    assert store.stored()["serial_number"] == new.chain.serial_number
    assert store.tags() == {"evercert:stack": store.owner(), "evercert:certificate": "web"}
    assert store.open().examine(again) is None


def test_examine_finds_a_deleted_value(store: Store) -> None:
    here = delivered(store.open(), bundle())
    store.delete()
    drift = store.open().examine(here)
    assert drift is not None
    assert (drift.gone, drift.repaired) == (True, None)
    again = delivered(store.open(), new := bundle(), 2)
    assert store.stored()["serial_number"] == new.chain.serial_number
    assert store.open().examine(again) is None


def test_value_that_an_operator_created_stays(store: Store) -> None:
    """A value without tags is not ours, unless we delivered there before."""
    if store.type == "secrets-manager":
        store.client.create_secret(  # type: ignore[attr-defined]
            Name=store.settings["secret"], ClientRequestToken="h" * 36, SecretString="{}", Description="", Tags=[]
        )
    elif store.type == "ssm-parameter":
        store.client.put_parameter(Name=store.name, Value="{}", Type="SecureString", Overwrite=False)  # type: ignore[attr-defined]
    else:
        store.edit()
    before = store.versions()
    with pytest.raises(Misconfigured, match="does not belong to this stack; use another"):
        store.open().deliver(bundle(), NO_DELIVERY)
    assert store.versions() == before


WRITES = {
    "secrets-manager": ("put_secret_value", "ThrottlingException"),
    "s3": ("put_object", "SlowDown"),
    "ssm-parameter": ("put_parameter", "ThrottlingException"),
}


@pytest.mark.parametrize("name", STORES)
@pytest.mark.parametrize("service_error", ["throttled", "InternalError"])
def test_refused_write_is_retried_and_changes_nothing(name: str, service_error: str) -> None:
    """The breaker slows the service down after a throttle, and closes it after an outage."""
    store = STORES[name](None)
    here = delivered(store.open(), bundle())
    before = store.versions(), store.stored()
    operation, throttled = WRITES[store.type]
    written = getattr(store.client, operation)  # type: ignore[attr-defined]
    code = throttled if service_error == "throttled" else service_error

    def refusing(**_: Any) -> Any:
        raise refuse(code, operation, "", 503)

    setattr(store.client, operation, refusing)  # type: ignore[attr-defined]
    with pytest.raises(Throttled if code == throttled else Unavailable) as caught:
        store.open().deliver(bundle(), here)
    assert isinstance(caught.value, Throttled) is (code == throttled)
    setattr(store.client, operation, written)  # type: ignore[attr-defined]
    assert (store.versions(), store.stored()) == before
    assert store.open().service == f"{store.type} {store.account} {REGION}"


def test_inspection_accepts_a_missing_and_an_own_value(store: Store) -> None:
    destination = store.open()
    assert isinstance(destination, Inspectable)
    destination.inspect(NO_DELIVERY)
    here = delivered(destination, bundle())
    destination.inspect(here)
