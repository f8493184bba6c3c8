"""Destination Parameter Store: rules beyond those of every store, on the strict double."""

from __future__ import annotations

from typing import Any

import pytest

from evercert.contracts.record import Delivery
from evercert.destinations.ssm_parameter import SSMParameter
from evercert.errors import Busy, Misconfigured, Rejected
from evercert.pki.certificate import Bundle, Chain
from evercert.pki.keys import PrivateKey
from tests.contract.destinations.stores import KEY, ParameterStore
from tests.contract.destinations.test_secrets_manager import bundle
from tests.doubles.fakes import spec
from tests.doubles.strict_aws import refuse
from tests.doubles.strict_ssm import Parameter
from tests.samples import chains
from tests.samples.certificates import private_key

NO_DELIVERY = Delivery()


@pytest.fixture
def store() -> ParameterStore:
    return ParameterStore(None)


def parameter(store: ParameterStore) -> Parameter:
    found: Parameter = store.client.parameters[store.name]
    return found


def large(names: int = 1, algorithm: str = "RSA_2048") -> Bundle:
    root = chains.issue("Root", key=private_key("RSA_4096"))
    issuer = chains.issue("Issuer", root, key=private_key("RSA_4096", 1))
    leaf = chains.leaf(
        issuer, [f"dns:host-{number:03d}.example.com" for number in range(names)], key=private_key(algorithm)
    )
    chain = Chain((leaf.certificate, issuer.certificate, root.certificate))
    return Bundle(chain, PrivateKey(private_key(algorithm)))


def test_wildcard_is_encoded_in_the_name() -> None:
    found = SSMParameter.Settings.model_validate({}, context={"certificate": "*.example.com"})
    assert found.parameter == "/evercert/certificates/_wildcard.example.com"
    assert found.model_dump(by_alias=True, exclude_none=True) == {"parameter": found.parameter}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"parameter": "/evercert/credentials/infisical"}, "must begin with /evercert/certificates/"),
        ({"parameter": "/team/web"}, "must begin with /evercert/certificates/"),
        ({"parameter": "/evercert/certificates/../credentials/a"}, "between slashes"),
        ({"parameter": "evercert/certificates/web"}, "must begin with /"),
        ({"tier": "gold"}, "'standard', 'advanced' or 'auto'"),
    ],
    ids=["credentials", "prefix", "dots", "no slash", "tier"],
)
def test_settings_refuse_other_places(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SSMParameter.Settings.model_validate({"parameter": "/evercert/certificates/web", **changes})


def test_other_accounts_choose_their_own_names() -> None:
    role = "arn:aws:iam::444455556666:role/evercert"
    assert SSMParameter.Settings.model_validate({"parameter": "/team/web", "role": role}).parameter == "/team/web"


def test_tier_grows_with_the_value_and_stays(store: ParameterStore) -> None:
    store.open(format="pem").deliver(bundle(), NO_DELIVERY)
    assert parameter(store).tier == "Standard"
    store.open(format="pem").deliver(large(), NO_DELIVERY)
    assert parameter(store).tier == "Advanced"
    store.open(format="pem").deliver(bundle(), NO_DELIVERY)
    assert parameter(store).tier == "Advanced"
    with pytest.raises(Rejected, match="can't downgrade"):
        store.open(format="pem", tier="standard").deliver(bundle(), NO_DELIVERY)


@pytest.mark.parametrize(("tier", "most"), [("standard", 4_096), ("advanced", 8_192), ("auto", 8_192)])
def test_delivery_refuses_an_oversized_value(store: ParameterStore, tier: str, most: int) -> None:
    with pytest.raises(Rejected, match=f"bytes of at most {most}; use `format: pem` or a key of algorithm EC_prime"):
        store.open(tier=tier).deliver(large(50), NO_DELIVERY)
    assert store.client.writes == []


@pytest.mark.parametrize(("names", "form", "refused"), [(1, "json", False), (20, "json", False), (400, "pem", True)])
def test_check_refuses_only_what_never_fits(names: int, form: str, refused: bool) -> None:
    wanted = spec(attributes={"alt-names": [f"host-{number:05d}.example.com" for number in range(names)]})
    found = SSMParameter.Settings.model_validate({"parameter": "/evercert/certificates/web", "format": form})
    if refused:
        with pytest.raises(Rejected, match=r"at least .* bytes, and the tier accepts 8192; use `format: pem`"):
            found.check(wanted)
    else:
        found.check(wanted)


def test_version_is_recognized_among_a_hundred(store: ParameterStore) -> None:
    made = bundle()
    for _ in range(105):
        store.edit_with(store.client.put_parameter)
    assert len(parameter(store).versions) == 100
    parameter(store).tags |= {"evercert:stack": store.owner(), "evercert:certificate": "web"}
    once = store.open().deliver(made, NO_DELIVERY)
    assert once.version == "106"
    assert store.open().deliver(made, NO_DELIVERY) == once


def test_lost_answer_of_a_creation_creates_no_second_version(store: ParameterStore) -> None:
    put = store.client.put_parameter

    def repeated(**arguments: Any) -> Any:
        put(**arguments)
        return put(**arguments)

    store.client.put_parameter = repeated
    assert store.open().deliver(bundle(), NO_DELIVERY).version == "1"
    assert store.client.writes == ["put"]


def test_key_is_named_in_every_version(store: ParameterStore) -> None:
    """PutParameter without a key would encrypt the next version with the default one."""
    store.client.keys[KEY] = "usable"
    for _ in range(2):
        store.open(**{"kms-key": KEY}).deliver(bundle(), NO_DELIVERY)
    assert [each["KeyId"] for each in parameter(store).versions] == [KEY, KEY]


@pytest.mark.parametrize(
    ("state", "message"),
    [("denied", "not authorized to perform: kms"), ("disabled", "the KMS key of the parameter cannot be used")],
)
def test_unusable_key_is_misconfigured(store: ParameterStore, state: str, message: str) -> None:
    store.client.keys[KEY] = state
    with pytest.raises(Misconfigured, match=message):
        store.open(**{"kms-key": KEY}).deliver(bundle(), NO_DELIVERY)


def test_text_parameter_is_misconfigured(store: ParameterStore) -> None:
    store.open().deliver(bundle(), NO_DELIVERY)
    parameter(store).type = "String"
    with pytest.raises(Misconfigured, match="it is a String, not a SecureString; delete it"):
        store.open().deliver(bundle(), NO_DELIVERY)


def test_concurrent_update_is_retried(store: ParameterStore) -> None:
    def busy(**_: Any) -> Any:
        raise refuse("TooManyUpdates", "PutParameter", "There are concurrent updates")

    store.client.put_parameter = busy
    with pytest.raises(Busy):
        store.open().deliver(bundle(), NO_DELIVERY)


def test_values_are_never_decrypted(store: ParameterStore) -> None:
    read = store.client.get_parameter
    asked: list[dict[str, Any]] = []

    def watched(**arguments: Any) -> Any:
        asked.append(arguments)
        return read(**arguments)

    store.client.get_parameter = watched
    delivered = store.open().deliver(bundle(), NO_DELIVERY)
    store.open().examine(Delivery(revision=1, **vars(delivered)))
    assert asked and not any(arguments.get("WithDecryption") for arguments in asked)
