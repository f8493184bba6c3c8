"""Contract of the seal: the emulator's KMS, the strict double and the fake."""

from __future__ import annotations

import pytest

from evercert.aws.kms import KMSSeal
from evercert.errors import Misconfigured, SealBroken
from evercert.pki.keys import PrivateKey
from tests.doubles.fakes import FakeSeal
from tests.doubles.strict_aws import StrictKMS

UID, OTHER = "8a4e1c9e-6a5e-4b6e-9a53-0d7a3c1f2b44", "9a4e1c9e-6a5e-4b6e-9a53-0d7a3c1f2b44"


@pytest.fixture(params=["fake", "strict", "kms"])
def seal(request: pytest.FixtureRequest):
    if request.param == "fake":
        return FakeSeal()
    if request.param == "strict":
        return KMSSeal(StrictKMS(), "key", "stack")
    return request.getfixturevalue("world").ports.seal


@pytest.mark.parametrize("algorithm", ["EC_prime256v1", "RSA_2048"])
def test_seal_round_trip(seal, algorithm) -> None:
    key = PrivateKey.generate(algorithm)
    assert seal.open(seal.close(key, UID, 1), UID, 1).public_bytes() == key.public_bytes()


@pytest.mark.parametrize(("uid", "revision"), [(OTHER, 1), (UID, 2)], ids=["another certificate", "another revision"])
def test_seal_opens_only_for_its_own_revision(seal, uid: str, revision: int) -> None:
    sealed = seal.close(PrivateKey.generate("EC_prime256v1"), UID, 1)
    with pytest.raises(SealBroken):
        seal.open(sealed, uid, revision)


@pytest.mark.parametrize("sealed", ["", "no base64!", "AAAA"])
def test_seal_rejects_malformed_text(seal, sealed: str) -> None:
    with pytest.raises((SealBroken, Misconfigured)):
        seal.open(sealed, UID, 1)


def test_seal_rejects_changed_ciphertext() -> None:
    """Runs on the double: the emulator decrypts a changed tail without an error."""
    seal = KMSSeal(StrictKMS(), "key", "stack")
    sealed = seal.close(PrivateKey.generate("EC_prime256v1"), UID, 1)
    swapped = sealed[:-8] + ("AAAAAAAA" if not sealed.endswith("AAAAAAAA") else "BBBBBBBB")
    with pytest.raises(SealBroken):
        seal.open(swapped, UID, 1)


def test_seal_rejects_the_key_of_another_stack() -> None:
    kms = StrictKMS()
    sealed = KMSSeal(kms, "key", "one").close(PrivateKey.generate("EC_prime256v1"), UID, 1)
    with pytest.raises(SealBroken):
        KMSSeal(kms, "key", "two").open(sealed, UID, 1)


def test_disabled_kms_key_is_misconfigured_and_loses_nothing() -> None:
    kms = StrictKMS()
    seal = KMSSeal(kms, "key", "stack")
    sealed = seal.close(PrivateKey.generate("EC_prime256v1"), UID, 1)
    kms.disabled = True
    with pytest.raises(Misconfigured) as raised:
        seal.open(sealed, UID, 1)
    assert not raised.value.abandons


def test_sealed_text_contains_no_key_material() -> None:
    seal = KMSSeal(StrictKMS(), "key", "stack")
    key = PrivateKey.generate("EC_prime256v1")
    import base64

    assert key.der() not in base64.b64decode(seal.close(key, UID, 1))
