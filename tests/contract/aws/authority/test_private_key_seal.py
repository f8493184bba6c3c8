"""Contract of the authority's seal: the emulator's KMS and the strict double."""

from __future__ import annotations

import pytest

from evercert.aws.authority.private_key_seal import KMSKeySeal
from evercert.errors import Misconfigured, SealBroken
from evercert.pki.keys import PrivateKey
from tests.doubles.strict_aws import StrictKMS
from tests.doubles.world import World

REQUEST, OTHER = "8a4e1c9e-6a5e-4b6e-9a53-0d7a3c1f2b44", "9a4e1c9e-6a5e-4b6e-9a53-0d7a3c1f2b44"
KEY = PrivateKey.generate("EC_prime256v1")


@pytest.fixture(params=["strict", "kms"])
def seal(request: pytest.FixtureRequest):
    if request.param == "strict":
        return KMSKeySeal(StrictKMS(), "key", "stack")
    world: World = request.getfixturevalue("world")
    return KMSKeySeal(world.operator.kms, world._seal_key, "stack")


@pytest.mark.parametrize("algorithm", ["EC_prime256v1", "RSA_4096"])
def test_seal_round_trip(seal, algorithm) -> None:
    key = PrivateKey.generate(algorithm)
    assert seal.open(seal.close(key, REQUEST), REQUEST).public_bytes() == key.public_bytes()


def test_seal_opens_only_for_its_own_request(seal) -> None:
    sealed = seal.close(KEY, REQUEST)
    with pytest.raises(SealBroken, match=f"request {OTHER} does not open"):
        seal.open(sealed, OTHER)


@pytest.mark.parametrize("sealed", ["", "no base64!", "AAAA"])
def test_seal_rejects_malformed_text(seal, sealed: str) -> None:
    with pytest.raises((SealBroken, Misconfigured)):
        seal.open(sealed, REQUEST)


def test_seal_rejects_the_key_of_another_stack() -> None:
    kms = StrictKMS()
    sealed = KMSKeySeal(kms, "key", "one").close(KEY, REQUEST)
    with pytest.raises(SealBroken):
        KMSKeySeal(kms, "key", "two").open(sealed, REQUEST)
